"""`manage.py sso_connection` beyond the connection: domains, links, people, and who has to come by single sign-on."""

from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError
from django.test import Client

from accounts.models import SsoConnection
from isolation.scope import tenant_scope
from tests.accounts.factors import give_totp
from tests.people import Tenant, signed_in
from tests.sso.stage import Sso
from tests.sso.test_command import run
from tests.sso.test_required import by_password
from tests.tenants.domains.conftest import zone
from tests.tenants.domains.nameserver import NameServer
from tests.tenants.stage import events

__all__ = ["zone"]


def at(slug: str, verb: str, *arguments: str) -> Any:
    return run(verb, "--organization", slug, *arguments)


def test_a_domain_is_claimed_verified_and_removed(acme: Tenant, globex: Tenant, zone: NameServer) -> None:
    claimed = at("acme", "claim-domain", "--domain", "Acme.example")
    record = claimed["record"]
    assert (claimed["name"], claimed["state"]) == ("acme.example", "pending")
    assert (record["type"], record["name"]) == ("TXT", "_gatehouse.acme.example")
    with pytest.raises(CommandError, match="gatehouse-domain") as refusal:
        at("acme", "verify-domain", "--domain", "acme.example")
    assert "\n" not in str(refusal.value)
    zone.records[record["name"]] = [record["value"]]
    with pytest.raises(CommandError, match=r"There is no domain acme\.example"):
        at("globex", "verify-domain", "--domain", "acme.example")
    assert at("acme", "verify-domain", "--domain", "ACME.example")["state"] == "verified"
    at("acme", "claim-domain", "--domain", "bücher.example")
    assert [found["name"] for found in at("acme", "domains")] == ["acme.example", "xn--bcher-kva.example"]
    assert at("globex", "domains") == []
    at("acme", "remove-domain", "--domain", "bücher.example")
    assert [found["state"] for found in at("acme", "domains")] == ["verified"]
    told = [event for event in events(acme) if event.action.startswith("domain.")]
    assert [event.action for event in told] == ["domain.claimed", "domain.verified", "domain.claimed", "domain.removed"]
    assert {event.via for event in told} == {"cli"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["claim-domain", "--domain", "gmail.com"], "gmail.com is a public mail service"),
        (["claim-domain", "--domain", "a@b.example"], "Give the domain alone"),
        (["verify-domain", "--domain", "not a domain"], "There is no domain not a domain."),
        (["remove-domain", "--domain", "globex.example"], "There is no domain globex.example."),
        (["require", "--of", "everybody", "--break-glass", "nobody@acme.example"], "There is no member"),
        (["require", "--of", "everybody", "--break-glass", "owner@globex.example"], "There is no member"),
        (["require", "--of", "everybody"], "Choose the break-glass owner"),
        (["require", "--of", "all"], "Error: argument --of"),
        (["except", "--member", "member@acme.example", "--reason", " "], "Say why"),
        (["hold", "--member", "member@acme.example"], "member@acme.example is no exception."),
        (["revoke-link", "--link", "f4859607-18a2-43b4-a526-071829304152"], "There is no link"),
        (["revoke-link", "--link", "x"], "Error: argument --link"),
        (["forget", "--name", "Corporate", "--member", "viewer@acme.example"], "viewer@acme.example has not signed in"),
        (["identities", "--name", "Nowhere"], "There is no connection Nowhere."),
    ],
)
def test_a_refusal_is_one_line(arguments: list[str], said: str, sso: Sso, globex: Tenant) -> None:
    with pytest.raises(CommandError) as refusal:
        at("acme", *arguments)
    assert str(refusal.value).startswith(said)
    assert "\n" not in str(refusal.value)


def test_who_has_signed_in_is_listed_and_forgotten(sso: Sso, globex: Tenant) -> None:
    sso.sign_in()
    (known,) = at("acme", "identities", "--name", "corporate")
    assert (known["subject"], known["member"], known["issuer"]) == ("u-1", "member@acme.example", sso.idp.issuer)
    with pytest.raises(CommandError, match="There is no connection Corporate"):
        at("globex", "identities", "--name", "Corporate")
    sso.idp.claims |= {"sub": "u-9"}
    assert sso.sign_in().user_id is None, "another account of the same person"
    assert at("acme", "forget", "--name", "Corporate", "--member", "Member@acme.example") == []
    assert sso.sign_in().user_id == str(sso.tenant.member.pk)
    assert sso.identities() == ["u-9"]


def test_single_sign_on_is_required_excepted_and_given_up(sso: Sso) -> None:
    acme = sso.tenant
    nobody: dict[str, Any] = {"required_of": "nobody", "break_glass": None, "exceptions": []}
    assert at("acme", "policy") == nobody
    sso.sign_in()
    with pytest.raises(CommandError, match="has no second step yet"):
        at("acme", "require", "--of", "domains", "--break-glass", "owner@acme.example")
    give_totp(acme.owner)
    browser = signed_in(acme.viewer)
    required = at("acme", "require", "--of", "domains", "--break-glass", "owner@acme.example")
    assert required == nobody | {"required_of": "domains", "break_glass": "owner@acme.example"}
    assert browser.get("/o/acme/").status_code == 302, "sessions by password have ended"
    assert by_password(acme.viewer)[1].status_code == 403
    told = at("acme", "except", "--member", "viewer@acme.example", "--reason", "The wallboard")
    assert told["exceptions"] == [{"member": "viewer@acme.example", "reason": "The wallboard"}]
    assert by_password(acme.viewer)[1].status_code == 302
    with pytest.raises(CommandError, match="cannot be switched off"):
        at("acme", "disable", "--name", "Corporate")
    assert at("acme", "hold", "--member", "viewer@acme.example")["exceptions"] == []
    assert by_password(acme.viewer)[1].status_code == 403
    assert at("acme", "require", "--of", "nobody") == nobody | {"break_glass": "owner@acme.example"}
    assert by_password(acme.viewer)[1].status_code == 302
    assert {event.via for event in events(acme, "sign_in_policy.updated")} == {"cli"}


def test_a_link_is_listed_and_revoked(acme: Tenant, globex: Tenant) -> None:
    made = at("acme", "invite", "--recipient", "it@partner.example")
    (listed,) = at("acme", "links")
    assert listed == {name: value for name, value in made.items() if name != "url"}
    assert at("globex", "links") == []
    path = made["url"].removeprefix(settings.PUBLIC_URL)
    with pytest.raises(CommandError, match="There is no link"):
        at("globex", "revoke-link", "--link", made["id"])
    assert Client().get(path, follow=True).status_code == 200
    assert at("acme", "revoke-link", "--link", made["id"])["state"] == "revoked"
    assert Client().get(path, follow=True).status_code == 410
    with pytest.raises(CommandError, match="revoked already"):
        at("acme", "revoke-link", "--link", made["id"])


def test_a_connection_is_set_up_from_nothing_to_its_enforcement(
    acme: Tenant, idp: Any, zone: NameServer, tmp_path: Any
) -> None:
    """What the wizard does, in its order, without a page; the test is a sign-in, which takes a browser."""
    secret = tmp_path / "secret"
    secret.write_text(idp.client_secret)
    at("acme", "create", "--name", "Okta", "--provider", "okta", "--issuer", idp.issuer, "--client-id", idp.client_id)
    at("acme", "update", "--name", "Okta", "--client-secret-file", str(secret), "--email-claim", "mail")
    record = at("acme", "claim-domain", "--domain", "acme.example")["record"]
    zone.records[record["name"]] = [record["value"]]
    at("acme", "verify-domain", "--domain", "acme.example")
    idp.claims |= {"sub": "u-1", "mail": "member@acme.example"}
    with tenant_scope(acme.organization):
        sso = Sso(acme, idp, SsoConnection.objects.get())
    (shown,) = at("acme", "list")
    owner = signed_in(acme.owner)
    answer = owner.get(sso.leave(owner, shown["test_url"].removeprefix(settings.PUBLIC_URL)))
    assert "ssologin" in answer.headers["Location"]
    (tested,) = at("acme", "logins", "--name", "Okta")
    assert (tested["is_test"], tested["succeeded"], tested["email"]) == (True, True, "member@acme.example")
    assert at("acme", "enable", "--name", "Okta")["is_enabled"] is True
    assert sso.sign_in().user_id == str(acme.member.pk)
    give_totp(acme.owner)
    at("acme", "require", "--of", "everybody", "--break-glass", "owner@acme.example")
    assert by_password(acme.viewer)[1].status_code == 403
