"""Exceptions: single permissions on one project, for one member or group."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import listing, operation
from api.problems import not_found
from api.serializers import Answer, Body
from tenants.permissions import P
from tenants.selectors import exceptions_in, find_exception
from tenants.services.exceptions import grant_to_group, grant_to_member, revoke_exception

from .places import ProjectView
from .serializers import MEMBER_EXAMPLE, group_field, member_field

TAG = "Exceptions"
KINDS = ("member", "group")


class ExceptionAnswer(Answer):
    """An exception."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=KINDS, help_text="Whether a member or a group has it.")
    holder = serializers.CharField(help_text="The member's address or the group's name.")
    permission = serializers.CharField()


class NewException(Body):
    """Who may do what besides their role."""

    member = member_field(required=False, help_text="The member's id; either this or a group.")
    group = group_field(required=False, help_text="The group's id.")
    permission = serializers.ChoiceField(choices=[name.value for name in P], help_text="A project permission.")

    def validate(self, attrs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse both and neither."""
        if ("member" in attrs) == ("group" in attrs):
            raise serializers.ValidationError("Name either a member or a group.", code="required")
        return attrs


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    kind: str
    holder: str
    permission: str


EXAMPLE = {
    "id": "5e6f7081-92a3-4b4c-8d5e-6f708192a3b4",
    "kind": "member",
    "holder": MEMBER_EXAMPLE["user"]["email"],  # type: ignore[index]  # the example is a plain dictionary
    "permission": "audit_log:read",
}


class ProjectExceptions(ProjectView):
    """The exceptions of a project."""

    tag = TAG

    @listing(
        "listExceptions",
        "List a project's exceptions",
        permission=P.MEMBERS_READ,
        response=ExceptionAnswer,
        ordering={"id": "id"},
        default_ordering="id",
        example=EXAMPLE,
    )
    def get(self) -> list[_Row]:
        """At most 200 of each kind."""
        return [_Row(str(row.pk), row.kind, row.holder, row.name) for row in exceptions_in(self.project)]

    @operation(
        "grantException",
        "Grant a single permission on a project",
        permission=P.PROJECTS_MANAGE,
        request=NewException,
        response=ExceptionAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE,
        request_example={"member": MEMBER_EXAMPLE["id"], "permission": "audit_log:read"},
    )
    def post(self) -> _Row:
        """It counts besides the role that they have there. You grant only what you may yourself."""
        permission = self.data["permission"]
        if "member" in self.data:
            member = self.data["member"]
            of_member = grant_to_member(
                project=self.project, membership=member, permission=permission, actor=self.actor
            )
            return _Row(str(of_member.pk), "member", str(member), permission)
        group = self.data["group"]
        of_group = grant_to_group(project=self.project, group=group, permission=permission, actor=self.actor)
        return _Row(str(of_group.pk), "group", str(group), permission)


class OneException(ProjectView):
    """One exception."""

    tag = TAG

    @operation("revokeException", "Take an exception back", permission=P.PROJECTS_MANAGE, status=204)
    def delete(self, exception: UUID) -> None:
        """The holder keeps what their roles give."""
        for kind in KINDS:
            found = find_exception(self.project, kind, exception)
            if found is not None:
                return revoke_exception(grant=found, actor=self.actor)
        raise not_found()
