"""Operators who look into an organization give a reason, which its audit log shows."""

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from console.links import login_url, root_url
from isolation.actor import Actor, ActorKind
from isolation.scope import tenant_scope
from portal.forms import SupportForm
from portal.support import SUPPORT_LASTS, begin_support, end_support, visits_organization
from tenants import signals
from tenants.models import Organization


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def enter(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """Ask an operator for the reason, record it in the organization's log, and begin the visit.

    Raises:
        PermissionDenied: the person is no operator.
        Http404: there is no such organization.
    """
    if not request.user.is_authenticated:
        return redirect(login_url(request.get_full_path()))
    actor = _operator(request)
    organization = get_object_or_404(Organization.objects.all(), pk=organization_id)
    form = SupportForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        reason = form.cleaned_data["reason"].strip()
        with tenant_scope(organization):
            signals.support_entered.announce(organization, actor=actor, reason=reason)
        begin_support(request, slug=organization.slug, organization_id=organization.pk, reason=reason)
        return redirect(root_url(f"o/{organization.slug}/"))
    minutes = int(SUPPORT_LASTS.total_seconds() // 60)
    context = {"form": form, "organization": organization, "minutes": minutes}
    return render(request, "portal/support_enter.html", context)


@require_POST
def leave(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """End the visit and record it; nothing is recorded when there was none.

    Raises:
        PermissionDenied: the person is no operator.
    """
    actor = _operator(request)
    if visits_organization(request, organization_id=organization_id):
        with tenant_scope(organization_id):
            organization = Organization.objects.filter(pk=organization_id).first()
            if organization is not None:
                signals.support_left.announce(organization, actor=actor)
        end_support(request, organization_id=organization_id)
    return redirect(root_url("admin/"))


def _operator(request: HttpRequest) -> Actor:
    actor: Any = getattr(request, "actor", None)
    if not isinstance(actor, Actor) or actor.kind is not ActorKind.OPERATOR:
        raise PermissionDenied("Only operators of this installation may enter an organization for support.")
    return actor
