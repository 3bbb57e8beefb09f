"""Single sign-on connections in a blueprint: asked of the provider, secret by reference, never shown."""

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from accounts.models import SsoConnection, SsoGroupMapping
from isolation.scope import tenant_scope
from tests.blueprint.conftest import File, exported
from tests.people import Tenant
from tests.scim.stage import connection_of
from tests.sso.hostile import Answer, Behaviour, Hostile, hostile_provider
from tests.tenants.stage import events

pytestmark = pytest.mark.django_db

SSO = """
version: 1
organizations:
  acme:
    sso_connections:
      Directory:
        issuer: ISSUER
        client_id: portal
        client_secret: {env: SSO_SECRET}
        joining: anybody
        role: viewer
        enabled: true
        groups_claim: groups
        groups:
          eng: [Engineers, All hands]
          aud: [all hands]
    groups:
      Engineers: {}
      All hands: {}
"""


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    monkeypatch.setenv("SSO_SECRET", "first hidden words")


@pytest.fixture
def idp() -> Iterator[Hostile]:
    with hostile_provider(client_id="portal", client_secret="first hidden words") as provider:
        yield provider


@pytest.fixture
def blueprint(file: File, idp: Hostile) -> File:
    return file.write(SSO.replace("ISSUER", idp.issuer))


def stored(tenant: Tenant) -> tuple[Any, ...]:
    with tenant_scope(tenant.organization):
        row = SsoConnection.objects.select_related("role").get()
        secret = row.client_secret.reveal() if row.client_secret else None
        return row.name, row.joining, row.role and row.role.key, row.is_enabled, secret


def test_a_connection_is_made_once(acme: Tenant, blueprint: File) -> None:
    following = ("Engineers for eng of Directory", "All hands for eng of Directory", "all hands for aud of Directory")
    assert blueprint.changes() == [
        ("create", "group", "Engineers"),
        ("create", "group", "All hands"),
        ("create", "single sign-on connection", "Directory"),
        *(("create", "group that follows", name) for name in following),
    ]
    blueprint.apply()
    assert stored(acme) == ("Directory", "anybody", "viewer", True, "first hidden words")
    assert blueprint.plan() == (0, "No changes: everything is as the blueprint says.\n")


def test_the_export_plans_empty(acme: Tenant, blueprint: File, file: File) -> None:
    blueprint.apply()
    file.write(exported("acme"))
    assert file.plan() == (0, "No changes: everything is as the blueprint says.\n")


def test_another_secret_behind_the_reference_replaces_the_stored_one(
    acme: Tenant, blueprint: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    blueprint.apply()
    monkeypatch.setenv("SSO_SECRET", "second hidden words")
    printed = [blueprint.plan()[1], blueprint.apply(), exported("acme")]
    assert "client_secret: stored -> env:SSO_SECRET" in printed[0]
    assert stored(acme)[-1] == "second hidden words"
    assert not [text for text in printed if "hidden words" in text]
    assert "hidden words" not in str([(event.before, event.after) for event in events(acme)])
    monkeypatch.delenv("SSO_SECRET")
    assert blueprint.changes() == [], "nothing behind it any more: the stored one stays"


def test_a_connection_changes_and_goes(acme: Tenant, blueprint: File, file: File) -> None:
    blueprint.apply()
    text = blueprint.path.read_text(encoding="utf-8")
    file.write(text.replace("enabled: true", "enabled: false").replace("role: viewer", "role: null"))
    assert file.changes() == [("update", "single sign-on connection", "Directory")]
    file.apply()
    assert stored(acme)[2:4] == (None, False)
    file.write("version: 1\norganizations:\n  acme:\n    sso_connections: {}\n    prune: true\n").apply()
    with tenant_scope(acme.organization):
        assert not SsoConnection.objects.exists()


def test_a_group_follows_no_more(acme: Tenant, blueprint: File, file: File) -> None:
    blueprint.apply()
    text = blueprint.path.read_text(encoding="utf-8")
    file.write(text.replace("eng: [Engineers, All hands]", "eng: [engineers]") + "    prune: [sso_connections]\n")
    assert file.changes() == [("remove", "group that follows", "All hands for eng of Directory")]
    file.apply()
    with tenant_scope(acme.organization):
        assert set(SsoGroupMapping.objects.values_list("value", "group__name")) == {
            ("eng", "Engineers"),
            ("aud", "All hands"),
        }


def owner_value(tenant: Tenant) -> str:
    with tenant_scope(tenant.organization):
        return str(SsoConnection.objects.get().owner_value)


def test_owners_by_a_claim_take_an_owner_who_applies_the_file(acme: Tenant, blueprint: File, file: File) -> None:
    blueprint.apply()
    text = blueprint.path.read_text(encoding="utf-8")
    allowing = text.replace("groups_claim: groups", "groups_claim: groups\n        owner_value: portal-owners")
    file.write(allowing)
    for person, said in (((), "Only an owner"), (("--as", "admin@acme.example"), "You cannot let an identity")):
        (refused,) = file.refused(*person)
        assert f"organizations.acme.sso_connections.Directory.owner_value: {said}" in refused
    file.apply("--as", "owner@acme.example")
    assert owner_value(acme) == "portal-owners"
    assert yaml.safe_load(exported("acme"))["organizations"]["acme"]["sso_connections"]["Directory"]["owner_value"]
    assert file.changes() == []
    file.write(allowing.replace("joining: anybody", "joining: known")).apply()
    assert owner_value(acme) == "portal-owners", "what says nothing of the provider may be applied by anybody"


def test_silence_never_allows_again_what_a_change_ended(acme: Tenant, blueprint: File, file: File) -> None:
    text = blueprint.path.read_text(encoding="utf-8")
    allowing = text.replace("groups_claim: groups", "groups_claim: groups\n        owner_value: portal-owners")
    owner = ("--as", "owner@acme.example")
    file.write(allowing).apply(*owner)
    file.write(allowing.replace("groups_claim: groups", "groups_claim: roles"))
    assert "Only an owner" in file.refused()[0]
    file.write(text.replace("groups_claim: groups", "groups_claim: roles")).apply(*owner)
    assert owner_value(acme) == ""
    file.write(allowing).apply(*owner)
    file.write(allowing.replace("portal-owners", '""')).apply("--as", "admin@acme.example")
    assert owner_value(acme) == ""


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("role: owner", "role: viewer", "New people cannot become owners by themselves."),
        ("joining: everybody", "joining: anybody", "There is no choice everybody."),
        ("client_secret: plain", "client_secret: {env: SSO_SECRET}", "This must be a map"),
        ("client_secret: {env: SSO_NOTHING}", "client_secret: {env: SSO_SECRET}", "is not set"),
        ("client: portal", "client_id: portal", "There is no field client."),
        ("aud: [nobodies]", "aud: [all hands]", "There is no group nobodies."),
        ("aud: all hands", "aud: [all hands]", "This must be a list."),
    ],
)
def test_what_is_wrong_is_said_with_its_line(acme: Tenant, blueprint: File, wrong: str, right: str, said: str) -> None:
    text = blueprint.path.read_text(encoding="utf-8")
    refusal = "\n".join(blueprint.write(text.replace(right, wrong)).refused())
    assert said in refusal
    with tenant_scope(acme.organization):
        assert not SsoConnection.objects.exists()


def test_a_provider_that_cannot_be_used_is_said_at_the_issuer(acme: Tenant, blueprint: File, idp: Hostile) -> None:
    idp.behaviour = Behaviour(discovery_answer=Answer.HTML)
    (line,) = blueprint.refused()
    assert line.startswith("6:")
    assert "organizations.acme.sso_connections.Directory.issuer: 127.0.0.1 answered" in line


def test_the_directory_is_named_and_has_to_be_there(acme: Tenant, blueprint: File, idp: Hostile) -> None:
    text = SSO.replace("ISSUER", idp.issuer)
    tied = text.replace(
        "        joining:", "        scim_connection: staff\n        ends_at_provider: false\n        joining:"
    )
    assert "There is no SCIM connection staff" in str(blueprint.write(tied).refused())
    connection_of(acme, "Staff")
    blueprint.apply()
    with tenant_scope(acme.organization):
        row = SsoConnection.objects.select_related("scim_connection").get()
    assert (str(row.scim_connection), row.ends_at_provider) == ("Staff", False)
    kept = yaml.safe_load(exported("acme"))["organizations"]["acme"]["sso_connections"]["Directory"]
    assert (kept["scim_connection"], kept["ends_at_provider"]) == ("Staff", False)
    blueprint.write(tied.replace("staff", "null").replace("false", "true")).apply()
    kept = yaml.safe_load(exported("acme"))["organizations"]["acme"]["sso_connections"]["Directory"]
    assert not {"scim_connection", "ends_at_provider"} & set(kept)
