"""The non-human identities of an organization."""

from typing import ClassVar

from django.db import models

from tenants.models.base import TenantModel, same_organization, unique_in_organization


class ServiceAccountKind(models.TextChoices):
    """What sort of program it is."""

    SERVICE = "service", "Service"
    EVALUATOR = "evaluator", "Evaluator"
    AGENT = "agent", "Agent"


class ServiceAccount(TenantModel):  # type: ignore[django-manager-missing]
    """A program as a member of one organization: it has a role there, and keys instead of a password."""

    name = models.CharField(max_length=120)
    description = models.CharField(max_length=300, blank=True)
    kind = models.CharField(max_length=12, choices=ServiceAccountKind.choices, default=ServiceAccountKind.SERVICE)
    role = same_organization(
        "tenants.Role",
        on_delete=models.PROTECT,
        related_name="+",
        help_text="What its keys may do at most, in the whole organization.",
    )
    is_active = models.BooleanField(
        "active", default=True, help_text="While this is off, none of its keys is accepted."
    )
    created_by = models.CharField(max_length=320, editable=False)
    created_at = models.DateTimeField("created", auto_now_add=True)

    audit_exclude = frozenset({"created_at", "created_by"})

    class Meta(TenantModel.Meta):
        verbose_name = "service account"
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            unique_in_organization("accounts_serviceaccount_in_organization"),
            models.UniqueConstraint(
                "organization",
                models.functions.Lower("name"),
                name="accounts_serviceaccount_name",
                violation_error_message="There is already a service account with this name. Choose another one.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ServiceAccountProjectRole(TenantModel):
    """A role in one project that replaces the service account's organization role there, up or down."""

    account = same_organization("accounts.ServiceAccount", related_name="project_roles", editable=False)
    project = same_organization("tenants.Project", related_name="+")
    role = same_organization("tenants.Role", on_delete=models.PROTECT, related_name="+")

    class Meta(TenantModel.Meta):
        verbose_name = "project role of a service account"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "account", "project"],
                name="accounts_serviceaccountprojectrole_once",
                violation_error_message="This service account already has a role in this project.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} in {self.project}"
