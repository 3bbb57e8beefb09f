"""What every row of an organization has in common."""

import uuid
from typing import Any

from django.db import models

from isolation.managers import TenantManager


class TenantModel(models.Model):
    """A row that belongs to exactly one organization.

    Its table has forced row-level security, its managers refuse to work outside a scope, and its foreign keys to other
    tenant rows are composite with the organization (see the migrations).
    """

    tenant_column = "organization_id"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        "tenants.Organization",
        on_delete=models.CASCADE,
        editable=False,
        related_name="+",
    )

    objects: Any = TenantManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
        default_permissions = ()


def same_organization(to: str, *, on_delete: Any = models.CASCADE, **options: Any) -> Any:
    """Return a foreign key to another tenant row; the constraint itself is the migration's `CompositeForeignKey`."""
    return models.ForeignKey(to, on_delete=on_delete, db_constraint=False, **options)


def unique_in_organization(name: str) -> models.UniqueConstraint:
    """Return the constraint that lets `CompositeForeignKey` refer to a table."""
    return models.UniqueConstraint(fields=["organization", "id"], name=name)
