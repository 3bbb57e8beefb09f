"""How the LLM auth proxy works for one organization."""

from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from gateway.claims import DEFAULT_AUDIENCE
from tenants.models.base import TenantModel

SHORTEST_TOKEN = 60
LONGEST_TOKEN = 900


class CounterOutage(models.TextChoices):
    """What happens to requests while nobody can count them."""

    CLOSED = "closed", "Refuse them"
    OPEN = "open", "Let them through, uncounted"


def default_audiences() -> list[str]:
    """Return whom tokens are for when nothing else was chosen."""
    return [DEFAULT_AUDIENCE]


class ProxySettings(TenantModel):
    """The organization's settings of the proxy; without a row the installation's defaults are in force."""

    is_enabled = models.BooleanField("LLM auth proxy", default=False)
    audiences = ArrayField(
        models.CharField(max_length=200),
        default=default_audiences,
        size=10,
        help_text="Whom a token is for (aud); the Envoy that checks it accepts one of them.",
    )
    token_seconds = models.PositiveSmallIntegerField(
        "token lifetime",
        default=600,
        validators=[MinValueValidator(SHORTEST_TOKEN), MaxValueValidator(LONGEST_TOKEN)],
        help_text=f"In seconds, {SHORTEST_TOKEN} to {LONGEST_TOKEN}.",
    )
    accepts_api_keys = models.BooleanField(
        "accept API keys directly",
        default=False,
        help_text="For clients that can set one header only. A token lives minutes; a key lives until it is revoked.",
    )
    emits_langsmith_names = models.BooleanField(
        "LangSmith names",
        default=False,
        help_text="Adds workspace_id and ls_user_id to tokens, and takes the header X-LangSmith-LLM-Auth.",
    )
    # The detectors whose findings are masked in prompts; none: prompts leave as they are.
    masked = ArrayField(models.CharField(max_length=40), default=list, blank=True, size=40)
    on_counter_outage = models.CharField(
        "while limits cannot be counted", max_length=8, choices=CounterOutage.choices, default=CounterOutage.CLOSED
    )

    class Meta(TenantModel.Meta):
        verbose_name = "LLM auth proxy"
        verbose_name_plural = "LLM auth proxy"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization"], name="gateway_proxysettings_one"),
            models.CheckConstraint(
                name="gateway_proxysettings_life",
                condition=models.Q(token_seconds__gte=SHORTEST_TOKEN, token_seconds__lte=LONGEST_TOKEN),
                violation_error_message=f"A token lives {SHORTEST_TOKEN} to {LONGEST_TOKEN} seconds.",
            ),
        ]

    def __str__(self) -> str:
        return "LLM auth proxy"

    @classmethod
    def of(cls, organization_id: UUID) -> "ProxySettings":
        """Return an organization's settings; the installation's defaults when it has none. The scope must be open."""
        stored = cls.objects.filter(organization=organization_id).first()
        return stored or cls(organization_id=organization_id, is_enabled=settings.PROXY_ENABLED_BY_DEFAULT)
