"""How the LLM auth proxy works for an organization."""

from typing import Any, ClassVar

from gateway.models import ProxySettings
from gateway.services.proxy_settings import update_proxy_settings
from portal.blueprint.changes import Row, Section
from portal.blueprint.document import Item, Key

# The names in the file, and those of the fields.
NAMES = {
    "enabled": "is_enabled",
    "audiences": "audiences",
    "token_seconds": "token_seconds",
    "accepts_api_keys": "accepts_api_keys",
    "langsmith_names": "emits_langsmith_names",
    "masked": "masked",
    "on_counter_outage": "on_counter_outage",
}


class LlmProxy(Section):
    """The settings of the proxy; there is exactly one entry, and it is never removed."""

    table: ClassVar[str] = "llm_proxy"
    noun: ClassVar[str] = "LLM auth proxy"
    section: ClassVar[str] = ""

    def current(self) -> dict[Key, Row]:
        stored = ProxySettings.of(self.stage.organization.pk)
        values = {name: getattr(stored, field) for name, field in NAMES.items()}
        return {self.stage.organization.slug: Row(values, stored)}

    def create(self, key: Key, item: Item) -> Any:
        raise AssertionError("an organization without settings has the installation's defaults")

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        changed = {NAMES[name]: value for name, value in values.items()}
        return update_proxy_settings(organization=self.stage.organization, actor=self.stage.actor, **changed)

    def remove(self, row: Row) -> Any:
        raise AssertionError("settings are never pruned")
