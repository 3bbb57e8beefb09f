"""Single sign-on: an organization's identity providers, who they say people are, and how the last sign-ins went."""

from typing import ClassVar

from django.db import models

from tenants.models.base import TenantModel, same_organization, unique_in_organization
from vault.fields import EncryptedField

LONGEST_URL = 500
LONGEST_SUBJECT = 255
"""OpenID Connect Core section 2: sub has 255 ASCII characters at most."""


class SsoProvider(models.TextChoices):
    """Whose instructions the connection's page shows; all are spoken to alike."""

    ENTRA = "entra", "Microsoft Entra ID"
    OKTA = "okta", "Okta"
    GOOGLE = "google", "Google Workspace"
    AUTH0 = "auth0", "Auth0"
    COGNITO = "cognito", "Amazon Cognito"
    ONELOGIN = "onelogin", "OneLogin"
    KEYCLOAK = "keycloak", "Keycloak"
    AUTHENTIK = "authentik", "authentik"
    OTHER = "other", "Another one"


class Joining(models.TextChoices):
    """Who becomes a member by signing in."""

    KNOWN = "known", "Only people who were provisioned or invited"
    ANYBODY = "anybody", "Everybody whom the identity provider lets in"


class SsoConnection(TenantModel):
    """An identity provider through which people of one organization sign in (OpenID Connect Core 1.0).

    Identities belong to the name space of an issuer: with another issuer the same subject is somebody else.
    """

    name = models.CharField(max_length=120)
    provider = models.CharField(
        "identity provider", max_length=12, choices=SsoProvider.choices, default=SsoProvider.OTHER
    )
    issuer = models.CharField(max_length=LONGEST_URL)
    client_id = models.CharField("client ID", max_length=255)
    client_secret = EncryptedField(null=True)
    email_claim = models.CharField("claim with the e-mail address", max_length=120, default="email")
    name_claim = models.CharField("claim with the name", max_length=120, default="name")
    external_id_claim = models.CharField(
        "claim with the SCIM externalId",
        max_length=120,
        default="sub",
        help_text="Ties who signs in to whom SCIM provisioned: the claim that holds what SCIM sends as externalId.",
    )
    groups_claim = models.CharField(
        "claim with the groups",
        max_length=120,
        blank=True,
        help_text="Which groups follow it is chosen below, once it is saved. Empty: sign-ins change no group.",
    )
    scopes = models.CharField(
        max_length=200,
        default="openid email profile",
        help_text="What is asked of the provider, separated by spaces. Some need one more before they send groups.",
    )
    joining = models.CharField("new people", max_length=12, choices=Joining.choices, default=Joining.KNOWN)
    role = same_organization(
        "tenants.Role",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="What people become who join by signing in. Empty: the organization's default role.",
    )
    is_enabled = models.BooleanField("people can sign in", default=False, editable=False)
    # Sessions from before stay closed when people can sign in again.
    closed_at = models.DateTimeField(null=True, editable=False)
    # What the provider says of itself, and its keys, so that a sign-in waits for no further request.
    metadata = models.JSONField(default=dict, editable=False)
    metadata_at = models.DateTimeField(null=True, editable=False)
    keys = models.JSONField(default=dict, editable=False)
    keys_at = models.DateTimeField(null=True, editable=False)
    created_by = models.CharField(max_length=320, editable=False)
    created_at = models.DateTimeField("created", auto_now_add=True)

    audit_exclude = frozenset({"closed_at", "created_at", "created_by", "metadata", "metadata_at", "keys", "keys_at"})

    class Meta(TenantModel.Meta):
        verbose_name = "single sign-on connection"
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            unique_in_organization("accounts_ssoconnection_in_organization"),
            models.UniqueConstraint(
                "organization",
                models.functions.Lower("name"),
                name="accounts_ssoconnection_name",
                violation_error_message="There is already a connection with this name. Choose another one.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SsoIdentity(TenantModel):
    """Somebody as an issuer knows them: the only thing that a sign-in is recognized by."""

    connection = same_organization("accounts.SsoConnection", related_name="+", editable=False)
    issuer = models.CharField(max_length=LONGEST_URL, editable=False)
    subject = models.CharField(max_length=LONGEST_SUBJECT, editable=False)
    membership = same_organization("tenants.Membership", related_name="+", editable=False)
    created_at = models.DateTimeField("first sign-in", auto_now_add=True)
    last_used_at = models.DateTimeField("last sign-in", auto_now_add=True)

    audit_exclude = frozenset({"created_at", "last_used_at"})

    class Meta(TenantModel.Meta):
        verbose_name = "single sign-on identity"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "connection", "issuer", "subject"], name="accounts_ssoidentity_subject"
            ),
            models.UniqueConstraint(
                fields=["organization", "connection", "issuer", "membership"], name="accounts_ssoidentity_membership"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"


class SsoGroupMapping(TenantModel):
    """A group that follows a value of the groups claim: sign-ins put people in and take them out."""

    connection = same_organization("accounts.SsoConnection", related_name="+", editable=False)
    value = models.CharField("value of the claim", max_length=255)
    group = same_organization("tenants.Group", related_name="+")

    class Meta(TenantModel.Meta):
        verbose_name = "group that follows a claim"
        verbose_name_plural = "groups that follow a claim"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "connection", "value", "group"],
                name="accounts_ssogroupmapping_once",
                violation_error_message="This group follows this value already.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.value}: {self.group}"


class SsoLogin(TenantModel):
    """How a sign-in went: for whoever looks for the reason of a failure. Kept for a while; the audit log stays."""

    audit_exempt = True

    connection = same_organization("accounts.SsoConnection", related_name="+", editable=False)
    time = models.DateTimeField(auto_now_add=True)
    succeeded = models.BooleanField()
    is_test = models.BooleanField("test", default=False)
    subject = models.CharField(max_length=LONGEST_SUBJECT, blank=True)
    email = models.CharField("e-mail address", max_length=254, blank=True)
    # What was checked, in order: (what, whether it passed, why not).
    checks = models.JSONField(default=list)
    claims = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=200, blank=True)

    class Meta(TenantModel.Meta):
        verbose_name = "sign-in"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "-time", "-id"], name="accounts_ssologin_newest"),
            models.Index(fields=["time"], name="accounts_ssologin_age"),
        ]

    def __str__(self) -> str:
        return f"{self.email or self.subject or 'Nobody'}: {self.outcome.lower()}"

    @property
    def outcome(self) -> str:
        """Return how it went, in two words."""
        if self.is_test:
            return "Test passed" if self.succeeded else "Test failed"
        return "Signed in" if self.succeeded else "Refused"
