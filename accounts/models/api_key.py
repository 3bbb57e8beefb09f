"""API keys: what a program shows instead of a person's password."""

from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.key_format import KeyKind
from accounts.key_state import HasState
from accounts.querysets import ApiKeyQuerySet
from audit.redaction import secret
from isolation.managers import TenantManager
from tenants.models import Environment
from tenants.models.base import TenantModel, same_organization, unique_in_organization
from tenants.permissions import P, still_known

OWNERS = {
    # Which of (project, user, service account) a key of this kind names.
    KeyKind.PROJECT: "project",
    KeyKind.PERSONAL: "user",
    KeyKind.SERVICE_ACCOUNT: "service_account",
}
TENANT_KINDS = [
    (KeyKind.PROJECT.value, "Project"),
    (KeyKind.ORGANIZATION.value, "Organization"),
    (KeyKind.PERSONAL.value, "Personal"),
    (KeyKind.SERVICE_ACCOUNT.value, "Service account"),
]


def _owned_as(kind: str) -> models.Q:
    """Return the condition that a key of this kind names its owner and no other."""
    owner = OWNERS.get(KeyKind(kind))
    return models.Q(kind=kind, **{f"{column}__isnull": column != owner for column in OWNERS.values()})


class ApiKey(HasState, TenantModel):
    """A key of a project, of the organization, of a person, or of a service account.

    What it may do is its scopes and never more than its owner may do now; see `accounts.authority`.
    """

    kind = models.CharField(max_length=16, choices=TENANT_KINDS, editable=False)
    name = models.CharField(max_length=120)
    note = models.TextField(max_length=1_000, blank=True)
    environment = models.CharField(max_length=12, choices=Environment.choices, editable=False)
    project = same_organization("tenants.Project", null=True, related_name="api_keys", editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.DO_NOTHING, related_name="+", editable=False
    )
    service_account = same_organization("accounts.ServiceAccount", null=True, related_name="api_keys", editable=False)
    public_id = models.CharField("public id", max_length=60, editable=False)
    scopes = ArrayField(models.CharField(max_length=60))
    allowed_networks = ArrayField(models.CharField(max_length=43), default=list, blank=True)
    expires_at = models.DateTimeField("expires", null=True, blank=True)
    # Its creator's text: people leave, and keys make keys too.
    created_by = models.CharField(max_length=320, editable=False)
    created_at = models.DateTimeField("created", auto_now_add=True)
    last_used_at = models.DateTimeField("last used", null=True, editable=False)
    last_used_ip = models.GenericIPAddressField("last used from", null=True, editable=False)
    expiry_warned_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField("revoked", null=True, editable=False)
    revocation_reason = models.CharField(max_length=300, blank=True, editable=False)

    objects: Any = TenantManager.from_queryset(ApiKeyQuerySet)()

    audit_exclude = frozenset({"created_at", "created_by", "last_used_at", "last_used_ip", "expiry_warned_at"})

    class Meta(TenantModel.Meta):
        verbose_name = "API key"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            unique_in_organization("accounts_apikey_in_organization"),
            models.UniqueConstraint(
                fields=["public_id"],
                name="accounts_apikey_public_id",
                violation_error_message="This public id belongs to a key already.",
            ),
            models.CheckConstraint(
                name="accounts_apikey_owner",
                condition=reduce(or_, (_owned_as(kind) for kind, _ in TENANT_KINDS)),
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "-created_at", "-id"], name="accounts_apikey_newest"),
            models.Index(fields=["organization", "project"], name="accounts_apikey_of_project"),
            models.Index(fields=["organization", "service_account"], name="accounts_apikey_of_account"),
            models.Index(fields=["organization", "user"], name="accounts_apikey_of_user"),
            # The sweep that warns before expiry.
            models.Index(
                fields=["expires_at"],
                condition=models.Q(revoked_at=None, expires_at__isnull=False),
                name="accounts_apikey_expiring",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"

    @property
    def permissions(self) -> frozenset[P]:
        """Return the scopes as permissions; one that this version no longer has is ignored."""
        return still_known(self.scopes)

    @property
    def owner(self) -> str:
        """Return whose it is, in words: a project's, a person's or a service account's name, or the organization's."""
        return str(getattr(self, OWNERS.get(KeyKind(self.kind), "organization")))


class ApiKeySecret(TenantModel):
    """The digest of one secret of a key. After a rotation the old one is accepted until its overlap ends."""

    api_key = same_organization("accounts.ApiKey", related_name="secrets", editable=False)
    digest = secret(models.BinaryField(max_length=32, editable=False))
    pepper_id = models.PositiveSmallIntegerField(editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(
        "accepted until", null=True, editable=False, help_text="Empty: this is the key's current secret."
    )

    audit_exclude = frozenset({"created_at"})

    class Meta(TenantModel.Meta):
        verbose_name = "secret of an API key"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "api_key"],
                condition=models.Q(expires_at=None),
                name="accounts_apikeysecret_current",
            ),
            models.UniqueConstraint(
                fields=["digest"],
                name="accounts_apikeysecret_digest",
                violation_error_message="This secret belongs to a key already.",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "api_key"], name="accounts_apikeysecret_of_key"),
            models.Index(fields=["pepper_id"], name="accounts_apikeysecret_pepper"),
        ]

    def __str__(self) -> str:
        return f"…{self.last_four}"
