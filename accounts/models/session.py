"""Sessions of the portal, the browsers that people signed in with, and where an organization ended sessions."""

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone

from audit.redaction import secret
from tenants.models.base import TenantModel, same_organization

LONGEST_USER_AGENT = 400
LONGEST_DEVICE_NAME = 120


class Device(models.Model):
    """A browser that somebody has signed in with; a cookie names it, and several people may share one browser."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", editable=False)
    # Of the cookie and the person together: neither tells who shares a browser, nor opens anything by itself.
    cookie_digest = secret(models.BinaryField(max_length=32, unique=True, editable=False))
    name = models.CharField(max_length=LONGEST_DEVICE_NAME, editable=False)
    first_seen_at = models.DateTimeField("first sign-in", default=timezone.now, editable=False)
    last_seen_at = models.DateTimeField("last sign-in", default=timezone.now, editable=False)
    ip = models.GenericIPAddressField("IP address", null=True, editable=False)

    class Meta:
        default_permissions = ()
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["last_seen_at"], name="accounts_device_age"),
        ]

    def __str__(self) -> str:
        return self.name


class Session(AbstractBaseSession):
    """What a browser's cookie opens. The key itself is in the cookie alone: a copy of this table opens nothing."""

    session_key = None  # type: ignore[assignment]  # Django's own column would hold the key
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key_digest = secret(models.BinaryField(max_length=32, unique=True, editable=False))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+", editable=False
    )
    device = models.ForeignKey(Device, null=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    signed_in_at = models.DateTimeField("signed in", null=True, editable=False)
    last_seen_at = models.DateTimeField("last used", default=timezone.now, editable=False)
    ip = models.GenericIPAddressField("IP address", null=True, editable=False)
    user_agent = models.CharField("browser", max_length=LONGEST_USER_AGENT, blank=True, editable=False)

    objects: ClassVar[models.Manager["Session"]] = models.Manager()  # type: ignore[assignment]  # Django's saves by key

    class Meta(AbstractBaseSession.Meta):
        abstract = False
        default_permissions = ()
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="accounts_session_signed_in",
                condition=models.Q(user=None, signed_in_at=None)
                | models.Q(user__isnull=False, signed_in_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def get_session_store_class(cls) -> Any:
        """Return the engine (Django's convention)."""
        from accounts.sessions.store import SessionStore  # noqa: PLC0415 - the store reads this table

        return SessionStore


class SessionEnd(TenantModel):
    """Since when a member's earlier sessions do not enter the organization any more; a new sign-in does."""

    membership = same_organization("tenants.Membership", related_name="+", editable=False)
    ended_at = models.DateTimeField(editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = "end of sessions"
        verbose_name_plural = "ends of sessions"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization", "membership"], name="accounts_sessionend_membership"),
        ]

    def __str__(self) -> str:
        return f"{self.membership}, {self.ended_at:%Y-%m-%d %H:%M} UTC"
