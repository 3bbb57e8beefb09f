"""A member's page, with what ends their sessions in the organization."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from accounts.services.sessions import end_member_sessions
from console.access import actor_of
from console.actions import object_action
from console.sites import tenant_site
from tenants.admin.members import MembershipAdmin
from tenants.forms.members import ReasonForm
from tenants.models import Membership
from tenants.permissions import P

tenant_site.unregister(Membership)


@admin.register(Membership, site=tenant_site)
class MemberAdmin(MembershipAdmin):
    """The organization's members, whose sessions this app knows."""

    actions_detail = ("end_sessions", *MembershipAdmin.actions_detail)

    @object_action(
        permission=P.MEMBERS_MANAGE,
        description="End sessions here",
        confirm="Whoever is signed in as this member now leaves this organization with their next request, and has to "
        "sign in again to come back. API keys stay as they are: revoke those that are not to be trusted any more.",
        url_path="end-sessions",
        icon="logout",
        form=ReasonForm,
    )
    def end_sessions(self, request: HttpRequest, obj: Membership, data: dict[str, Any]) -> None:
        """Let the member's sessions of before in no more."""
        end_member_sessions(membership=obj, actor=actor_of(request), reason=data["reason"])
        messages.success(request, f"The sessions of {obj} have ended in this organization.")
