"""The tenant."""

import uuid
from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from isolation.managers import TenantManager

from .lifecycle import Deletable, due_index

MAX_KEY_DAYS = 3_650
SLUG = RegexValidator(
    r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
    "Use lower-case letters, digits and hyphens; begin and end with a letter or digit; 63 characters at most.",
)


class Organization(Deletable):
    """The isolation boundary. Its slug is in URLs and never changes; its name may."""

    tenant_column = "id"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(
        "identifier",
        max_length=63,
        unique=True,
        validators=[SLUG],
        help_text="Part of every address; it never changes.",
    )
    name = models.CharField(max_length=120)
    default_role = models.ForeignKey(
        "tenants.Role",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        db_constraint=False,
        related_name="+",
        help_text="What an invitation or a first sign-in gives when nobody chose a role.",
    )
    project_naming_pattern = models.CharField(
        max_length=200,
        blank=True,
        help_text="A regular expression that new project identifiers must match, such as ^[a-z]+-(prod|dev)$.",
    )
    project_naming_hint = models.CharField(
        max_length=200,
        blank=True,
        help_text="What people read beside the field, such as: acme-chatbot-prod.",
    )
    api_key_max_days = models.PositiveSmallIntegerField(
        "longest life of an API key, in days",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_KEY_DAYS)],
        help_text="Every new key must expire within it. Empty: keys may live for ever.",
    )
    suspended_at = models.DateTimeField(null=True, blank=True, editable=False)
    suspension_reason = models.CharField(max_length=400, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: Any = TenantManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        ordering: ClassVar[list[str]] = ["name"]
        indexes: ClassVar[list[models.Index]] = [due_index("tenants_organization_purge")]

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> tuple[uuid.UUID, None]:
        """Return where a permission on it is asked: (organization id, project id)."""
        return self.pk, None

    @property
    def is_suspended(self) -> bool:
        """Return whether an operator closed the organization for now."""
        return self.suspended_at is not None

    def get_absolute_url(self) -> str:
        """Return where its console begins."""
        return f"/o/{self.slug}/"
