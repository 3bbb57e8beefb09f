"""Members: who belongs to an organization, with which role."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import MEMBER, Filter, listing, operation
from api.serializers import Answer, Change
from api.views import OrganizationView
from tenants.models import Membership, Source
from tenants.permissions import P
from tenants.selectors import with_second_factor
from tenants.services.members import change_role, leave_organization, remove_member, set_member_active

from .common import REASON, AddressField, person_of, reason_of
from .serializers import MEMBER_EXAMPLE, ROLE_EXAMPLE, PersonAnswer, RoleName, role_field, role_filter

TAG = "Members"


class MemberAnswer(Answer):
    """A member: the id is the membership's."""

    id = serializers.UUIDField()
    user = PersonAnswer()
    role = RoleName()
    is_active = serializers.BooleanField(help_text="An inactive member keeps everything and may do nothing.")
    source = serializers.ChoiceField(choices=Source.values, help_text="How the membership came to be.")  # type: ignore[assignment]  # DRF takes declared fields out of the class
    has_second_factor = serializers.BooleanField(
        allow_null=True,
        help_text="Whether signing in takes more than the password. Null without `members:manage`.",
    )
    created_at = serializers.DateTimeField()


class MemberChange(Change):
    """What of a member can change."""

    role = role_field()
    is_active = serializers.BooleanField()


EXAMPLE = {
    **MEMBER_EXAMPLE,
    "role": ROLE_EXAMPLE,
    "is_active": True,
    "source": "invitation",
    "has_second_factor": True,
    "created_at": "2026-01-05T09:00:00Z",
}


class Members(OrganizationView):
    """The members of an organization."""

    tag = TAG

    @listing(
        "listMembers",
        "List the members",
        permission=P.MEMBERS_READ,
        response=MemberAnswer,
        filters={
            "email": Filter(AddressField(help_text="Exactly this address."), "user__email"),
            "user": Filter(serializers.UUIDField(help_text="The id of this person."), "user_id"),
            "role": role_filter("With this role."),
            "is_active": Filter(serializers.BooleanField(help_text="Whether the membership is active."), "is_active"),
            "has_second_factor": Filter(
                serializers.BooleanField(help_text="Whether they have one; matches nobody without `members:manage`."),
                "has_second_factor",
            ),
        },
        ordering={"created_at": "created_at", "email": "user__email"},
        default_ordering="-created_at",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """New members come by invitation, by single sign-on or by provisioning."""
        return members(self)


class OneMember(OrganizationView):
    """One member."""

    tag = TAG

    @operation("getMember", "Return a member", permission=P.MEMBERS_READ, response=MemberAnswer, example=EXAMPLE)
    def get(self, member: UUID) -> Membership:
        """`explain` says what the member may do and why."""
        found: Membership = self.find(members(self), pk=member)
        return found

    @operation(
        "updateMember",
        "Change a member's role, or whether they are active",
        permission=P.MEMBERS_MANAGE,
        request=MemberChange,
        response=MemberAnswer,
        example=EXAMPLE,
        request_example={"role": ROLE_EXAMPLE["key"]},
    )
    def patch(self, member: UUID) -> Membership:
        """Nobody gives or takes a role above their own, and an organization keeps an active owner."""
        stored = self._locked(member)
        if "role" in self.data:
            stored = change_role(membership=stored, role=self.data["role"], actor=self.actor)
        if "is_active" in self.data:
            stored = set_member_active(membership=stored, active=self.data["is_active"], actor=self.actor)
        changed: Membership = self.find(members(self), pk=stored.pk)
        return changed

    @operation("deleteMember", "End a membership", permission=P.MEMBERS_MANAGE, filters=REASON, status=204)
    def delete(self, member: UUID) -> None:
        """Roles in projects, places in groups and exceptions of the member end with it."""
        remove_member(membership=self._locked(member), actor=self.actor, reason=reason_of(self))

    def _locked(self, member: UUID) -> Membership:
        self.lock_organization()
        found: Membership = self.locked(members(self), pk=member)
        return found


class Leave(OrganizationView):
    """Leaving an organization."""

    tag = TAG

    @operation("leaveOrganization", "End your own membership", permission=MEMBER, status=204)
    def post(self) -> None:
        """The last active owner cannot leave."""
        user = person_of(self, what="A key is no member and cannot leave.")
        leave_organization(membership=self.find(members(self), user=user), actor=self.actor)


def members(view: OrganizationView) -> Any:
    """Return the members with what an answer shows to whoever asks."""
    rows = Membership.objects.select_related("user", "role")
    return with_second_factor(rows, told=view.actor.can(P.MEMBERS_MANAGE, view.organization))
