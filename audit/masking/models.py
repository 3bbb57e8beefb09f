"""An organization's redaction: the least that is withheld of whatever leaves by sinks and by pulling."""

import uuid
from typing import Any, ClassVar

from django.db import models

from isolation.managers import TenantManager
from vault.fields import EncryptedField


class RedactionPolicy(models.Model):
    """One row for an organization that redacts; `organization_id` carries no foreign key, as in all of this app."""

    tenant_column = "organization_id"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    rules = models.JSONField(default=dict)
    """As `rules.rules_of` reads them."""
    key = EncryptedField()
    """Of the hashes, in hex."""

    objects: Any = TenantManager()

    audit_exclude = frozenset({"organization_id"})

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        verbose_name = "redaction"
        verbose_name_plural = "redactions"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id"], name="audit_redactionpolicy_one"),
        ]

    def __str__(self) -> str:
        return "Redaction"
