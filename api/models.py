"""The base's one model: responses that are kept for a repeated request."""

import uuid
from typing import Any, ClassVar

from django.db import models

from isolation.managers import TenantManager
from vault.fields import EncryptedField


class StoredResponse(models.Model):
    """What a request with an ``Idempotency-Key`` was answered, for 24 hours.

    The body may hold a secret that is shown once, so that it is encrypted. `organization_id` carries no foreign key:
    the API's base lies below the app that has organizations; requests outside any have the nil UUID.
    """

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField()
    credential = models.CharField(max_length=80)
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = EncryptedField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: Any = TenantManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id", "credential", "key"], name="api_storedresponse_key"),
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["created_at"], name="api_storedresponse_age")]

    def __str__(self) -> str:
        return f"{self.status} for {self.credential}"
