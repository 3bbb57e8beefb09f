"""How an identity provider reaches an organization: a connection, and the tokens with which it signs in."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.key_state import HasState
from accounts.querysets import ScimTokenQuerySet
from audit.redaction import secret
from isolation.managers import TenantManager
from tenants.models.base import TenantModel, same_organization, unique_in_organization


class IdentityProvider(models.TextChoices):
    """Whose instructions the connection's page shows; all are served alike, but for what Canaille cannot read."""

    OKTA = "okta", "Okta"
    ENTRA = "entra", "Microsoft Entra ID"
    ONELOGIN = "onelogin", "OneLogin"
    JUMPCLOUD = "jumpcloud", "JumpCloud"
    AUTHENTIK = "authentik", "authentik"
    KEYCLOAK = "keycloak", "Keycloak"
    CANAILLE = "canaille", "Canaille"
    OTHER = "other", "Another one"


class ScimConnection(TenantModel):  # type: ignore[django-manager-missing]
    """An identity provider that provisions people and groups of one organization (RFC 7644's SCIM client)."""

    name = models.CharField(max_length=120)
    provider = models.CharField(
        "identity provider", max_length=12, choices=IdentityProvider.choices, default=IdentityProvider.OTHER
    )
    role = same_organization(
        "tenants.Role",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="What new people are in the organization, whatever their groups give them besides. Empty: the "
        "organization's default role.",
    )
    created_by = models.CharField(max_length=320, editable=False)
    created_at = models.DateTimeField("created", auto_now_add=True)

    audit_exclude = frozenset({"created_at", "created_by"})

    class Meta(TenantModel.Meta):
        verbose_name = "SCIM connection"
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            unique_in_organization("accounts_scimconnection_in_organization"),
            models.UniqueConstraint(
                "organization",
                models.functions.Lower("name"),
                name="accounts_scimconnection_name",
                violation_error_message="There is already a connection with this name. Choose another one.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ScimToken(HasState, TenantModel):
    """A secret of a connection: a bearer token, and the client secret for OAuth 2.0 client credentials.

    A connection may have several, so that one replaces another without a gap.
    """

    connection = same_organization("accounts.ScimConnection", related_name="tokens", editable=False)
    name = models.CharField(max_length=120)
    public_id = models.CharField("public id", max_length=60, editable=False)
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

    objects: Any = TenantManager.from_queryset(ScimTokenQuerySet)()

    audit_exclude = frozenset({"created_at", "created_by", "last_used_at", "last_used_ip", "expiry_warned_at"})

    class Meta(TenantModel.Meta):
        verbose_name = "SCIM token"
        ordering: ClassVar[list[str]] = ["-created_at", "-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["public_id"],
                name="accounts_scimtoken_public_id",
                violation_error_message="This public id belongs to a token already.",
            ),
            models.UniqueConstraint(
                fields=["digest"],
                name="accounts_scimtoken_digest",
                violation_error_message="This secret belongs to a token already.",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "connection"], name="accounts_scimtoken_of"),
            models.Index(fields=["pepper_id"], name="accounts_scimtoken_pepper"),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(revoked_at=None, expires_at__isnull=False),
                name="accounts_scimtoken_expiring",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"
