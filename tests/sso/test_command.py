"""`manage.py sso_connection`: what connects an identity provider, from its creation to its end."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import SsoConnection
from isolation.scope import tenant_scope
from tenants.services.groups import create_group
from tests.people import Tenant
from tests.scim.stage import connection_of
from tests.sso.hostile import Answer, Behaviour, Hostile
from tests.sso.saml.provider import SamlIdp
from tests.sso.stage import CLIENT_ID, CLIENT_SECRET, Sso, verify_domain
from tests.tenants.stage import events


def run(*arguments: str) -> Any:
    out, err = io.StringIO(), io.StringIO()
    call_command("sso_connection", *arguments, stdout=out, stderr=err)
    assert "s3cret" not in out.getvalue() + err.getvalue()
    return json.loads(out.getvalue())


@pytest.fixture
def secret_file(tmp_path: Path) -> str:
    """Return a file with the client's secret, ended by a line break as editors do."""
    path = tmp_path / "secret"
    path.write_text(f"{CLIENT_SECRET}\n")
    return str(path)


@pytest.fixture
def create(acme: Tenant, idp: Hostile, secret_file: str) -> Any:
    """Return a function that connects acme to the provider."""

    def made(*arguments: str) -> Any:
        usual = ["--organization", "acme", "--issuer", idp.issuer, "--client-id", CLIENT_ID]
        return run("create", *usual, "--client-secret-file", secret_file, "--name", "Okta", *arguments)

    return made


def verb(name: str, *arguments: str, connection: str = "Okta") -> Any:
    return run(name, "--organization", "acme", "--name", connection, *arguments)


def stored(tenant: Tenant) -> list[Any]:
    with tenant_scope(tenant.organization):
        rows = SsoConnection.objects.order_by("name").values_list(
            "name", "issuer", "client_id", "is_enabled", "joining"
        )
        return list(rows)


def arrives(tenant: Tenant, idp: Hostile) -> bool:
    """Return whether the member comes in."""
    with tenant_scope(tenant.organization):
        connection = SsoConnection.objects.get()
    return Sso(tenant, idp, connection).sign_in().user_id == str(tenant.member.pk)


def test_a_connection_from_creation_to_its_end(acme: Tenant, globex: Tenant, idp: Hostile, create: Any) -> None:
    verify_domain(acme)
    idp.claims |= {"sub": "u-1", "email": "member@acme.example"}
    made = create("--provider", "okta", "--role", "viewer", "--external-id-claim", "employee", "--enable")
    assert made["redirect_uri"] == f"{settings.PUBLIC_URL}/sso/{made['id']}/callback/"
    assert (made["provider"], made["issuer"], made["client_id"], made["role"], made["external_id_claim"]) == (
        "okta",
        idp.issuer,
        CLIENT_ID,
        "viewer",
        "employee",
    )
    assert (made["is_enabled"], made["has_secret"], made["joining"]) == (True, True, "known")
    assert arrives(acme, idp)
    assert run("list", "--organization", "acme") == [made]
    assert run("list", "--organization", "globex") == []
    assert verb("disable") == made | {"is_enabled": False}
    assert verb("disable", connection=" okta ")["is_enabled"] is False
    assert verb("enable")["is_enabled"] is True
    assert arrives(acme, idp)
    assert verb("delete") == made
    assert run("list", "--organization", "acme") == []
    told = [event for event in events(acme) if event.action.startswith("sso_connection.")]
    assert [event.action.removeprefix("sso_connection.") for event in told] == [
        "created",
        "enabled",
        "disabled",
        "enabled",
        "deleted",
    ]
    assert {event.via for event in told} == {"cli"}
    assert "s3cret" not in json.dumps([[event.before, event.after] for event in told])


def test_it_is_off_until_somebody_switches_it_on(create: Any) -> None:
    assert create()["is_enabled"] is False


def test_what_is_not_named_stays(acme: Tenant, idp: Hostile, create: Any, tmp_path: Path) -> None:
    verify_domain(acme)
    idp.claims |= {"sub": "u-1", "email": "member@acme.example"}
    made = create("--provider", "okta", "--enable")
    changed = verb("update", "--joining", "anybody", "--email-claim", "email")
    assert changed == made | {"joining": "anybody"}
    assert arrives(acme, idp), "the secret is kept"
    idp.client_secret = "the next one"
    assert not arrives(acme, idp)
    following = tmp_path / "next"
    following.write_text("the next one")
    verb("update", "--client-secret-file", str(following))
    assert arrives(acme, idp)
    following.write_text("")
    assert verb("update", "--client-secret-file", str(following))["has_secret"] is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--organization", "nowhere"], "There is no organization nowhere."),
        (["enable", "--organization", "nowhere", "--name", "Okta"], "There is no organization nowhere."),
        (["enable", "--organization", "globex", "--name", "Okta"], "There is no connection Okta."),
        (["delete", "--organization", "acme", "--name", "Entra"], "There is no connection Entra."),
        (["update", "--organization", "acme", "--name", "Okta", "--role", "none-such"], "There is no role none-such."),
        (["update", "--organization", "acme", "--name", "Okta", "--role", "owner"], "New people cannot become owners"),
        (["update", "--organization", "acme", "--name", "Okta", "--joining", "all"], "Error: argument --joining"),
        (["update", "--organization", "acme", "--name", "Okta", "--provider", "x"], "Error: argument --provider"),
        (
            ["update", "--organization", "acme", "--name", "Okta", "--email-claim", ""],
            "Enter the claim with the e-mail",
        ),
        (["update", "--organization", "acme", "--name", "Okta", "--issuer", "ftp://x"], ""),
        (
            ["update", "--organization", "acme", "--name", "Okta", "--client-secret-file", "/nowhere/secret"],
            "The file /nowhere/secret cannot be read",
        ),
        (["create", "--organization", "acme", "--name", "Entra"], "OpenID Connect needs --issuer."),
        (["enable", "--organization", "acme"], "Error: the following arguments are required"),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(
    arguments: list[str], said: str, acme: Tenant, globex: Tenant, create: Any
) -> None:
    create()
    before = stored(acme)
    with pytest.raises(CommandError) as refusal:
        run(*arguments)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith(said)
    assert stored(acme) == before


def test_an_unusable_provider_is_refused(acme: Tenant, idp: Hostile, create: Any) -> None:
    idp.behaviour = Behaviour(discovery_answer=Answer.HTML)
    with pytest.raises(CommandError, match="JSON") as refusal:
        create("--enable")
    assert "\n" not in str(refusal.value)
    assert stored(acme) == []


def test_a_name_is_taken_once(acme: Tenant, create: Any) -> None:
    create()
    with pytest.raises(CommandError, match="already a connection with this name") as refusal:
        create("--name", "OKTA")
    assert "\n" not in str(refusal.value)
    assert len(stored(acme)) == 1


def test_a_file_that_is_no_text(acme: Tenant, create: Any, tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandError, match="cannot be read"):
        create("--client-secret-file", str(binary))
    assert stored(acme) == []


def test_the_directory_and_where_a_session_ends(acme: Tenant, create: Any) -> None:
    connection_of(acme, "Staff directory")
    made = create("--scim-connection", "staff DIRECTORY", "--no-ends-at-provider")
    assert (made["scim_connection"], made["ends_at_provider"]) == ("Staff directory", False)
    changed = verb("update", "--scim-connection", "", "--ends-at-provider")
    assert (changed["scim_connection"], changed["ends_at_provider"]) == (None, True)
    with pytest.raises(CommandError, match="no SCIM connection Elsewhere"):
        verb("update", "--scim-connection", "Elsewhere")


def test_what_the_console_does_besides(acme: Tenant, globex: Tenant, idp: Hostile, create: Any) -> None:
    verify_domain(acme)
    made = create("--groups-claim", "groups", "--enable")
    assert made["test_url"] == f"{settings.PUBLIC_URL}/o/acme/sso/{made['id']}/test/"
    with acme.acting("owner") as actor:
        create_group(organization=acme.organization, name="Engineers", actor=actor)
    follows = [{"value": "eng", "group": "Engineers"}]
    assert verb("follow", "--value", "eng", "--group", "ENGINEERS")["groups"] == follows
    with pytest.raises(CommandError, match="There is no group Poets"):
        verb("follow", "--value", "eng", "--group", "Poets")
    with pytest.raises(CommandError, match="does not follow Eng"):
        verb("unfollow", "--value", "Eng", "--group", "Engineers")
    assert verb("unfollow", "--value", "eng", "--group", "Engineers")["groups"] == []
    before = len(idp.requested("/.well-known/openid-configuration"))
    assert verb("refresh")["id"] == made["id"]
    assert len(idp.requested("/.well-known/openid-configuration")) == before + 1
    idp.claims |= {"sub": "u-1", "email": "member@acme.example"}
    assert arrives(acme, idp)
    idp.claims |= {"sub": "u-2", "email": "nobody@acme.example"}
    assert not arrives(acme, idp)
    refused, came = verb("logins")
    assert (refused["succeeded"], came["succeeded"]) == (False, True)
    assert "no member" in refused["reason"]
    assert verb("logins", "--refused") == [refused]


def test_somebody_else_is_invited_to_set_it_up(acme: Tenant) -> None:
    made = run("invite", "--organization", "acme", "--recipient", "it@partner.example", "--days", "2")
    page = Client().get(made["url"].removeprefix(settings.PUBLIC_URL), follow=True)
    assert page.status_code == 200
    assert "Acme" in page.text
    with pytest.raises(CommandError, match="1 to 7 days"):
        run("invite", "--organization", "acme", "--recipient", "it@partner.example", "--days", "8")


def test_our_keys_of_saml_change_in_three_steps(acme: Tenant, tmp_path: Path, create: Any) -> None:
    metadata = tmp_path / "metadata.xml"
    metadata.write_text(SamlIdp("https://idp.example").metadata())
    named = ("--organization", "acme", "--name", "Corporate")
    run("create", *named, "--protocol", "saml", "--metadata-file", str(metadata))
    (first,) = run("keys", *named)
    assert first["is_signing"] is True
    assert first["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    with pytest.raises(CommandError, match="no second key"):
        run("use-key", *named)
    second = next(key for key in run("add-key", *named) if key["id"] != first["id"])
    with pytest.raises(CommandError, match="a second key already"):
        run("add-key", *named)
    assert [key["id"] for key in run("use-key", *named) if key["is_signing"]] == [second["id"]]
    assert [key["id"] for key in run("remove-key", *named)] == [second["id"]]
    create()
    with pytest.raises(CommandError, match="Only SAML connections have keys"):
        verb("add-key")
