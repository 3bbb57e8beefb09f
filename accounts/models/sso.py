"""Single sign-on: an organization's identity providers, who they say people are, and how the last sign-ins went."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.models.base import TenantModel, same_organization, unique_in_organization
from vault.fields import EncryptedField

LONGEST_URL = 500
DEFAULT_SCOPES = "openid email profile"
LONGEST_SUBJECT = 255
"""OpenID Connect Core section 2: sub has 255 ASCII characters at most."""


class SsoProtocol(models.TextChoices):
    """How the identity provider is spoken to."""

    OIDC = "oidc", "OpenID Connect"
    SAML = "saml", "SAML 2.0"


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
    ADFS = "adfs", "AD FS"
    JUMPCLOUD = "jumpcloud", "JumpCloud"
    OTHER = "other", "Another one"


class Joining(models.TextChoices):
    """Who becomes a member by signing in."""

    KNOWN = "known", "Only people who were provisioned or invited"
    ANYBODY = "anybody", "Everybody whom the identity provider lets in"


class SsoConnection(TenantModel):
    """An identity provider through which people of one organization sign in (OpenID Connect Core 1.0 or SAML 2.0).

    Identities belong to the name space of an issuer (the entity ID, with SAML): with another issuer the same subject is
    somebody else.
    """

    protocol = models.CharField(max_length=8, choices=SsoProtocol.choices, default=SsoProtocol.OIDC, editable=False)
    name = models.CharField(max_length=120)
    provider = models.CharField(
        "identity provider", max_length=12, choices=SsoProvider.choices, default=SsoProvider.OTHER
    )
    issuer = models.CharField(max_length=LONGEST_URL)
    client_id = models.CharField("client ID", max_length=255, blank=True)
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
        blank=True,
        default=DEFAULT_SCOPES,
        help_text="What is asked of the provider, separated by spaces. Some need one more before they send groups.",
    )
    domains = ArrayField(
        models.CharField(max_length=253),
        default=list,
        blank=True,
        help_text="Whose addresses lead here and count here. None: those of each verified domain.",
    )
    # SAML 2.0's own.
    metadata_url = models.CharField("metadata URL", max_length=LONGEST_URL, blank=True)
    subject_attribute = models.CharField(
        "attribute that says who somebody is",
        max_length=120,
        blank=True,
        help_text="Empty: the NameID. Whoever has its value is that person: choose one that is never given anew.",
    )
    signs_requests = models.BooleanField(
        "sign requests",
        default=False,
        help_text="Where the provider's metadata ask for it, requests are signed in any case.",
    )
    allows_idp_initiated = models.BooleanField(
        "let sign-ins begin at the provider",
        default=False,
        help_text="Nobody can tell whether such an answer was meant for the browser that brings it. A page asks first.",
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
    scim_connection = same_organization(
        "accounts.ScimConnection",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name="SCIM connection",
        help_text="Which connection provisions the people of this provider. Then its externalIds and user names count "
        "here, whatever other connections are on.",
    )
    ends_at_provider = models.BooleanField(
        "sign out there too",
        default=True,
        help_text="Who signs out here is led on to sign out at the provider, where it offers that.",
    )
    # Whoever has this value in the groups claim is an owner, as an owner allowed it; empty: nobody.
    owner_value = models.CharField("value that makes owners", max_length=255, blank=True, editable=False)
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
            models.CheckConstraint(
                name="accounts_ssoconnection_protocol",
                condition=models.Q(
                    protocol=SsoProtocol.OIDC,
                    metadata_url="",
                    subject_attribute="",
                    signs_requests=False,
                    allows_idp_initiated=False,
                )
                | models.Q(protocol=SsoProtocol.SAML, client_id="", client_secret__isnull=True, scopes=""),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_saml(self) -> bool:
        """Return whether it speaks SAML 2.0."""
        return self.protocol == SsoProtocol.SAML


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


class SsoLogout(TenantModel):
    """A provider's word that somebody signed out there (OpenID Connect Back-Channel Logout 1.0): sessions end by it.

    Without a session's name it ends every session that the subject has through the connection so far.
    """

    audit_exempt = True

    connection = same_organization("accounts.SsoConnection", related_name="+", editable=False)
    issuer = models.CharField(max_length=LONGEST_URL, editable=False)
    jti = models.CharField(max_length=LONGEST_SUBJECT, editable=False)
    subject = models.CharField(max_length=LONGEST_SUBJECT, blank=True, editable=False)
    sid = models.CharField(max_length=LONGEST_SUBJECT, blank=True, editable=False)
    time = models.DateTimeField(auto_now_add=True)

    class Meta(TenantModel.Meta):
        verbose_name = "sign-out at a provider"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "connection", "issuer", "jti"], name="accounts_ssologout_once"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "connection", "time"], name="accounts_ssologout_newest"),
            models.Index(fields=["time"], name="accounts_ssologout_age"),
        ]

    def __str__(self) -> str:
        return self.subject or self.sid


class SsoSession(TenantModel):
    """Somebody's session at an identity provider that opened one here: where it ends, ours ends too."""

    audit_exempt = True

    connection = same_organization("accounts.SsoConnection", related_name="+", editable=False)
    membership = same_organization("tenants.Membership", related_name="+", editable=False)
    issuer = models.CharField(max_length=LONGEST_URL, editable=False)
    name_id = models.CharField("NameID", max_length=LONGEST_SUBJECT, editable=False)
    name_id_format = models.CharField(max_length=LONGEST_SUBJECT, blank=True, editable=False)
    name_qualifier = models.CharField(max_length=LONGEST_URL, blank=True, editable=False)
    sp_name_qualifier = models.CharField(max_length=LONGEST_URL, blank=True, editable=False)
    session_index = models.CharField(max_length=LONGEST_SUBJECT, blank=True, editable=False)
    started_at = models.DateTimeField(auto_now_add=True)
    ends_at = models.DateTimeField(null=True, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = "session at the identity provider"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "connection", "name_id"], name="accounts_ssosession_of"),
            models.Index(fields=["started_at"], name="accounts_ssosession_age"),
        ]

    def __str__(self) -> str:
        return f"{self.name_id} since {self.started_at}"


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
