"""`manage.py api_key`: JSON on standard output, secrets there alone, one line for what went wrong."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.key_format import KeyKind, new_secret, parse_public_id, parse_secret
from accounts.models import ApiKey
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.services.organizations import update_organization
from tests.accounts.keys.stage import make_account, make_key, refusal
from tests.people import Tenant, make_project
from tests.tenants.stage import events

PROJECT = ["--organization", "acme", "--project", "chatbot", "--preset", "ingest"]


def run(*arguments: str) -> Any:
    """Return what the command prints, parsed."""
    out, err = io.StringIO(), io.StringIO()
    call_command("api_key", *arguments, stdout=out, stderr=err)
    assert "gatesk_" not in err.getvalue()
    return json.loads(out.getvalue())


def line(*arguments: str) -> str:
    """Return the line with which the command refuses; it prints nothing else."""
    out = io.StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("api_key", *arguments, stdout=out, stderr=io.StringIO())
    said = str(refused.value)
    assert said
    assert "\n" not in said
    assert "gatesk_" not in said
    assert out.getvalue() == ""
    return said


def keys_of(tenant: Tenant) -> list[ApiKey]:
    with tenant_scope(tenant.organization):
        return list(ApiKey.objects.all())


def age(superuser: Any, key_id: Any, days: int) -> None:
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute(
            "UPDATE accounts_apikeysecret SET created_at = created_at - make_interval(days => %s)"
            " WHERE api_key_id = %s AND expires_at IS NULL",
            [days, key_id],
        )


def test_keys_of_another_organization_are_not_reached_through_ones_own(acme: Tenant, globex: Tenant) -> None:
    with globex.acting("owner") as owner:
        foreign = make_key(globex, owner)
    for verb in ("rotate", "revoke"):
        assert line(verb, str(foreign.key.pk), "--organization", "acme") == f"There is no API key {foreign.key.pk}."
    said = line("create", *PROJECT, "--name", "x", "--service-account", "Judge")
    assert said == "There is no service account Judge. The organization has no service accounts yet."
    assert run("list", "--organization", "acme") == []
    assert refusal(foreign.secret) == ""


def test_a_key_from_creation_to_its_end(acme: Tenant) -> None:
    made = run("create", *PROJECT, "--name", "CI", "--expires-in", "90d", "--network", "203.0.113.7", "--note", "Build")
    assert (made["kind"], made["environment"], made["project"]) == ("project", "development", "chatbot")
    assert (made["scopes"], made["allowed_networks"]) == (["scores:write", "traces:write"], ["203.0.113.7/32"])
    assert parse_secret(made["secret"])
    assert made["secret"].split("_")[-2].endswith(made["last_four"])
    (listed,) = run("list", "--organization", "acme")
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    rotated = run("rotate", made["public_id"], "--overlap", "24h")
    assert rotated["id"] == made["id"]
    assert rotated["secret"] != made["secret"]
    assert {refusal(secret) for secret in (made["secret"], rotated["secret"])} == {"network"}
    (revoked,) = run("revoke", made["id"], "--reason", "Laptop lost")
    assert (revoked["state"], revoked["revocation_reason"]) == ("revoked", "Laptop lost")
    assert refusal(rotated["secret"]) == "revoked"
    told = [event for event in events(acme) if event.action.startswith("api_key.")]
    assert [event.action for event in told] == ["api_key.created", "api_key.rotated", "api_key.revoked"]
    assert {(event.actor_kind, event.via) for event in told} == {("system", "cli")}
    assert told[-1].reason == "Laptop lost"


def test_the_kind_follows_the_owner(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        make_account(acme, owner)
    place = ["--organization", "acme", "--name", "Key", "--scope", "traces:read"]
    kinds = [
        run("create", *place, *owner)["kind"]
        for owner in ([], ["--project", "chatbot"], ["--service-account", "judge"], ["--user", " Viewer@acme.example"])
    ]
    assert kinds == ["organization", "project", "service_account", "personal"]
    listed = run("list", "--organization", "acme", "--user", "viewer@acme.example")
    assert [(key["kind"], key["user"]) for key in listed] == [("personal", "viewer@acme.example")]
    assert len(run("list", "--organization", "acme", "--kind", "organization", "--state", "active")) == 1
    assert run("list", "--organization", "acme", "--state", "revoked") == []


@pytest.mark.parametrize("through", ["file", "environment", "standard input"])
def test_a_predefined_secret_is_imported(
    through: str, acme: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run("generate", "--kind", "project", "--environment", "development")
    assert parse_secret(made["secret"]) == parse_public_id(made["public_id"])
    monkeypatch.setenv("SEED_KEY", made["secret"])
    monkeypatch.setattr("sys.stdin", io.StringIO(made["secret"] + "\n"))
    (tmp_path / "key").write_text(f"{made['secret']}\n")
    where = {
        "file": ["--secret-file", str(tmp_path / "key")],
        "environment": ["--secret-env", "SEED_KEY"],
        "standard input": ["--secret-file", "-"],
    }[through]
    imported = run("create", *PROJECT, "--name", "CI", "--public-id", made["public_id"], *where)
    assert (imported["secret"], imported["public_id"]) == (made["secret"], made["public_id"])
    assert refusal(made["secret"]) == ""
    assert line("create", *PROJECT, "--name", "Again", "--secret-env", "SEED_KEY") == (
        "This secret belongs to a key already."
    )


def test_nothing_is_generated_that_is_stored(acme: Tenant) -> None:
    for kind in KeyKind:
        made = run("generate", "--kind", kind)
        parsed = parse_secret(made["secret"])
        assert parsed is not None
        assert parsed.kind == kind
        assert refusal(made["secret"]) == "unknown"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "--organization", "nowhere", "--name", "x"], "There is no organization nowhere."),
        (["create", "--organization", "acme", "--name", "x"], "Choose at least one scope"),
        (
            ["create", *PROJECT, "--name", "x", "--scope", "traces:raed"],
            "There is no permission “traces:raed”.",
        ),
        (["create", *PROJECT, "--name", "x", "--preset", "all"], "There is no preset “all”. There are ingest,"),
        (["create", *PROJECT, "--name", "x", "--preset", "provision"], "A project's key cannot have the scope"),
        (["create", *PROJECT, "--name", "x", "--kind", "organization"], "A key of the kind “organization” names no"),
        (["create", *PROJECT, "--name", "x", "--kind", "robot"], "A key is one of project,"),
        (["create", *PROJECT, "--name", "x", "--user", "viewer@acme.example"], "Name one of --project,"),
        (["create", *PROJECT, "--name", "x", "--project", "none"], "There is no project none. There is "),
        (["create", *PROJECT, "--name", "x", "--environment", "production"], "A project's key has the project's env"),
        (["create", *PROJECT, "--name", "x", "--expires-in", "soon"], "“soon” is no length of time."),
        (["create", *PROJECT, "--name", "x", "--expires-at", "2001-01-01T00:00:00Z"], "Choose a moment in the future."),
        (["create", *PROJECT, "--name", "x", "--expires-at", "2030-02-31T00:00:00Z"], "--expires-at takes a moment"),
        (["create", *PROJECT, "--name", "x", "--expires-at", "2030-01-01T00:00:00"], "--expires-at takes a moment"),
        (["create", *PROJECT, "--name", "x", "--network", "10.0.0.0/33"], "“10.0.0.0/33” is no IP address or network."),
        (["create", *PROJECT, "--name", "x", "--secret-env", "NOT_SET_ANYWHERE"], "The environment variable NOT_SET"),
        (["create", *PROJECT, "--name", "x", "--secret-file", "/nowhere"], "The file /nowhere cannot be read: No such"),
        (["generate", "--kind", "robot"], "A key is one of project,"),
        (["generate", "--kind", "project", "--environment", "test"], "An environment is one of production,"),
        (["list", "--organization", "acme", "--state", "old"], "A key is active, expired, revoked."),
        (["list", "--organization", "acme", "--kind", "platform"], "A key of an organization is one of"),
        (["list", "--organization", "acme", "--older-than", "999999"], "A number of days is between 0 and"),
        (["rotate", "gatepk_none"], "There is no API key gatepk_none."),
        (["revoke"], "Name the keys, or say --older-than"),
        (["revoke", "--older-than", "90"], "Say in which --organization"),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(arguments: list[str], said: str, acme: Tenant) -> None:
    before = len(events(acme))
    assert line(*arguments).startswith(said)
    assert keys_of(acme) == []
    assert len(events(acme)) == before


def test_the_organizations_maximum_binds_the_command_line_too(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        update_organization(
            organization=acme.organization, actor=owner, name="Acme", default_role=None, api_key_max_days=30
        )
    assert line("create", *PROJECT, "--name", "x").startswith("Keys of this organization live 30 days at most.")
    run("create", *PROJECT, "--name", "x", "--expires-in", "30d")


def test_several_keys_are_revoked_together_or_not_at_all(acme: Tenant, globex: Tenant) -> None:
    issued = []
    for tenant in (acme, globex):
        with tenant_scope(tenant.organization):
            issued += [make_key(tenant, SYSTEM) for _ in range(2)]
    names = [str(issued[0].key.pk), issued[1].public_id, str(issued[2].key.pk)]
    line("revoke", *names, "gatepk_none")
    line("revoke", *names, "--reason", "x" * 301)
    assert [refusal(one.secret) for one in issued] == ["", "", "", ""]
    assert len(run("revoke", *names, names[0], "--dry-run")) == 3
    assert [refusal(one.secret) for one in issued] == ["", "", "", ""]
    ended = run("revoke", *names, names[0], "--reason", "Breach")
    assert {key["id"] for key in ended} == {str(one.key.pk) for one in issued[:3]}
    assert [refusal(one.secret) for one in issued] == ["revoked", "revoked", "revoked", ""]
    assert run("revoke", *names) == [], "revoked already"
    assert run("revoke", names[0], str(issued[3].key.pk))[0]["id"] == str(issued[3].key.pk)


def test_old_keys_are_reported_and_revoked(acme: Tenant, globex: Tenant, superuser: Any) -> None:
    with acme.acting("owner") as owner:
        old, older, rotated, new, dead = [make_key(acme, owner, name=name) for name in "abcde"]
    for one, days in ((old, 91), (older, 200), (rotated, 200), (dead, 200)):
        age(superuser, one.key.pk, days)
    run("revoke", str(dead.key.pk))
    run("rotate", str(rotated.key.pk), "--overlap", "1h")
    with globex.acting("owner") as owner:
        foreign = make_key(globex, owner, name="foreign")
    age(superuser, foreign.key.pk, 100)
    assert [key["name"] for key in run("report", "--organization", "acme")] == ["b", "a"]
    assert [(key["organization"], key["name"]) for key in run("report")] == [
        ("acme", "b"),
        ("globex", "foreign"),
        ("acme", "a"),
    ]
    assert [key["name"] for key in run("report", "--older-than", "120")] == ["b"]
    assert [key["name"] for key in run("list", "--organization", "acme", "--older-than", "90")] == ["b", "a"]
    ended = run("revoke", "--organization", "acme", "--older-than", "90", "--reason", "Too old")
    assert {key["name"] for key in ended} == {"a", "b"}
    assert [refusal(one.secret) for one in (new, rotated, foreign)] == ["", "", ""]


def test_a_secret_is_no_name_for_a_key(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        issued = make_key(acme, owner)
    for secret in (issued.secret, new_secret("project", "production")):
        for verb in ("rotate", "revoke"):
            assert line(verb, secret).startswith("This is a secret.")


def test_an_expired_key_says_so(acme: Tenant, superuser: Any) -> None:
    with acme.acting("owner") as owner:
        issued = make_key(acme, owner, expires_at=timezone.now() + timedelta(days=1))
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute("UPDATE accounts_apikey SET expires_at = now() - interval '1 second'")
    assert [key["state"] for key in run("list", "--organization", "acme", "--state", "expired")] == ["expired"]
    assert line("rotate", issued.public_id).startswith("This key has expired.")


def test_what_is_named_wrongly_is_answered_with_what_there_is(acme: Tenant, globex: Tenant) -> None:
    def create(*owner: str) -> str:
        return line("create", "--organization", "acme", "--name", "x", "--scope", "traces:read", *owner)

    assert create("--project", "x") == "There is no project x. There is chatbot."
    assert create("--service-account", "x").endswith(" x. The organization has no service accounts yet.")
    assert create("--user", "x@acme.example") == "There is no login x@acme.example."
    with acme.acting("owner"):
        for letter in "abcdef":
            make_project(acme, letter)
    assert create("--project", "x") == "There is no project x. There are a, b, c, chatbot, d and more."
