"""The installation's keys that sign access tokens (RFC 7517, RFC 8037)."""

from enum import StrEnum
from typing import Any, ClassVar

from django.db import models

from vault.models import WrappedField


class KeyState(StrEnum):
    """Where in its life a signing key is."""

    NEXT = "next"
    SIGNING = "signing"
    RETIRED = "retired"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"


class SigningKeyQuerySet(models.QuerySet[Any]):
    """The keys, whose state is told by what happened to them."""

    def published(self) -> "SigningKeyQuerySet":
        """Return the keys by which tokens are checked."""
        return self.filter(withdrawn_at=None, revoked_at=None)


class SigningKey(models.Model):
    """An Ed25519 key: published before it signs, published on after it signed last, then withdrawn.

    The private part is wrapped by the keyring; a key that the environment gives has none here.
    """

    kid = models.CharField("key ID", max_length=64, primary_key=True, editable=False)
    public = models.CharField(max_length=64, editable=False, help_text="x of the JWK, base64url.")
    wrapped = WrappedField(null=True)
    wrapped_by = models.PositiveSmallIntegerField("key-encryption key", null=True, editable=False)
    created_at = models.DateTimeField("published", auto_now_add=True)
    # Null: the next key, published so that everybody knows it when it begins to sign.
    signs_from = models.DateTimeField("signs from", null=True, editable=False)
    retired_at = models.DateTimeField("signed until", null=True, editable=False)
    withdrawn_at = models.DateTimeField("withdrawn", null=True, editable=False)
    revoked_at = models.DateTimeField("revoked", null=True, editable=False)
    reason = models.CharField(max_length=300, blank=True, editable=False)

    objects = SigningKeyQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        verbose_name = "signing key"
        ordering: ClassVar[list[str]] = ["-created_at", "-kid"]

    def __str__(self) -> str:
        return self.kid

    @property
    def state(self) -> KeyState:
        """Return where in its life the key is."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.withdrawn_at is not None:
            return KeyState.WITHDRAWN
        if self.retired_at is not None:
            return KeyState.RETIRED
        return KeyState.NEXT if self.signs_from is None else KeyState.SIGNING

    @property
    def is_published(self) -> bool:
        """Return whether tokens are checked by it."""
        return self.revoked_at is None and self.withdrawn_at is None
