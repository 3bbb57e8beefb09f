"""Who belongs to an organization and who has a role in a project, in Langfuse's shape."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from api.operation import operation
from api.problems import Problem
from tenants.models import Membership, ProjectMembership, Role
from tenants.permissions import P
from tenants.services.members import (
    change_role,
    remove_member,
    remove_project_role,
    set_member_active,
    set_project_role,
)
from tenants.services.rules import builtin_role, lock_organization

from .base import LangfuseView, as_uuid, refused
from .roles import BY_NAME, langfuse_role

Answer = tuple[int, dict[str, Any]]


class MembershipView(LangfuseView):
    """An endpoint of memberships."""

    error_member = "error"

    def asked_user(self) -> tuple[str, UUID | None]:
        """Return the userId of the body, and as what it can name somebody here.

        Raises:
            Problem: 400, it is missing or no text.
        """
        given = self.data.get("userId")
        if not isinstance(given, str):
            raise _invalid("userId", "Expected string")
        return given, as_uuid(given)

    def asked_role(self) -> str:
        """Return the role of the body.

        Raises:
            Problem: 400, it is none of Langfuse's.
        """
        given = self.data.get("role")
        if not isinstance(given, str) or given not in BY_NAME:
            raise _invalid("role", f"Expected one of {', '.join(BY_NAME)}")
        return given


class OrganizationMemberships(MembershipView):
    """The members of an organization."""

    @operation("langfuseListMemberships", "List the members", permission=P.MEMBERS_READ)
    def get(self) -> Answer:
        """Those that are active."""
        rows = Membership.objects.filter(is_active=True).select_related("user", "role").order_by("created_at", "pk")
        return HTTPStatus.OK, {"memberships": [_shown(row, row.role) for row in rows]}

    @operation("langfuseSetMembership", "Give a member a role", permission=P.MEMBERS_MANAGE)
    def put(self) -> Answer:
        """People who are no members are invited; they are not put into an organization unasked."""
        _, user_id = self.asked_user()
        wanted = self.asked_role()
        lock_organization(self.organization.pk)
        membership = Membership.objects.filter(user_id=user_id).select_related("user", "role").first()
        if membership is None:
            raise refused(HTTPStatus.NOT_FOUND, "User not found")
        if not membership.is_active:
            membership = set_member_active(membership=membership, active=True, actor=self.actor)
        if langfuse_role(membership.role) != wanted:
            membership = change_role(membership=membership, role=builtin_role(BY_NAME[wanted]), actor=self.actor)
        return HTTPStatus.OK, _shown(membership, membership.role)

    @operation("langfuseDeleteMembership", "Remove a member", permission=P.MEMBERS_MANAGE)
    def delete(self) -> Answer:
        """Somebody who is no member is no error, as with Langfuse."""
        given, user_id = self.asked_user()
        membership = Membership.objects.filter(user_id=user_id).first()
        if membership is not None:
            remove_member(membership=membership, actor=self.actor)
        return HTTPStatus.OK, {"message": "Membership deleted successfully", "userId": given}


class ProjectMemberships(MembershipView):
    """The members' own roles in a project."""

    no_project = "Project not found or does not belong to this organization"

    @operation("langfuseListProjectMemberships", "List the roles in a project", permission=P.MEMBERS_READ)
    def get(self, project: str) -> Answer:
        """Those that members have of their own there."""
        place = self.project(project, P.MEMBERS_READ)
        rows = ProjectMembership.objects.filter(project=place, membership__is_active=True)
        rows = rows.select_related("membership__user", "role").order_by("created_at", "pk")
        return HTTPStatus.OK, {"memberships": [_shown(row.membership, row.role) for row in rows]}

    @operation("langfuseSetProjectMembership", "Give a role in a project", permission=P.PROJECTS_MANAGE, anywhere=True)
    def put(self, project: str) -> Answer:
        """It replaces the member's role in the organization there."""
        place = self.project(project, P.PROJECTS_MANAGE)
        _, user_id = self.asked_user()
        wanted = self.asked_role()
        members = Membership.objects.filter(is_active=True).select_related("user", "role")
        membership = members.filter(user_id=user_id).select_for_update(of=("self",)).first()
        if membership is None:
            raise refused(HTTPStatus.NOT_FOUND, "User is not a member of this organization")
        stored = ProjectMembership.objects.filter(project=place, membership=membership).select_related("role").first()
        if stored is None or langfuse_role(stored.role) != wanted:
            stored = set_project_role(
                membership=membership, project=place, role=builtin_role(BY_NAME[wanted]), actor=self.actor
            )
        return HTTPStatus.OK, _shown(membership, stored.role)

    @operation(
        "langfuseDeleteProjectMembership", "Take a role in a project away", permission=P.PROJECTS_MANAGE, anywhere=True
    )
    def delete(self, project: str) -> Answer:
        """The member's role in the organization counts there again."""
        place = self.project(project, P.PROJECTS_MANAGE)
        given, user_id = self.asked_user()
        stored = ProjectMembership.objects.filter(project=place, membership__user_id=user_id).first()
        if stored is None:
            raise refused(HTTPStatus.NOT_FOUND, "Project membership not found")
        remove_project_role(project_membership=stored, actor=self.actor)
        return HTTPStatus.OK, {"message": "Project membership deleted successfully", "userId": given}


def _invalid(member: str, problem: str) -> Problem:
    details = [{"path": [member], "message": problem}]
    return refused(HTTPStatus.BAD_REQUEST, "Invalid request body", details)


def _shown(membership: Membership, role: Role) -> dict[str, Any]:
    user = membership.user
    return {"userId": str(user.pk), "role": langfuse_role(role), "email": user.email, "name": user.name}
