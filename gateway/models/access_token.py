"""Access tokens of the proxy: which were issued, and what is refused before its time (RFC 7519, RFC 8693)."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from tenants.models.base import TenantModel


class ActorType(models.TextChoices):
    """Who a token speaks for (its claim actor_type)."""

    USER = "user", "User"
    API_KEY = "api_key", "API key"
    SERVICE = "service", "Service"
    EVALUATOR = "evaluator", "Evaluator"
    AGENT = "agent", "Agent"


class RevocationKind(models.TextChoices):
    """Whose tokens a revocation ends."""

    TOKEN = "token", "One token"
    ACTOR = "actor", "Everything of one actor"
    KEY = "key", "Everything that one key asked for"
    PROJECT = "project", "Everything of one project"
    ORGANIZATION = "organization", "Everything of the organization"


class IssuedToken(TenantModel):
    """A token that was issued: its claims without the signature, so that the same request gets the same token again.

    Ed25519 signs deterministically (RFC 8032): the same claims under the same key are the same token, byte for byte.
    """

    audit_exempt = True  # issuing and revoking are events of their own

    jti = models.CharField("token ID", max_length=40, unique=True, editable=False)
    project_id = models.UUIDField(editable=False)
    actor_type = models.CharField(max_length=10, choices=ActorType.choices, editable=False)
    actor_id = models.UUIDField(editable=False)
    actor_label = models.CharField(max_length=320, editable=False)
    api_key_id = models.UUIDField(null=True, editable=False)
    # Of what was asked for: who finds it alive with enough life left is given it again.
    digest = models.BinaryField(max_length=32, editable=False)
    claims = models.JSONField(editable=False)
    kid = models.CharField("key ID", max_length=64, editable=False)
    issued_at = models.DateTimeField("issued", editable=False)
    expires_at = models.DateTimeField("expires", editable=False)
    revoked_at = models.DateTimeField("revoked", null=True, editable=False)

    lives_in_project = False  # who manages the organization's proxy manages its tokens
    audit_exclude = frozenset({"claims", "digest"})

    class Meta(TenantModel.Meta):
        verbose_name = "access token"
        ordering: ClassVar[list[str]] = ["-issued_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "-issued_at", "-id"], name="gateway_issuedtoken_newest"),
            models.Index(fields=["organization", "digest", "-expires_at"], name="gateway_issuedtoken_again"),
            models.Index(fields=["expires_at"], name="gateway_issuedtoken_expiring"),
        ]

    def __str__(self) -> str:
        return self.jti

    @property
    def is_valid(self) -> bool:
        """Return whether it is neither revoked nor expired."""
        return self.revoked_at is None and self.expires_at > timezone.now()


class TokenRevocation(TenantModel):
    """Tokens issued up to a moment that are refused, until all of them have expired by themselves."""

    kind = models.CharField(max_length=12, choices=RevocationKind.choices, editable=False)
    # A token's jti, the id of an actor or a project, a key's public id; empty for the organization.
    subject = models.CharField(max_length=64, blank=True, editable=False)
    issued_up_to = models.DateTimeField(editable=False)
    until = models.DateTimeField(editable=False)
    reason = models.CharField(max_length=300, blank=True, editable=False)
    created_by = models.CharField(max_length=320, editable=False)
    created_at = models.DateTimeField("revoked", auto_now_add=True)

    audit_exclude = frozenset({"created_at", "created_by"})

    class Meta(TenantModel.Meta):
        verbose_name = "token revocation"
        ordering: ClassVar[list[str]] = ["-created_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "until"], name="gateway_revocation_in_force"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}" if self.subject else self.get_kind_display()
