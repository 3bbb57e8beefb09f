"""The LLM auth proxy's settings in a blueprint: set once, exported, and refused with their line."""

import pytest
import yaml

from gateway.models import ProxySettings
from isolation.scope import tenant_scope
from tests.blueprint.conftest import File, exported
from tests.people import Tenant

pytestmark = pytest.mark.django_db

SETTINGS = """
version: 1
organizations:
  acme:
    llm_proxy:
      enabled: true
      audiences: [edge, gatehouse-llm]
      token_seconds: 300
      langsmith_names: true
      masked: [phone, email]
      on_counter_outage: open
"""


def test_the_settings_are_made_once(acme: Tenant, file: File) -> None:
    assert "llm_proxy" not in yaml.safe_load(exported("acme"))["organizations"]["acme"]
    blueprint = file.write(SETTINGS)
    assert blueprint.changes() == [("update", "LLM auth proxy", "acme")]
    blueprint.apply()
    assert blueprint.changes() == []
    with tenant_scope(acme.organization):
        stored = ProxySettings.objects.get()
    assert (stored.is_enabled, stored.token_seconds, stored.audiences) == (True, 300, ["edge", "gatehouse-llm"])
    assert stored.masked == ["email", "phone"]
    assert not stored.accepts_api_keys
    written = yaml.safe_load(exported("acme"))["organizations"]["acme"]["llm_proxy"]
    assert written["enabled"] is True
    assert written["on_counter_outage"] == "open"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("token_seconds: 901", "token_seconds"),
        ("masked: [nonsense]", "masked"),
        ("audiences: []", "audiences"),
        ("audiences: [a b]", "audiences"),
        ("nonsense: true", "nonsense"),
    ],
)
def test_what_is_refused_is_named_with_its_line(acme: Tenant, file: File, line: str, says: str) -> None:
    (complaint,) = file.write(f"version: 1\norganizations:\n  acme:\n    llm_proxy:\n      {line}\n").refused()
    assert f"organizations.acme.llm_proxy.{says}" in complaint
