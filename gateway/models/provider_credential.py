"""Provider credentials: with what an organization's or a project's LLM requests leave the building."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from gateway.querysets import ProviderCredentialQuerySet
from gateway.upstreams import Upstream, upstream_of
from isolation.managers import TenantManager
from tenants.models.base import TenantModel, same_organization
from vault.fields import EncryptedField

LONGEST_URL = 500
MOST_MODELS = 200


class Provider(models.TextChoices):
    """Whose API a credential opens; each has its own way of taking it."""

    OPENAI = "openai", "OpenAI"
    ANTHROPIC = "anthropic", "Anthropic"
    AZURE_OPENAI = "azure_openai", "Azure OpenAI"
    BEDROCK = "bedrock", "Amazon Bedrock"
    VERTEX = "vertex", "Google Vertex AI"
    MISTRAL = "mistral", "Mistral"
    OPENAI_COMPATIBLE = "openai_compatible", "OpenAI-compatible"


class CredentialKind(models.TextChoices):
    """Where the secret comes from when a request is about to leave."""

    API_KEY = "api_key", "API key"
    OAUTH_CLIENT = "oauth_client", "OAuth 2.0 client credentials"
    AWS_KEYS = "aws_keys", "AWS access key"
    VAULT = "vault", "HashiCorp Vault"
    AWS_SECRETS_MANAGER = "aws_secrets_manager", "AWS Secrets Manager"


class ProviderCredential(TenantModel):
    """A credential of one provider, of a project or of the whole organization.

    A project's own come before the organization's; among equals the lower priority number comes first, and the next one
    is what a request falls back to.
    """

    project = same_organization(
        "tenants.Project",
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: for every project of the organization, after those that it has itself.",
    )
    name = models.CharField(max_length=120)
    provider = models.CharField(max_length=20, choices=Provider.choices)
    kind = models.CharField(max_length=20, choices=CredentialKind.choices, default=CredentialKind.API_KEY)
    base_url = models.CharField(
        "base URL",
        max_length=LONGEST_URL,
        blank=True,
        help_text="Where the provider's API is; empty for its public address.",
    )
    # The API key, the client secret, or what opens the external store.
    secret = EncryptedField(null=True)
    last_four = models.CharField(max_length=4, blank=True, editable=False)
    previous_secret = EncryptedField(null=True)
    previous_until = models.DateTimeField("former secret kept until", null=True, editable=False)
    # What the provider and the kind need besides: a region, a token endpoint, a path. No secret is in it.
    options = models.JSONField(default=dict, blank=True)
    allowed_models = ArrayField(
        models.CharField(max_length=120),
        default=list,
        blank=True,
        size=MOST_MODELS,
        help_text="Names or patterns (gpt-4*); empty: every model.",
    )
    priority = models.PositiveSmallIntegerField(default=100, help_text="The lowest number is tried first.")
    is_enabled = models.BooleanField("in use", default=True)
    created_by = models.CharField(max_length=320, editable=False)
    created_at = models.DateTimeField("created", auto_now_add=True)
    rotated_at = models.DateTimeField("rotated", null=True, editable=False)
    last_used_at = models.DateTimeField("last used", null=True, editable=False)
    last_used_by = models.CharField("last used by", max_length=320, blank=True, editable=False)
    tested_at = models.DateTimeField("tested", null=True, editable=False)
    test_outcome = models.CharField(max_length=300, blank=True, editable=False)

    objects: Any = TenantManager.from_queryset(ProviderCredentialQuerySet)()

    audit_exclude = frozenset(
        {"created_at", "created_by", "last_used_at", "last_used_by", "tested_at", "test_outcome", "rotated_at"}
    )

    class Meta(TenantModel.Meta):
        verbose_name = "provider credential"
        ordering: ClassVar[list[str]] = ["provider", "priority", "name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                "organization",
                models.functions.Lower("name"),
                "project",
                name="gateway_credential_name",
                nulls_distinct=False,
                violation_error_message="There is already a credential with this name here. Choose another one.",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "project"], name="gateway_credential_of"),
        ]

    def __str__(self) -> str:
        return self.name

    def upstream(self) -> Upstream:
        """Return where requests with it go.

        Raises:
            UnknownUpstream: the operator does not allow its address (any more).
        """
        region = str(self.options.get("region", ""))
        return upstream_of(self.provider, self.base_url, region, settings.PROXY_UPSTREAMS)

    @property
    def keeps_former_secret(self) -> bool:
        """Return whether the secret before the last rotation can be put back."""
        return self.previous_until is not None and self.previous_until > timezone.now()
