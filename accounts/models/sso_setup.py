"""A link by which somebody who is no member sets up a single sign-on connection."""

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from audit.redaction import secret
from tenants.models.base import TenantModel, same_organization

LONGEST_RECIPIENT = 254


class SsoSetupLink(TenantModel):
    """Lets whoever holds it make one connection and change that one; only the digest of its token is stored."""

    recipient = models.CharField("for whom", max_length=LONGEST_RECIPIENT, editable=False)
    token_digest = secret(models.BinaryField(max_length=32, unique=True, editable=False))
    connection = same_organization("accounts.SsoConnection", null=True, related_name="+", editable=False)
    created_by = models.CharField(max_length=320, editable=False)
    created_at = models.DateTimeField("created", auto_now_add=True)
    expires_at = models.DateTimeField("expires", editable=False)
    finished_at = models.DateTimeField("finished", null=True, editable=False)
    revoked_at = models.DateTimeField("revoked", null=True, editable=False)

    audit_exclude = frozenset({"created_at", "created_by"})

    class Meta(TenantModel.Meta):
        verbose_name = "set-up link"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "-created_at", "-id"], name="accounts_ssosetuplink_newest"),
        ]

    def __str__(self) -> str:
        return self.recipient

    @property
    def reserved_id(self) -> uuid.UUID:
        """Return the id that its connection gets, so that the provider can be told our addresses before."""
        return uuid.uuid5(self.pk, "connection")

    @property
    def is_open(self) -> bool:
        """Return whether it still opens something."""
        return self.state == "open"

    @property
    def state(self) -> str:
        """Return "revoked", "finished", "expired" or "open"."""
        if self.revoked_at:
            return "revoked"
        if self.finished_at:
            return "finished"
        return "expired" if self.expires_at <= timezone.now() else "open"
