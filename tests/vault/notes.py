"""A table with an encrypted column, made for the tests: the real field, forced row-level security, governed."""

import uuid
from typing import Any

from django.apps.registry import Apps
from django.db import models

from isolation.managers import TenantManager
from vault.fields import EncryptedField

TABLE = "vaulttest_note"


class Note(models.Model):
    """A row of an organization with two secrets, in a registry of its own: no other test meets it."""

    tenant_column = "organization_id"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField()
    title = models.CharField(max_length=80, default="A note")
    secret = EncryptedField(null=True)
    other = EncryptedField("other secret", null=True)

    objects: Any = TenantManager()

    class Meta:
        apps = Apps()
        app_label = "vaulttest"
        db_table = TABLE
        base_manager_name = "objects"

    def __str__(self) -> str:
        return self.title
