"""Provider credentials in a blueprint: made, changed, switched and pruned; secrets by reference only."""

from pathlib import Path

import pytest
import yaml

from gateway.models import ProviderCredential
from isolation.scope import tenant_scope
from tests.blueprint.conftest import File, exported
from tests.people import Tenant

SECRET = "sk-blueprint-0123456789abcdef"
OTHER = "sk-blueprint-fedcba9876543210"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Return the file that holds the key."""
    path = tmp_path / "openai-key"
    path.write_text(SECRET)
    return path


def text(more: str = "", *, models: str = '["gpt-4*"]') -> str:
    return f"""
version: 1
organizations:
  acme:
    provider_credentials:
      Production:
        provider: openai
        secret: {{file: openai-key}}
        allowed_models: {models}
      Chatbot's own:
        name: production
        project: chatbot
        provider: anthropic
        kind: oauth_client
        secret: {{file: openai-key}}
        options: {{token_url: "https://IDP.example/token", client_id: acme}}
        enabled: false
{more}"""


def stored(acme: Tenant) -> dict[str, ProviderCredential]:
    with tenant_scope(acme.organization):
        return {each.name: each for each in ProviderCredential.objects.select_related("project")}


def revealed(acme: Tenant, name: str) -> str:
    with tenant_scope(acme.organization):
        found: str = ProviderCredential.objects.get(name=name).secret.reveal()
        return found


def test_they_are_made_once(acme: Tenant, file: File, secret: Path) -> None:
    file.write(text())
    assert file.changes() == [
        ("create", "provider credential", "Production"),
        ("create", "provider credential", "production of chatbot"),
    ]
    assert SECRET not in file.plan()[1]
    assert SECRET not in file.apply()
    made = stored(acme)
    assert made["production"].project == acme.project
    assert made["production"].options["token_url"] == "https://idp.example/token"
    assert not made["production"].is_enabled
    assert revealed(acme, "Production") == SECRET
    assert file.changes() == []


def test_another_secret_behind_the_reference_replaces_the_stored_one(acme: Tenant, file: File, secret: Path) -> None:
    file.write(text()).apply()
    secret.write_text(OTHER)
    assert [change[0] for change in file.changes()] == ["update", "update"]
    assert OTHER not in file.plan()[1]
    file.apply()
    assert revealed(acme, "Production") == OTHER
    secret.unlink()
    assert file.changes() == []  # what is not there is kept


def test_settings_change_and_what_is_not_mentioned_is_pruned(acme: Tenant, file: File, secret: Path) -> None:
    file.write(text()).apply()
    file.write(text(models="[]")).apply()
    assert stored(acme)["Production"].allowed_models == []
    with_another_address = text().replace("IDP.example/token", "login.example/token")
    file.write(with_another_address).apply()
    assert stored(acme)["production"].options["token_url"] == "https://login.example/token"
    file.write("version: 1\norganizations: {acme: {provider_credentials: {}, prune: [provider_credentials]}}\n").apply()
    assert stored(acme) == {}


def test_an_export_plans_empty_and_holds_no_secret(acme: Tenant, file: File, secret: Path) -> None:
    file.write(text()).apply()
    kept = exported("acme")
    assert SECRET not in kept
    section = yaml.safe_load(kept)["organizations"]["acme"]["provider_credentials"]
    assert section["Production"] == {
        "provider": "openai",
        "kind": "api_key",
        "allowed_models": ["gpt-4*"],
        "priority": 100,
    }
    assert section["production (chatbot)"]["project"] == "chatbot"
    assert file.write(kept).changes() == []


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{provider: nobody}", "There is no choice nobody"),
        ("{kind: api_key}", "provider is missing"),
        ("{provider: openai}", "API key is needed"),
        ("{provider: openai, secret: sk-x}", "must be a map"),
        ("{provider: openai, project: nowhere, secret: {env: HOME}}", "nowhere"),
        ("{provider: openai, base_url: https://evil.example, secret: {env: HOME}}", "PROXY_UPSTREAMS"),
        ("{provider: openai, secret: {env: NOT_SET}}", "is not set"),
        ("{provider: bedrock, secret: {env: HOME}, options: {zone: x}}", "no setting"),
    ],
)
def test_a_mistake_is_named_with_its_line(acme: Tenant, file: File, entry: str, said: str) -> None:
    file.write(f"version: 1\norganizations:\n  acme:\n    provider_credentials:\n      Ours: {entry}\n")
    assert said in " ".join(file.refused())
    assert stored(acme) == {}


def test_what_it_is_never_changes(acme: Tenant, file: File, secret: Path) -> None:
    file.write(text()).apply()
    file.write(text().replace("provider: openai", "provider: mistral"))
    assert "never changes" in " ".join(file.refused())
