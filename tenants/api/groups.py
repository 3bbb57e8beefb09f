"""Groups: sets of members."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import Filter, listing, operation
from api.serializers import Answer, Body, Change
from api.views import OrganizationView
from tenants.models import Group, GroupMember, Source
from tenants.permissions import P
from tenants.selectors import with_sizes
from tenants.services.groups import add_group_member, create_group, delete_group, remove_group_member, update_group

from .serializers import GROUP_EXAMPLE, MEMBER_EXAMPLE, MemberName, member_field

TAG = "Groups"


class GroupAnswer(Answer):
    """A group."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    source = serializers.ChoiceField(choices=Source.values)  # type: ignore[assignment]  # DRF takes declared fields out of the class
    size = serializers.IntegerField(help_text="How many members it has.")
    created_at = serializers.DateTimeField()


class NewGroup(Body):
    """What a new group needs."""

    name = serializers.CharField(max_length=120)
    description = serializers.CharField(max_length=300, allow_blank=True, default="")


class GroupChange(Change):
    """What of a group can change."""

    name = serializers.CharField(max_length=120)
    description = serializers.CharField(max_length=300, allow_blank=True)


class GroupMemberAnswer(Answer):
    """A member's place in a group."""

    id = serializers.UUIDField()
    member = MemberName(source="membership")
    created_at = serializers.DateTimeField()


class NewGroupMember(Body):
    """Who joins a group."""

    member = member_field(help_text="The member's id.")


EXAMPLE = {
    **GROUP_EXAMPLE,
    "description": "They judge answers.",
    "source": "manual",
    "size": 4,
    "created_at": "2026-01-05T09:00:00Z",
}
PLACE_EXAMPLE = {
    "id": "3c4d5e6f-7081-4293-8a4b-5c6d7e8f9012",
    "member": MEMBER_EXAMPLE,
    "created_at": "2026-01-05T09:00:00Z",
}


class Groups(OrganizationView):
    """The groups of an organization."""

    tag = TAG

    @listing(
        "listGroups",
        "List the groups",
        permission=P.GROUPS_READ,
        response=GroupAnswer,
        filters={"name": Filter(serializers.CharField(max_length=120, help_text="Exactly this name."), "name")},
        ordering={"created_at": "created_at", "name": "name"},
        default_ordering="name",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Groups carry roles to their members."""
        return _groups()

    @operation(
        "createGroup",
        "Create a group",
        permission=P.GROUPS_MANAGE,
        request=NewGroup,
        response=GroupAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE | {"size": 0},
        request_example={"name": "Evaluators"},
    )
    def post(self) -> Group:
        """It begins empty and without a role."""
        created = create_group(organization=self.organization, actor=self.actor, **self.data)
        return _again(created)


class OneGroup(OrganizationView):
    """One group."""

    tag = TAG

    @operation("getGroup", "Return a group", permission=P.GROUPS_READ, response=GroupAnswer, example=EXAMPLE)
    def get(self, group: UUID) -> Group:
        """Its members and roles have addresses of their own."""
        found: Group = self.find(_groups(), pk=group)
        return found

    @operation(
        "updateGroup",
        "Change a group",
        permission=P.GROUPS_MANAGE,
        request=GroupChange,
        response=GroupAnswer,
        example=EXAMPLE,
        request_example={"description": "They judge answers."},
    )
    def patch(self, group: UUID) -> Group:
        """What is left out stays as it is."""
        stored = self.locked(_groups(), pk=group)
        values = GroupChange.completed(stored, self.data)
        return _again(update_group(group=stored, actor=self.actor, **values))

    @operation("deleteGroup", "Delete a group", permission=P.GROUPS_MANAGE, status=204)
    def delete(self, group: UUID) -> None:
        """Its members lose what it gave them."""
        delete_group(group=self.locked(_groups(), pk=group), actor=self.actor)


class GroupMembers(OrganizationView):
    """The members of a group."""

    tag = TAG

    @listing(
        "listGroupMembers",
        "List a group's members",
        permission=P.GROUPS_READ,
        response=GroupMemberAnswer,
        filters={"member": Filter(serializers.UUIDField(help_text="This member, by its id."), "membership_id")},
        ordering={"created_at": "created_at", "email": "membership__user__email"},
        default_ordering="-created_at",
        example=PLACE_EXAMPLE,
    )
    def get(self, group: UUID) -> Any:
        """With who they are."""
        return _places().filter(group=self.find(Group.objects.all(), pk=group))

    @operation(
        "addGroupMember",
        "Put a member into a group",
        permission=P.GROUPS_MANAGE,
        request=NewGroupMember,
        response=GroupMemberAnswer,
        status=HTTPStatus.CREATED,
        example=PLACE_EXAMPLE,
        request_example={"member": MEMBER_EXAMPLE["id"]},
    )
    def post(self, group: UUID) -> GroupMember:
        """They get the group's roles, none of which may be above your own."""
        found = self.find(Group.objects.all(), pk=group)
        return add_group_member(group=found, membership=self.data["member"], actor=self.actor)


class OneGroupMember(OrganizationView):
    """One member's place in a group."""

    tag = TAG

    @operation(
        "getGroupMember",
        "Return a member's place in a group",
        permission=P.GROUPS_READ,
        response=GroupMemberAnswer,
        example=PLACE_EXAMPLE,
    )
    def get(self, group: UUID, place: UUID) -> GroupMember:
        """404 when they are not in it."""
        found: GroupMember = self.find(_places(), group=group, pk=place)
        return found

    @operation("removeGroupMember", "Take a member out of a group", permission=P.GROUPS_MANAGE, status=204)
    def delete(self, group: UUID, place: UUID) -> None:
        """They lose the group's roles."""
        remove_group_member(place=self.locked(_places(), group=group, pk=place), actor=self.actor)


def _groups() -> Any:
    return with_sizes(Group.objects.all())


def _again(group: Group) -> Group:
    """Return the group with its size."""
    found: Group = _groups().get(pk=group.pk)
    return found


def _places() -> Any:
    return GroupMember.objects.select_related("membership__user")
