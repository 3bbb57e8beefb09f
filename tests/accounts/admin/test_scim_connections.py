"""The page Provisioning: connections, their tokens and what the identity provider asked."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import ScimConnection, ScimToken
from tests.people import Tenant, signed_in
from tests.scim.stage import Scim, connection_of, token_of, user_body
from tests.tenants.stage import events

LIST = "/o/acme/accounts/scimconnection/"
SECRET = re.compile(r"gatesk_scm_prod_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}")


@pytest.fixture
def connection(acme: Tenant) -> ScimConnection:
    return connection_of(acme, "Okta")


def page_of(connection: ScimConnection) -> str:
    return f"{LIST}{connection.pk}/change/"


def once_of(client: Client, url: str) -> str:
    found = re.search(r'name="once" value="([^"]+)"', client.get(url).content.decode())
    assert found
    return found[1]


def asked(client: Client, url: str, **values: str) -> dict[str, str]:
    usual = {"name": "Okta production", "expires_at_0": "90", "expires_at_1": "", "allowed_networks": ""}
    return usual | {"once": once_of(client, url)} | values


def test_a_stranger_finds_nothing(acme: Tenant, stranger: Any, connection: ScimConnection) -> None:
    client = signed_in(stranger)
    for url in (LIST, page_of(connection), f"{LIST}{connection.pk}/new-token/", f"{LIST}add/"):
        assert client.get(url).status_code == 404
        assert client.get(url.replace("/o/acme/", "/o/globex/")).status_code in {200, 404}
    foreign = client.get(page_of(connection).replace("/o/acme/", "/o/globex/"))
    assert foreign.status_code == 404
    assert client.post(f"{LIST}{connection.pk}/new-token/".replace("acme", "globex"), {}).status_code == 404


@pytest.mark.parametrize("role", ["member", "viewer", "auditor"])
def test_who_may_not_manage_is_refused(acme: Tenant, connection: ScimConnection, role: str) -> None:
    client = signed_in(acme.people[role])
    assert client.get(LIST).status_code == 403
    assert client.post(f"{LIST}{connection.pk}/new-token/", {"name": "x"}).status_code in {403, 404}
    with acme.acting("owner"):
        assert not ScimToken.objects.exists()


def test_a_connection_is_made_and_its_page_says_what_goes_where(acme: Tenant) -> None:
    client = signed_in(acme.owner)
    assert "No identity provider provisions people yet" in client.get(LIST).content.decode()
    made = client.post(f"{LIST}add/", {"name": "Entra", "provider": "entra", "role": ""}, follow=True)
    page = made.content.decode()
    assert "http://testserver/scim/v2" in page
    assert "http://testserver/scim/v2/oauth2/token" in page
    assert "No tokens" in page
    assert [event.action for event in events(acme, "scim_connection.created")] == ["scim_connection.created"]


def test_a_token_is_shown_once_and_lets_the_provider_in(acme: Tenant, connection: ScimConnection) -> None:
    client = signed_in(acme.owner)
    url = f"{LIST}{connection.pk}/new-token/"
    answers = asked(client, url)
    shown = client.post(url, answers)
    secret = SECRET.findall(shown.content.decode())[0]
    assert "no-store" in shown["Cache-Control"]
    assert Scim(secret).post("/Users", user_body("grace")).status == 201
    assert Scim(secret).get("/Users", filter='noSuch eq "x"').status == 400
    page = client.get(page_of(connection)).content.decode()
    assert not SECRET.search(page)
    assert "invalidFilter" in page
    assert "grace@acme.example" in page  # their domain is not verified: they wait
    again = client.post(url, answers)
    assert not SECRET.search(again.content.decode())
    with acme.acting("owner"):
        assert ScimToken.objects.count() == 1


def test_a_revoked_token_lets_nobody_in(acme: Tenant, connection: ScimConnection) -> None:
    issued = token_of(acme, connection)
    client = signed_in(acme.owner)
    answers = {"token": str(issued.key.pk), "reason": "Moved to another vault"}
    assert client.post(f"{LIST}{connection.pk}/revoke-token/", answers).status_code == 302
    assert Scim(issued.secret).get("/Users").status == 401
    assert events(acme, "scim_token.revoked")[0].reason == "Moved to another vault"


def test_a_deleted_connection_leaves_its_people_by_hand(acme: Tenant, connection: ScimConnection) -> None:
    issued = token_of(acme, connection)
    Scim(issued.secret).user("viewer")
    client = signed_in(acme.owner)
    with acme.acting("owner"):
        assert acme.membership("viewer").source == "scim"
    assert client.post(f"{LIST}{connection.pk}/delete/", {"typed_confirmation": "Okta"}).status_code == 302
    with acme.acting("owner"):
        assert not ScimConnection.objects.exists()
        membership = acme.membership("viewer")
        assert (membership.is_active, membership.source) == (True, "manual")
    assert Scim(issued.secret).get("/Users").status == 401
