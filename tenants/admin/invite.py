"""The invitation form: one address or a list, each with an outcome of its own."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from console.access import actor_of
from console.confirm import add_refusal
from console.sites import tenant_site
from isolation.exceptions import DomainError
from tenants.forms.invitations import InviteForm
from tenants.mails import send_invitation
from tenants.models import Project
from tenants.permissions import P
from tenants.services.invitations import invite_member

from .common import dressed, organization_of, page, role_options

_MOST_PROJECTS = 300
_OF_ONE_ADDRESS = {"email"}


@dataclass(frozen=True, slots=True)
class Refused:
    """An address that was not invited, and why."""

    email: str
    why: str


@tenant_site.page("members/invite/", name="invite", title="Invite members", permission=P.MEMBERS_INVITE)
def invite(request: HttpRequest) -> HttpResponse:
    """Ask whom to invite, then invite; what failed stays in the form with its reason."""
    form = _form(request, request.POST if request.method == "POST" else None)
    sent: list[str] = []
    refused: list[Refused] = []
    if form.is_bound and form.is_valid():
        try:
            with transaction.atomic():
                sent, refused = _invite_each(request, form)
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            if sent:
                messages.success(request, f"Invitations were sent to {', '.join(sent)}.")
            if not refused:
                return HttpResponseRedirect(reverse("console:tenants_invitation_changelist"))
            form = _form(request, {**request.POST.dict(), "emails": "\n".join(item.email for item in refused)})
    context = {
        "title": "Invite members",
        "breadcrumbs": [{"title": "Invitations", "url": reverse("console:tenants_invitation_changelist")}],
        "sent": sent,
        "refused": refused,
        "cancel_url": reverse("console:tenants_invitation_changelist"),
    }
    return page(tenant_site, request, "tenants/invite.html", context, form=form)


def _form(request: HttpRequest, data: Any) -> InviteForm:
    projects = Project.objects.visible_to(actor_of(request), P.PROJECTS_MANAGE).filter(purge_at=None)
    form = InviteForm(
        data,
        options=role_options(request),
        default_role=organization_of(request).default_role,
        projects=list(projects.order_by("name")[:_MOST_PROJECTS]),
    )
    dressed(form)
    return form


def _invite_each(request: HttpRequest, form: InviteForm) -> tuple[list[str], list[Refused]]:
    """Return who was invited and who was not.

    Raises:
        DomainError: about the roles or the organization, which would refuse every address.
    """
    sent, refused = [], []
    for email in form.cleaned_data["emails"]:
        try:
            invitation = invite_member(
                organization=organization_of(request), email=email, actor=actor_of(request), **form.chosen()
            )
        except DomainError as refusal:
            if refusal.field not in _OF_ONE_ADDRESS:
                raise
            refused.append(Refused(email, refusal.message))
        else:
            send_invitation(invitation, request=request)
            sent.append(email)
    return sent, refused
