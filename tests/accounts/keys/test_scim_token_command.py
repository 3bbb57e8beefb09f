"""`manage.py scim_token`: what an identity provider is given, from its creation to its end."""

import io
import json
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts.models import ScimConnection, ScimToken
from isolation.scope import tenant_scope
from tests.people import Tenant
from tests.scim.stage import Scim, refused
from tests.tenants.stage import events


def run(*arguments: str) -> Any:
    out, err = io.StringIO(), io.StringIO()
    call_command("scim_token", *arguments, stdout=out, stderr=err)
    assert "gatesk_" not in err.getvalue()
    return json.loads(out.getvalue())


def create(*arguments: str) -> Any:
    return run("create", "--organization", "acme", *arguments)


def counted(tenant: Tenant) -> tuple[int, int]:
    with tenant_scope(tenant.organization):
        return ScimConnection.objects.count(), ScimToken.objects.filter(revoked_at=None).count()


def test_a_token_from_creation_to_its_end(acme: Tenant, globex: Tenant) -> None:
    made = create("--connection", "Okta", "--provider", "okta", "--name", "First", "--expires-in", "365d")
    assert made["base_url"] == f"{settings.PUBLIC_URL}/scim/v2"
    assert made["token_endpoint"] == f"{settings.PUBLIC_URL}/scim/v2/oauth2/token"
    assert (made["connection"]["name"], made["connection"]["provider"]) == ("Okta", "okta")
    assert Scim(made["token"]).get("/Users").status == 200
    (listed,) = run("list", "--organization", "acme")
    shown_once = {"base_url", "token_endpoint", "token"}
    used = {"last_used_at", "last_used_ip"}
    assert {name: listed[name] for name in listed.keys() - used} == {
        name: made[name] for name in made.keys() - shown_once - used
    }
    assert run("list", "--organization", "globex") == []
    ended = run("revoke", made["public_id"], "--reason", "Retired")
    assert (ended["state"], ended["revocation_reason"]) == ("revoked", "Retired")
    refused(Scim(made["token"]).get("/Users"), 401)
    told = [event for event in events(acme) if event.action.startswith("scim_")]
    assert [event.action for event in told] == ["scim_connection.created", "scim_token.created", "scim_token.revoked"]
    assert {event.via for event in told} == {"cli"}
    assert not any(made["token"] in json.dumps([event.before, event.after]) for event in told)
    assert not [event for event in events(globex) if event.action.startswith("scim_")]


def test_a_connection_that_exists_gets_another_token(acme: Tenant) -> None:
    first, second = create(), create("--connection", " scim ", "--name", "Next")
    assert first["connection"] == second["connection"]
    assert (first["name"], second["name"]) == ("SCIM", "Next")
    create("--connection", "Entra", "--provider", "entra")
    assert len(run("list", "--organization", "acme")) == 3
    assert [one["name"] for one in run("list", "--organization", "acme", "--connection", "SCIM")] == ["Next", "SCIM"]


def test_a_predefined_secret_is_imported(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    call_command("api_key", "generate", "--kind", "scim", stdout=out)
    secret = json.loads(out.getvalue())["secret"]
    monkeypatch.setenv("OKTA_TOKEN", secret)
    assert create("--secret-env", "OKTA_TOKEN")["token"] == secret
    assert Scim(secret).get("/Users").status == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "--organization", "nowhere"], "There is no organization nowhere."),
        (["create", "--organization", "acme", "--connection", " "], ""),
        (["create", "--organization", "acme", "--connection", "New", "--network", "all"], "“all” is no IP address"),
        (["create", "--organization", "acme", "--connection", "New", "--provider", "x"], "An identity provider is one"),
        (["create", "--organization", "acme", "--provider", "okta"], "The connection SCIM is of the provider other."),
        (["create", "--organization", "acme", "--expires-in", "soon"], "“soon” is no length of time."),
        (["list", "--organization", "nowhere"], "There is no organization nowhere."),
        (["list", "--organization", "acme", "--connection", "Okta"], "There is no connection Okta."),
        (["revoke", "gatepk_none"], "There is no SCIM token gatepk_none."),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(arguments: list[str], said: str, acme: Tenant) -> None:
    create()
    before = counted(acme)
    with pytest.raises(CommandError) as refusal:
        run(*arguments)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith(said)
    assert counted(acme) == before


def test_another_organization_s_token_is_not_revoked(acme: Tenant, globex: Tenant) -> None:
    made = create()
    with pytest.raises(CommandError, match="There is no SCIM token"):
        run("revoke", made["id"], "--organization", "globex")
    assert Scim(made["token"]).get("/Users").status == 200
    assert run("revoke", made["id"], "--organization", "acme")["state"] == "revoked"
    with pytest.raises(CommandError, match="revoked already"):
        run("revoke", made["id"])


def test_a_secret_is_no_name(acme: Tenant) -> None:
    made = create()
    with pytest.raises(CommandError) as refusal:
        run("revoke", made["token"])
    assert made["token"] not in str(refusal.value)
    assert counted(acme) == (1, 1)
