"""A part of one organization."""

from typing import Any, ClassVar
from uuid import UUID

from django.db import models

from isolation.managers import TenantManager
from tenants.permissions import PERMISSIONS, Level
from tenants.querysets import ProjectQuerySet

from .base import TenantModel, unique_in_organization
from .lifecycle import Deletable, due_index
from .organization import SLUG


class Environment(models.TextChoices):
    """What a project is for."""

    PRODUCTION = "production", "Production"
    STAGING = "staging", "Staging"
    DEVELOPMENT = "development", "Development"


class Project(TenantModel, Deletable):  # type: ignore[django-manager-missing]
    """Holds API keys and provider credentials; people have roles in it."""

    slug = models.CharField(
        "identifier",
        max_length=63,
        validators=[SLUG],
        help_text="Part of every address; it never changes.",
    )
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=400, blank=True)
    environment = models.CharField(max_length=12, choices=Environment.choices, default=Environment.DEVELOPMENT)
    metadata = models.JSONField(default=dict, blank=True, help_text="An object of the client's own, kept as it is.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: Any = TenantManager.from_queryset(ProjectQuerySet)()

    class Meta(TenantModel.Meta):
        ordering: ClassVar[list[str]] = ["name"]
        # What guardian's per-object exceptions can name.
        permissions: ClassVar[Any] = [
            (name.value, permission.label)
            for name, permission in PERMISSIONS.items()
            if permission.level is Level.PROJECT
        ]
        indexes: ClassVar[list[models.Index]] = [due_index("tenants_project_purge")]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            unique_in_organization("tenants_project_in_organization"),
            models.UniqueConstraint(
                fields=["organization", "slug"],
                name="tenants_project_slug",
                violation_error_message="There is already a project with this identifier.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> tuple[UUID, UUID]:
        """Return where a permission on it is asked: (organization id, project id)."""
        return self.organization_id, self.pk

    @property
    def project(self) -> "Project":
        """Return itself: what belongs to a project answers the same question."""
        return self
