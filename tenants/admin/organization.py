"""The organization's settings, and the danger zone: leaving, deleting, calling a deletion off."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from console.access import actor_of, can
from console.confirm import ConfirmForm, add_refusal, show_confirmation
from console.links import root_url
from console.sites import tenant_site
from isolation.actor import ActorKind
from isolation.exceptions import DomainError
from tenants.forms.members import ReasonForm
from tenants.forms.organization import OrganizationForm
from tenants.models import InstallationSettings, Membership
from tenants.permissions import P
from tenants.services.members import leave_organization
from tenants.services.organizations import request_deletion, restore_organization, update_organization

from .common import organization_of, page, role_options


@tenant_site.page(
    "settings/",
    name="settings",
    title="Settings",
    permission=P.ORGANIZATION_READ,
    menu=("Organization", 10),
    icon="settings",
    description="Name, default role, naming of projects, life of keys, leaving and deleting.",
)
def settings(request: HttpRequest) -> HttpResponse:
    """Show and save the settings."""
    organization = organization_of(request)
    editable = can(request, P.ORGANIZATION_MANAGE)
    data = request.POST if request.method == "POST" else None
    form = OrganizationForm(data, organization=organization, options=role_options(request), editable=editable)
    if form.is_bound and form.is_valid():
        try:
            update_organization(organization=organization, actor=actor_of(request), **form.values())
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, "The settings were saved.")
            return HttpResponseRedirect(reverse("console:settings"))
    context = {
        "title": "Settings",
        "organization": organization,
        "editable": editable,
        "may_delete": can(request, P.ORGANIZATION_DELETE),
        "is_member": actor_of(request).kind is ActorKind.USER,
        "grace_days": InstallationSettings.load().deletion_grace_days,
    }
    return page(tenant_site, request, "tenants/settings.html", context, form=form)


@tenant_site.page("settings/delete/", name="delete_organization", title="Delete", permission=P.ORGANIZATION_DELETE)
def delete(request: HttpRequest) -> HttpResponse:
    """Ask for the identifier, then schedule the deletion."""
    organization = organization_of(request)
    days = InstallationSettings.load().deletion_grace_days

    def schedule(answers: dict[str, Any]) -> None:
        stored = request_deletion(organization=organization, actor=actor_of(request), reason=answers["reason"])
        messages.success(request, f"{stored} will be deleted on {stored.purge_at:%-d %B %Y at %H:%M} UTC.")

    return _ask(
        request,
        schedule,
        title="Delete this organization",
        message=f"The deletion is scheduled. For {days} days nothing is lost and any owner can call it off. "
        "After that it cannot be undone.",
        consequences=[
            "Members, groups, roles, projects, keys and credentials go for good.",
            "Nobody can be invited and no project created in the meantime.",
            "The audit log stays, for the operators of this installation.",
        ],
        submit="Schedule the deletion",
        phrase=organization.slug,
        base=ReasonForm,
    )


@tenant_site.page("settings/restore/", name="restore_organization", title="Restore", permission=P.ORGANIZATION_DELETE)
def restore(request: HttpRequest) -> HttpResponse:
    """Ask, then call the deletion off."""
    organization = organization_of(request)

    def call_off(answers: dict[str, Any]) -> None:
        restore_organization(organization=organization, actor=actor_of(request))
        messages.success(request, f"{organization} stays.")

    return _ask(
        request,
        call_off,
        title="Call the deletion off",
        message="The organization stays as it is.",
        submit="Call the deletion off",
        danger=False,
    )


@tenant_site.page("settings/leave/", name="leave_organization", title="Leave", permission=None)
def leave(request: HttpRequest) -> HttpResponse:
    """Ask, then end one's own membership; every member may."""
    organization, actor = organization_of(request), actor_of(request)
    membership = Membership.objects.select_related("user", "role").filter(user_id=actor.id).first()
    if membership is None:
        raise Http404("You are not a member of this organization.")

    def go(answers: dict[str, Any]) -> None:
        leave_organization(membership=membership, actor=actor)
        messages.success(request, f"You have left {organization}.")

    return _ask(
        request,
        go,
        title="Leave this organization",
        message=f"You lose access to {organization} at once. To come back, somebody has to invite you again.",
        submit="Leave",
        then=root_url(),
    )


def _ask(
    request: HttpRequest,
    act: Callable[[dict[str, Any]], None],
    *,
    phrase: str = "",
    base: type[forms.Form] | None = None,
    then: str = "",
    **words: Any,
) -> HttpResponse:
    """Return the confirmation page, or what follows after `act` was done; a refusal is shown on the page."""
    back = reverse("console:settings") if can(request, P.ORGANIZATION_READ) else reverse("console:index")
    form = ConfirmForm.build(request, base=base, phrase=phrase)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                act(form.answers())
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            return HttpResponseRedirect(then or back)
    return show_confirmation(tenant_site, request, form=form, cancel_url=back, **words)
