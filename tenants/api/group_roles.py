"""The roles that a group gives its members."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import listing, operation
from api.serializers import Answer, Body
from api.views import ApiView, OrganizationView
from tenants.models import Group, GroupRole
from tenants.permissions import P
from tenants.services.groups import remove_group_role, set_group_role

from .serializers import PROJECT_EXAMPLE, ROLE_EXAMPLE, ProjectName, RoleName, project_field, role_field

TAG = "Groups"


class GroupRoleAnswer(Answer):
    """A role that a group gives."""

    id = serializers.UUIDField()
    role = RoleName()
    project = ProjectName(allow_null=True, help_text="Where it counts; null: in the whole organization.")


class GroupRoleBody(Body):
    """Which role, and where."""

    role = role_field(help_text="Owner is given to people: a group carries it only with `allow_owner`.")
    project = project_field(required=False, allow_null=True, help_text="Left out: it counts in the whole organization.")
    allow_owner = serializers.BooleanField(
        default=False,
        help_text="For Owner, in the whole organization, and a group of an identity provider: everybody whom that puts "
        "into the group becomes an owner.",
    )


EXAMPLE = {"id": "4d5e6f70-8192-4a3b-8c4d-5e6f70819203", "role": ROLE_EXAMPLE, "project": PROJECT_EXAMPLE}


class GroupRoles(OrganizationView):
    """The roles of a group."""

    tag = TAG

    @listing(
        "listGroupRoles",
        "List a group's roles",
        permission=P.GROUPS_READ,
        response=GroupRoleAnswer,
        ordering={"id": "id"},
        default_ordering="id",
        example=EXAMPLE,
    )
    def get(self, group: UUID) -> Any:
        """Roles in projects that you do not see are left out."""
        return _roles(self).filter(group=self.find(Group.objects.all(), pk=group))

    @operation(
        "setGroupRole",
        "Give a group's members a role",
        permission=P.GROUPS_MANAGE,
        request=GroupRoleBody,
        response=GroupRoleAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE,
        request_example={"role": ROLE_EXAMPLE["key"], "project": PROJECT_EXAMPLE["slug"]},
    )
    def post(self, group: UUID) -> GroupRole:
        """A group has one role in the organization and one in each project: a new one replaces the one before."""
        found = self.find(Group.objects.all(), pk=group)
        return set_group_role(group=found, actor=self.actor, **self.data)


class OneGroupRole(OrganizationView):
    """One role of a group."""

    tag = TAG

    @operation(
        "getGroupRole",
        "Return a role of a group",
        permission=P.GROUPS_READ,
        response=GroupRoleAnswer,
        example=EXAMPLE,
    )
    def get(self, group: UUID, group_role: UUID) -> GroupRole:
        """With the project in which it counts."""
        found: GroupRole = self.find(_roles(self), group=group, pk=group_role)
        return found

    @operation("removeGroupRole", "Take a role away from a group", permission=P.GROUPS_MANAGE, status=204)
    def delete(self, group: UUID, group_role: UUID) -> None:
        """Its members have what is left: their own roles and those of other groups."""
        remove_group_role(group_role=self.locked(_roles(self), group=group, pk=group_role), actor=self.actor)


def _roles(view: ApiView) -> Any:
    """Return the roles that count where the actor may look: a role in a hidden project would tell of it."""
    visible = view.actor.authority.projects_where(P.PROJECTS_READ, column="project_id")
    everywhere = GroupRole.objects.filter(project=None)
    rows = GroupRole.objects.filter(visible) | everywhere
    return rows.select_related("role", "project", "group")
