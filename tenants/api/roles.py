"""Roles: the built-in ones and the organization's own; and the catalogue of permissions."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import AUTHENTICATED, Filter, listing, operation
from api.serializers import Answer, Body, Change
from api.views import ApiView, OrganizationView
from tenants.models import Role
from tenants.permissions import PERMISSIONS, Level, P, Permission
from tenants.services.roles import create_role, delete_role, update_role

from .serializers import EXAMPLE_ID

TAG = "Roles"


class PermissionAnswer(Answer):
    """A permission."""

    name = serializers.CharField(help_text="As roles and scopes list it: `resource:action`.")
    title = serializers.CharField(source="label")
    description = serializers.CharField(source="help")
    level = serializers.ChoiceField(choices=[level.value for level in Level], help_text="Where it is asked.")


class RoleAnswer(Answer):
    """A role."""

    id = serializers.UUIDField()
    key = serializers.CharField(help_text="It never changes.")
    name = serializers.CharField()
    description = serializers.CharField()
    is_builtin = serializers.BooleanField()
    permissions = serializers.SerializerMethodField()

    def get_permissions(self, role: Role) -> list[str]:
        """Return what the role allows, in alphabetical order."""
        return sorted(role.permissions)


def _permissions(**options: Any) -> serializers.ListField:
    child = serializers.ChoiceField(choices=[name.value for name in P])
    return serializers.ListField(child=child, max_length=len(P), **options)


class NewRole(Body):
    """What a new role needs."""

    name = serializers.CharField(max_length=80)
    description = serializers.CharField(max_length=300, allow_blank=True, default="")
    key = serializers.RegexField(r"^[a-z0-9][a-z0-9_-]{0,62}$", required=False, help_text="Left out: made of the name.")
    permissions = _permissions()


class RoleChange(Change):
    """What of a custom role can change."""

    name = serializers.CharField(max_length=80)
    description = serializers.CharField(max_length=300, allow_blank=True)
    permissions = _permissions()


EXAMPLE = {
    "id": EXAMPLE_ID,
    "key": "prompt-editor",
    "name": "Prompt editor",
    "description": "Writes prompts and nothing else.",
    "is_builtin": False,
    "permissions": ["projects:read", "prompts:read", "prompts:write"],
}
_READ = PERMISSIONS[P.PROMPTS_READ]


class Permissions(ApiView):
    """The catalogue of permissions."""

    tag = TAG

    @listing(
        "listPermissions",
        "List every permission that there is",
        permission=AUTHENTICATED,
        response=PermissionAnswer,
        ordering={"name": "name"},
        default_ordering="name",
        example={"name": _READ.name.value, "title": _READ.label, "description": _READ.help, "level": _READ.level.value},
    )
    def get(self) -> list[Permission]:
        """Roles and the scopes of keys are made of these."""
        return list(PERMISSIONS.values())


class Roles(OrganizationView):
    """The roles of an organization."""

    tag = TAG

    @listing(
        "listRoles",
        "List the roles",
        permission=P.ROLES_READ,
        response=RoleAnswer,
        filters={
            "key": Filter(serializers.CharField(max_length=63, help_text="Exactly this key."), "key"),
            "is_builtin": Filter(serializers.BooleanField(help_text="Whether it is built in."), "is_builtin"),
        },
        ordering={"name": "name", "key": "key"},
        default_ordering="name",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Every organization has the same built-in ones; they cannot be changed."""
        return Role.objects.all()

    @operation(
        "createRole",
        "Create a custom role",
        permission=P.ROLES_MANAGE,
        request=NewRole,
        response=RoleAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE,
        request_example={
            "name": "Prompt editor",
            "description": "Writes prompts and nothing else.",
            "permissions": ["projects:read", "prompts:read", "prompts:write"],
        },
    )
    def post(self) -> Role:
        """It allows no more than you may yourself."""
        return create_role(organization=self.organization, actor=self.actor, **self.data)


class OneRole(OrganizationView):
    """One role."""

    tag = TAG

    @operation("getRole", "Return a role", permission=P.ROLES_READ, response=RoleAnswer, example=EXAMPLE)
    def get(self, role: UUID) -> Role:
        """With everything that it allows."""
        found: Role = self.find(Role.objects.all(), pk=role)
        return found

    @operation(
        "updateRole",
        "Change a custom role for everybody who has it",
        permission=P.ROLES_MANAGE,
        request=RoleChange,
        response=RoleAnswer,
        example=EXAMPLE,
        request_example={"permissions": ["projects:read", "prompts:read"]},
    )
    def patch(self, role: UUID) -> Role:
        """Neither the old nor the new role may be above your own."""
        stored = self.locked(Role.objects.all(), pk=role)
        values = RoleChange.completed(stored, self.data)
        return update_role(role=stored, actor=self.actor, **values)

    @operation("deleteRole", "Delete a custom role that nobody has", permission=P.ROLES_MANAGE, status=204)
    def delete(self, role: UUID) -> None:
        """Give those who have it another one first."""
        delete_role(role=self.locked(Role.objects.all(), pk=role), actor=self.actor)
