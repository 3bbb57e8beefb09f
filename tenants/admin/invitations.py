"""Invitations: what is on its way, and sending, resending and revoking it."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join

from console.access import actor_of, can
from console.actions import list_action, object_action
from console.keyset import KeysetList
from console.options import TenantModelAdmin
from console.sites import tenant_site
from isolation.context import current_actor
from tenants.forms.members import ReasonForm
from tenants.mails import send_invitation
from tenants.models import Invitation
from tenants.permissions import P
from tenants.services.invitations import resend_invitation, revoke_invitation

from .common import STYLE, badge, two_lines

_TONES = {"pending": "good", "expired": "warn", "revoked": "bad", "accepted": ""}


class StateFilter(SimpleListFilter):
    """By state, which is worked out from three columns."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the four states."""
        return [(state, state.capitalize()) for state in _TONES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the invitations in the chosen state."""
        now = timezone.now()
        conditions: dict[str | None, dict[str, Any]] = {
            "pending": {"accepted_at": None, "revoked_at": None, "expires_at__gt": now},
            "expired": {"accepted_at": None, "revoked_at": None, "expires_at__lte": now},
            "revoked": {"accepted_at": None, "revoked_at__isnull": False},
            "accepted": {"accepted_at__isnull": False},
        }
        return queryset.filter(**conditions.get(self.value(), {}))


@admin.register(Invitation, site=tenant_site)
class InvitationAdmin(KeysetList, TenantModelAdmin):
    """The organization's invitations, newest first."""

    permissions: ClassVar = {"view": P.MEMBERS_READ}
    menu = ("Access", 20)
    icon = "mail"
    description = "Who was asked to join, and what became of it."
    empty_title = "Nobody has been invited yet"
    empty_text = "Invite people by e-mail: they accept with a login of their own."

    list_display = ("address", "state_badge", "offer", "inviter", "sent", "next_steps")
    list_filter = (StateFilter, "role")
    search_fields = ("email__startswith",)
    search_help_text = "Search by the beginning of an e-mail address"
    fields = ("address", "state_badge", "offer", "inviter", "sent", "expires_at")
    readonly_fields = ("address", "state_badge", "offer", "inviter", "sent", "expires_at")
    actions_list = ("invite",)
    actions_detail = ("resend", "revoke")

    class Media:
        css = STYLE

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the invitations with what a row shows."""
        return super().narrow(request, queryset).select_related("role", "project", "project_role", "invited_by")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Search in lower case, as addresses are stored."""
        found: tuple[Any, bool] = super().get_search_results(request, queryset, search_term.lower())
        return found

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns; what can be done next only for whoever may do it."""
        return self.list_display if can(request, P.MEMBERS_INVITE) else self.list_display[:-1]

    @list_action(permission=P.MEMBERS_INVITE, description="Invite members", icon="person_add")
    def invite(self, request: HttpRequest) -> HttpResponse:
        """Lead to the invitation form."""
        return HttpResponseRedirect(reverse("console:invite"))

    @object_action(
        permission=P.MEMBERS_INVITE,
        description="Send again",
        confirm="A new link is mailed, good for another week. The old link stops working.",
        icon="forward_to_inbox",
        when=lambda invitation: invitation.state in {"pending", "expired"},
    )
    def resend(self, request: HttpRequest, obj: Invitation, data: dict[str, Any]) -> HttpResponse:
        """Mail a new link."""
        sent = resend_invitation(invitation=obj, actor=actor_of(request))
        send_invitation(sent, request=request)
        messages.success(request, f"A new link was sent to {obj.email}.")
        return HttpResponseRedirect(self.list_url(request))

    @object_action(
        permission=P.MEMBERS_INVITE,
        description="Revoke",
        confirm="The link that was mailed stops working. You can invite the address again.",
        icon="cancel",
        danger=True,
        form=ReasonForm,
        when=lambda invitation: invitation.state in {"pending", "expired"},
    )
    def revoke(self, request: HttpRequest, obj: Invitation, data: dict[str, Any]) -> HttpResponse:
        """Make the link useless."""
        revoke_invitation(invitation=obj, actor=actor_of(request), reason=data["reason"])
        messages.success(request, f"The invitation of {obj.email} was revoked.")
        return HttpResponseRedirect(self.list_url(request))

    @admin.display(description="E-mail address")
    def address(self, obj: Invitation) -> str:
        """Return whom it invites."""
        return two_lines(obj.email)

    @admin.display(description="State")
    def state_badge(self, obj: Invitation) -> str:
        """Return the state."""
        return badge(obj.state.capitalize(), _TONES[obj.state])

    @admin.display(description="Role")
    def offer(self, obj: Invitation) -> str:
        """Return the role, and the one in a project that the reader sees."""
        # A column is drawn without the request.
        if obj.project is None or not current_actor().can(P.PROJECTS_READ, obj.project):
            return two_lines(obj.role.name)
        return two_lines(obj.role.name, f"{obj.project_role} in {obj.project}")

    @admin.display(description="Invited by")
    def inviter(self, obj: Invitation) -> str:
        """Return who sent it."""
        return two_lines(obj.invited_by.display_name) if obj.invited_by else two_lines("somebody who has left")

    @admin.display(description="Last sent")
    def sent(self, obj: Invitation) -> Any:
        """Return when it was last sent, and for how long it is good."""
        until = f"until {date_format(obj.expires_at)}" if obj.is_open else ""
        return two_lines(date_format(obj.sent_at), until)

    @admin.display(description="Next")
    def next_steps(self, obj: Invitation) -> str:
        """Return links to what can be done."""
        if obj.state not in {"pending", "expired"}:
            return ""
        steps = [("Send again", "resend"), ("Revoke", "revoke")]
        links = (
            (reverse(f"console:tenants_invitation_{name}", args=[obj.pk]), text, obj.email) for text, name in steps
        )
        return format_html(
            '<span class="tn-links">{}</span>',
            format_html_join(
                "", '<a class="tn-link" href="{}" aria-label="{}: {}">{}</a>', ((u, t, e, t) for u, t, e in links)
            ),
        )
