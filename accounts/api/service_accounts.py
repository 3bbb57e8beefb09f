"""Service accounts, and their roles in projects."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from accounts.models import ServiceAccount, ServiceAccountProjectRole
from accounts.models.service_account import ServiceAccountKind
from accounts.services.service_accounts import (
    create_service_account,
    delete_service_account,
    remove_service_account_project_role,
    set_service_account_project_role,
    update_service_account,
)
from api.operation import Filter, listing, operation
from api.serializers import Answer, Body, Change
from api.views import OrganizationView
from tenants.api.common import REASON, reason_of
from tenants.api.serializers import PROJECT_EXAMPLE, ROLE_EXAMPLE, ProjectName, RoleName, role_field
from tenants.models import Project
from tenants.permissions import P

TAG = "Service accounts"
_KINDS = ServiceAccountKind.values


class ServiceAccountAnswer(Answer):
    """A service account."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    kind = serializers.ChoiceField(choices=_KINDS)
    role = RoleName(help_text="What its keys may do at most, in the whole organization.")
    is_active = serializers.BooleanField(help_text="While it is not, none of its keys is accepted.")
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class NewServiceAccount(Body):
    """What a new service account needs."""

    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(choices=_KINDS)
    role = role_field(help_text="One that is not above your own.")
    description = serializers.CharField(required=False, allow_blank=True, max_length=300)


class ServiceAccountChange(Change):
    """What of a service account can change."""

    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(choices=_KINDS)
    role = role_field()
    is_active = serializers.BooleanField()
    description = serializers.CharField(allow_blank=True, max_length=300)


class AccountProjectRoleAnswer(Answer):
    """A service account's role in a project."""

    id = serializers.UUIDField()
    project = ProjectName()
    role = RoleName()


class AccountProjectRoleBody(Body):
    """Which role."""

    role = role_field()


EXAMPLE = {
    "id": "1f0c9f0e-3d52-4b54-9c3f-8f2b7f6f5a10",
    "name": "Evaluation runner",
    "description": "Scores answers every night.",
    "kind": "evaluator",
    "role": ROLE_EXAMPLE,
    "is_active": True,
    "created_by": "ada@acme.example",
    "created_at": "2026-03-01T08:00:00Z",
}
PLACE_EXAMPLE = {"id": "4e5f6071-2b3c-4d5e-9f60-718293a4b5c6", "project": PROJECT_EXAMPLE, "role": ROLE_EXAMPLE}


class ServiceAccounts(OrganizationView):
    """The service accounts of an organization."""

    tag = TAG

    @listing(
        "listServiceAccounts",
        "List the service accounts",
        permission=P.SERVICE_ACCOUNTS_READ,
        response=ServiceAccountAnswer,
        filters={
            "name": Filter(serializers.CharField(max_length=120, help_text="Exactly this name."), "name"),
            "kind": Filter(serializers.ChoiceField(choices=_KINDS, help_text="Of this kind."), "kind"),
            "is_active": Filter(serializers.BooleanField(help_text="Whether it is active."), "is_active"),
        },
        ordering={"created_at": "created_at", "name": "name"},
        default_ordering="name",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Programs as members of the organization: each has a role, and keys in place of a password."""
        return _accounts()

    @operation(
        "createServiceAccount",
        "Create a service account",
        permission=P.SERVICE_ACCOUNTS_MANAGE,
        request=NewServiceAccount,
        response=ServiceAccountAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE,
        request_example={"name": "Evaluation runner", "kind": "evaluator", "role": ROLE_EXAMPLE["key"]},
    )
    def post(self) -> ServiceAccount:
        """It has no key yet: create one with the kind “service_account”."""
        return create_service_account(organization=self.organization, actor=self.actor, **self.data)


class OneServiceAccount(OrganizationView):
    """One service account."""

    tag = TAG

    @operation(
        "getServiceAccount",
        "Return a service account",
        permission=P.SERVICE_ACCOUNTS_READ,
        response=ServiceAccountAnswer,
        example=EXAMPLE,
    )
    def get(self, account: UUID) -> ServiceAccount:
        """Take the ETag of the answer along as If-Match when you change something."""
        found: ServiceAccount = self.find(_accounts(), pk=account)
        return found

    @operation(
        "updateServiceAccount",
        "Change a service account",
        permission=P.SERVICE_ACCOUNTS_MANAGE,
        request=ServiceAccountChange,
        response=ServiceAccountAnswer,
        example=EXAMPLE | {"is_active": False},
        request_example={"is_active": False},
    )
    def patch(self, account: UUID) -> ServiceAccount:
        """What is left out stays as it is. Another role counts for its keys at once."""
        stored = self.locked(_accounts(), pk=account)
        values = {name: getattr(stored, name) for name in ("name", "kind", "role", "is_active", "description")}
        return update_service_account(account=stored, actor=self.actor, **{**values, **self.data})

    @operation(
        "deleteServiceAccount",
        "Delete a service account with its keys",
        permission=P.SERVICE_ACCOUNTS_MANAGE,
        status=HTTPStatus.NO_CONTENT,
        filters=REASON,
    )
    def delete(self, account: UUID) -> None:
        """Its keys stop working at once. To keep them for later, set `is_active` to false instead."""
        stored = self.locked(_accounts(), pk=account)
        delete_service_account(account=stored, actor=self.actor, reason=reason_of(self))


class ServiceAccountProjectRoles(OrganizationView):
    """A service account's roles in projects."""

    tag = TAG

    @listing(
        "listServiceAccountProjectRoles",
        "List a service account's roles in projects",
        permission=P.SERVICE_ACCOUNTS_READ,
        response=AccountProjectRoleAnswer,
        ordering={"project": "project__slug"},
        default_ordering="project",
        example=PLACE_EXAMPLE,
    )
    def get(self, account: UUID) -> Any:
        """Where there is none, its role in the organization counts."""
        return _project_roles().filter(account=self.find(_accounts(), pk=account))


class OneServiceAccountProjectRole(OrganizationView):
    """A service account's role in one project."""

    tag = TAG

    @operation(
        "getServiceAccountProjectRole",
        "Return a service account's role in a project",
        permission=P.SERVICE_ACCOUNTS_READ,
        response=AccountProjectRoleAnswer,
        example=PLACE_EXAMPLE,
    )
    def get(self, account: UUID, project_id: UUID) -> ServiceAccountProjectRole:
        """404 when it has none of its own there."""
        found: ServiceAccountProjectRole = self.find(_project_roles(), account=account, project=project_id)
        return found

    @operation(
        "setServiceAccountProjectRole",
        "Give a service account a role in a project",
        permission=P.SERVICE_ACCOUNTS_MANAGE,
        request=AccountProjectRoleBody,
        response=AccountProjectRoleAnswer,
        example=PLACE_EXAMPLE,
        request_example={"role": ROLE_EXAMPLE["id"]},
    )
    def put(self, account: UUID, project_id: UUID) -> ServiceAccountProjectRole:
        """It replaces the role in the organization there, up or down; the role None hides the project."""
        stored = self.lock(_accounts(), pk=account)
        place = self.find(Project.objects.visible_to(self.actor), pk=project_id)
        present = _project_roles().filter(account=stored, project=place).first()
        self.hold_to_condition(present)
        set_service_account_project_role(account=stored, project=place, role=self.data["role"], actor=self.actor)
        found: ServiceAccountProjectRole = _project_roles().get(account=stored, project=place)
        return found

    @operation(
        "removeServiceAccountProjectRole",
        "Take a service account's role in a project away",
        permission=P.SERVICE_ACCOUNTS_MANAGE,
        status=HTTPStatus.NO_CONTENT,
    )
    def delete(self, account: UUID, project_id: UUID) -> None:
        """Its role in the organization counts there again."""
        stored = self.locked(_project_roles(), account=account, project=project_id)
        remove_service_account_project_role(project_role=stored, actor=self.actor)


def _accounts() -> Any:
    return ServiceAccount.objects.select_related("role")


def _project_roles() -> Any:
    return ServiceAccountProjectRole.objects.select_related("project", "role", "account")
