"""The vault's one table."""

import uuid
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from isolation.managers import TenantManager


class WrappedField(models.BinaryField):  # type: ignore[type-arg] # takes type arguments in the stubs only
    """Bytes of which events say that they changed and never show them (audit.redaction; the audit app lies above)."""

    audit_secret = True

    def deconstruct(self) -> Any:
        """Return how a migration writes it: as plain bytes."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.BinaryField", args, kwargs


class DataKey(models.Model):
    """A version of an organization's data key, wrapped by a numbered key-encryption key.

    `organization_id` carries no foreign key: the vault lies below the app that has organizations. Exactly one version
    is not retired; retired ones stay until nothing is encrypted under them.
    """

    tenant_column = "organization_id"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    version = models.PositiveIntegerField(editable=False)
    wrapped = WrappedField()
    wrapped_by = models.PositiveSmallIntegerField("key-encryption key", editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    rotation = models.DateTimeField("start of the rotation that made it", null=True, editable=False)
    retired_at = models.DateTimeField(null=True, editable=False)

    objects: Any = TenantManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        verbose_name = "data key"
        ordering: ClassVar[list[str]] = ["organization_id", "version"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id", "version"], name="vault_datakey_version"),
            models.UniqueConstraint(
                fields=["organization_id"], condition=models.Q(retired_at=None), name="vault_datakey_one_active"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["wrapped_by"], name="vault_datakey_wrapped_by")]

    def __str__(self) -> str:
        return f"Data key {self.version}"

    @property
    def context(self) -> dict[str, str]:
        """Return what binds the wrapped key to this row; key providers write it to their logs."""
        return {"organization": str(self.organization_id), "data_key": str(self.pk)}
