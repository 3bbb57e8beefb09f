"""Roles in one project, which replace a member's role in the organization there."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import listing, operation
from api.serializers import Answer, Body
from tenants.models import Membership, Project, ProjectMembership, Source
from tenants.permissions import P
from tenants.services.members import remove_project_role, set_project_role

from .places import ProjectView
from .serializers import MEMBER_EXAMPLE, ROLE_EXAMPLE, MemberName, RoleName, role_field, role_filter

TAG = "Project roles"


class ProjectRoleAnswer(Answer):
    """A member's own role in a project."""

    id = serializers.UUIDField()
    member = MemberName(source="membership")
    role = RoleName()
    source = serializers.ChoiceField(choices=Source.values)  # type: ignore[assignment]  # DRF takes declared fields out of the class
    created_at = serializers.DateTimeField()


class ProjectRoleBody(Body):
    """Which role."""

    role = role_field()


EXAMPLE = {
    "id": "c0ffee00-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
    "member": MEMBER_EXAMPLE,
    "role": ROLE_EXAMPLE,
    "source": "manual",
    "created_at": "2026-01-05T09:00:00Z",
}


class ProjectRoles(ProjectView):
    """The members' own roles in a project."""

    tag = TAG

    @listing(
        "listProjectRoles",
        "List the members' own roles in a project",
        permission=P.MEMBERS_READ,
        response=ProjectRoleAnswer,
        filters={"role": role_filter("With this role.")},
        ordering={"created_at": "created_at", "email": "membership__user__email"},
        default_ordering="-created_at",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Members without one have their role in the organization, or one through a group."""
        return _roles().filter(project=self.project)


class OneProjectRole(ProjectView):
    """One member's own role in a project."""

    tag = TAG

    @operation(
        "getProjectRole",
        "Return a member's own role in a project",
        permission=P.MEMBERS_READ,
        response=ProjectRoleAnswer,
        example=EXAMPLE,
    )
    def get(self, member: UUID) -> ProjectMembership:
        """404 when the member has none of their own there."""
        found: ProjectMembership = self.find(_roles(), project=self.project, membership=member)
        return found

    @operation(
        "setProjectRole",
        "Give a member a role in a project",
        permission=P.PROJECTS_MANAGE,
        request=ProjectRoleBody,
        response=ProjectRoleAnswer,
        example=EXAMPLE,
        request_example={"role": ROLE_EXAMPLE["key"]},
    )
    def put(self, member: UUID) -> ProjectMembership:
        """It replaces the role in the organization there, up or down; the role None hides the project."""
        self.lock(Project.objects.all(), pk=self.project.pk)
        membership: Membership = self.find(Membership.objects.select_related("user", "role"), pk=member)
        stored = _roles().filter(project=self.project, membership=member).first()
        self.hold_to_condition(stored)
        return set_project_role(membership=membership, project=self.project, role=self.data["role"], actor=self.actor)

    @operation(
        "removeProjectRole", "Take a member's own role in a project away", permission=P.PROJECTS_MANAGE, status=204
    )
    def delete(self, member: UUID) -> None:
        """The roles below count there again: those of groups, that in the organization."""
        stored = self.locked(_roles(), project=self.project, membership=member)
        remove_project_role(project_membership=stored, actor=self.actor)


def _roles() -> Any:
    return ProjectMembership.objects.select_related("membership__user", "role")
