"""The settings of the LLM auth proxy."""

from rest_framework import serializers

from api.operation import operation
from api.serializers import Answer, Change
from api.views import OrganizationView
from audit.masking.detectors import DETECTORS
from gateway.models import CounterOutage, ProxySettings
from gateway.models.proxy_settings import LONGEST_TOKEN, SHORTEST_TOKEN
from gateway.services.proxy_settings import MOST_AUDIENCES, update_proxy_settings
from tenants.permissions import P

TAG = "LLM auth proxy"
_ENABLED = "While it is off, no token is issued and every request is refused."
_AUDIENCES = "Whom tokens are for (aud); the Envoy accepts one of them."
_SECONDS = "How long a token lives, in seconds."
_KEYS = "Whether the proxy takes API keys directly, for clients that can set one header only."
_LANGSMITH = "Whether tokens carry workspace_id and ls_user_id too, and the header X-LangSmith-LLM-Auth is taken."
_MASKED = "The detectors whose findings are replaced in prompts."
_OUTAGE = "What happens to requests while limits cannot be counted."

EXAMPLE = {
    "is_enabled": True,
    "audiences": ["gatehouse-llm"],
    "token_seconds": 600,
    "accepts_api_keys": False,
    "emits_langsmith_names": False,
    "masked": ["email"],
    "on_counter_outage": "closed",
}


class ProxySettingsAnswer(Answer):
    """The settings; an organization that never changed them has the installation's defaults."""

    is_enabled = serializers.BooleanField(help_text=_ENABLED)
    audiences = serializers.ListField(child=serializers.CharField(), help_text=_AUDIENCES)
    token_seconds = serializers.IntegerField(help_text=_SECONDS)
    accepts_api_keys = serializers.BooleanField(help_text=_KEYS)
    emits_langsmith_names = serializers.BooleanField(help_text=_LANGSMITH)
    masked = serializers.ListField(child=serializers.ChoiceField(choices=list(DETECTORS)), help_text=_MASKED)
    on_counter_outage = serializers.ChoiceField(choices=CounterOutage.values, help_text=_OUTAGE)


class ProxySettingsChange(Change):
    """What is left out stays as it is."""

    is_enabled = serializers.BooleanField(help_text=_ENABLED)
    audiences = serializers.ListField(
        child=serializers.CharField(max_length=200), min_length=1, max_length=MOST_AUDIENCES, help_text=_AUDIENCES
    )
    token_seconds = serializers.IntegerField(min_value=SHORTEST_TOKEN, max_value=LONGEST_TOKEN, help_text=_SECONDS)
    accepts_api_keys = serializers.BooleanField(help_text=_KEYS)
    emits_langsmith_names = serializers.BooleanField(help_text=_LANGSMITH)
    masked = serializers.ListField(child=serializers.ChoiceField(choices=list(DETECTORS)), help_text=_MASKED)
    on_counter_outage = serializers.ChoiceField(choices=CounterOutage.values, help_text=_OUTAGE)


class Settings(OrganizationView):
    """The settings of the proxy."""

    tag = TAG

    @operation(
        "getLlmProxy",
        "Return the settings of the LLM auth proxy",
        permission=P.LLM_PROXY_READ,
        response=ProxySettingsAnswer,
        example=EXAMPLE,
    )
    def get(self) -> ProxySettings:
        """What tokens say, how long they live, and what happens to requests."""
        return ProxySettings.of(self.organization.pk)

    @operation(
        "updateLlmProxy",
        "Change the settings of the LLM auth proxy",
        permission=P.LLM_PROXY_MANAGE,
        request=ProxySettingsChange,
        response=ProxySettingsAnswer,
        example=EXAMPLE,
        request_example={"is_enabled": True},
    )
    def patch(self) -> ProxySettings:
        """It counts within a second, for tokens that are out as well."""
        self.lock_organization()
        self.hold_to_condition(ProxySettings.of(self.organization.pk))
        return update_proxy_settings(organization=self.organization, actor=self.actor, **self.data)
