"""Keys of the platform itself, which belong to no organization."""

import uuid
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.key_state import HasState
from accounts.querysets import KeyQuerySet
from audit.redaction import secret


class PlatformKey(HasState, models.Model):
    """Lets a service of the LLM platform verify the keys of every organization; an operator makes it.

    It opens introspection and nothing else.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120)
    note = models.TextField(max_length=1_000, blank=True)
    public_id = models.CharField("public id", max_length=60, unique=True, editable=False)
    digest = secret(models.BinaryField(max_length=32, editable=False))
    pepper_id = models.PositiveSmallIntegerField(editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    allowed_networks = ArrayField(models.CharField(max_length=43), default=list, blank=True)
    expires_at = models.DateTimeField("expires", null=True, blank=True)
    created_by = models.CharField(max_length=320, editable=False)
    created_at = models.DateTimeField("created", auto_now_add=True)
    last_used_at = models.DateTimeField("last used", null=True, editable=False)
    last_used_ip = models.GenericIPAddressField("last used from", null=True, editable=False)
    expiry_warned_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField("revoked", null=True, editable=False)
    revocation_reason = models.CharField(max_length=300, blank=True, editable=False)

    objects: Any = models.Manager.from_queryset(KeyQuerySet)()

    audit_exclude = frozenset({"created_at", "created_by", "last_used_at", "last_used_ip", "expiry_warned_at"})

    class Meta:
        verbose_name = "platform key"
        default_permissions = ()
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["name"],
                name="accounts_platformkey_name",
                violation_error_message="There is already a platform key with this name. Choose another one.",
            ),
            models.UniqueConstraint(
                fields=["digest"],
                name="accounts_platformkey_digest",
                violation_error_message="This secret belongs to a key already.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"
