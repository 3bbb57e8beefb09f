"""Who signs out here is led on to sign out at the provider, and comes back to the sign-in page."""

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from accounts.services.sso_connections import (
    create_sso_connection,
    refresh_sso_connection,
    set_sso_enabled,
    update_sso_connection,
)
from accounts.sso.oidc.registration import redirect_uri, signed_out_uri
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tests.people import PASSWORD, Tenant, signed_in
from tests.sso.hostile import Behaviour, Hostile
from tests.sso.provider import Account, npm_provider
from tests.sso.stage import CLIENT_ID, Sso, connect, verify_domain
from tests.sso.test_strangers import join
from tests.tenants.stage import events

SECRET = "a secret of thirty-two characters"


@pytest.fixture
def sso(acme: Tenant, idp: Hostile) -> Sso:
    """Return a connection to a provider at which one can sign out."""
    idp.behaviour = Behaviour(discovery={"end_session_endpoint": f"{idp.issuer}/end?tenant=1"})
    idp.claims |= {"sub": "u-1", "email": "member@acme.example", "name": "Mem Ber"}
    verify_domain(acme)
    return connect(acme, idp)


def sign_out(browser: Client) -> str:
    """Sign out here; return where that leads."""
    return str(browser.post("/accounts/logout/")["Location"])


def led_to(browser: Client, location: str) -> str:
    """Return the provider's address on the page that signing out led to."""
    page = browser.get(location)
    assert page.status_code == 200
    url: str = page.context["end_session_url"]
    assert f'content="0; url={url.replace("&", "&amp;")}"' in page.content.decode()
    return url


def test_whoever_came_through_the_provider_is_led_there(sso: Sso, idp: Hostile) -> None:
    browser = sso.sign_in().browser
    location = sign_out(browser)
    assert browser.session.get("_auth_user_id") is None, "the session here ends first"
    url = led_to(browser, location)
    assert url.startswith(f"{idp.issuer}/end?tenant=1&")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert asked.pop("state")
    back = asked.pop("post_logout_redirect_uri")
    assert asked == {"tenant": "1", "client_id": CLIENT_ID, "logout_hint": "member@acme.example"}
    assert urlsplit(back).path == f"/sso/{sso.connection.pk}/signed-out/"


def test_they_come_back_to_the_sign_in_page(sso: Sso) -> None:
    browser = sso.sign_in().browser
    state = parse_qs(urlsplit(led_to(browser, sign_out(browser))).query)["state"][0]
    address = f"/sso/{sso.connection.pk}/signed-out/"
    assert browser.get(address, {"state": state})["Location"] == "/accounts/login/"
    assert "You are signed out here and at your identity provider." in browser.get("/accounts/login/").text


@pytest.mark.parametrize("state", ["", "x", "é"])
def test_a_state_that_is_none_says_nothing(sso: Sso, state: str) -> None:
    browser = sso.sign_in().browser
    led_to(browser, sign_out(browser))
    address = f"/sso/{sso.connection.pk}/signed-out/"
    assert browser.get(address, {"state": state})["Location"] == "/accounts/login/"
    assert "identity provider" not in browser.get("/accounts/login/").text
    assert Client().get(address)["Location"] == "/accounts/login/"


def test_the_session_ends_whatever_the_provider_does(sso: Sso) -> None:
    browser = sso.sign_in().browser
    sign_out(browser)
    assert browser.get("/o/acme/")["Location"].startswith("/accounts/login/")


def test_somebody_with_a_password_is_led_nowhere(sso: Sso) -> None:
    assert sign_out(signed_in(sso.tenant.member)) == "/accounts/login/"


def test_a_session_by_password_that_came_through_the_provider_is_led_there_too(sso: Sso) -> None:
    browser = signed_in(sso.tenant.member)
    sso.sign_in(browser)
    assert sign_out(browser).startswith(f"/sso/{sso.connection.pk}/sign-out/")


def test_whoever_proved_their_password_still_came_through_the_provider(sso: Sso, globex: Tenant) -> None:
    join(globex, sso.tenant.member)
    browser = sso.sign_in().browser
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert browser.get("/o/globex/").status_code == 200
    assert sign_out(browser).startswith(f"/sso/{sso.connection.pk}/sign-out/")


def off(sso: Sso) -> None:
    set_sso_enabled(connection=sso.connection, enabled=False, actor=SYSTEM)


def stay(sso: Sso) -> None:
    update_sso_connection(connection=sso.connection, ends_at_provider=False, actor=SYSTEM)


def without_endpoint(sso: Sso) -> None:
    sso.idp.behaviour = Behaviour()
    refresh_sso_connection(connection=sso.connection)


@pytest.mark.parametrize("change", [off, stay, without_endpoint])
def test_where_nobody_is_led_on(sso: Sso, change: Any) -> None:
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        change(sso)
    response = Client().get(f"/sso/{sso.connection.pk}/sign-out/")
    assert response["Location"] == "/accounts/login/"


def test_another_site_ends_no_session_by_this_address(sso: Sso) -> None:
    browser = sso.sign_in().browser
    assert browser.get(f"/sso/{sso.connection.pk}/sign-out/")["Location"] == "/"
    assert browser.get("/o/acme/").status_code == 200


def test_no_connection_no_page(db: None) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    assert Client().get(f"/sso/{unknown}/sign-out/")["Location"] == "/accounts/login/"


def test_an_end_that_leads_inside_is_no_end(acme: Tenant, idp: Hostile) -> None:
    """What discovery names is checked as what somebody typed."""
    idp.behaviour = Behaviour(discovery={"end_session_endpoint": "http://169.254.169.254/"})
    with pytest.raises(DomainError):
        connect(acme, idp)


def test_a_provider_that_is_none_of_ours_leads_back_and_tells(acme: Tenant, live_server: LiveServer) -> None:
    """oidc-provider ends its session, sends the browser back, and tells of it, which ends the other browser's too."""
    connection_id = uuid4()
    client = {
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "redirect_uris": [redirect_uri(connection_id)],
        "post_logout_redirect_uris": [signed_out_uri(connection_id)],
        "backchannel_logout_uri": f"{live_server.url}/sso/{connection_id}/backchannel-logout/",
    }
    claims = {"email": "member@acme.example", "email_verified": True, "name": "Mem Ber"}
    verify_domain(acme)
    with npm_provider(clients=[client], accounts={"mem": Account("u-1", claims)}) as running:
        with tenant_scope(acme.organization), acting_as(SYSTEM):
            connection = create_sso_connection(
                organization=acme.organization,
                name="Real",
                issuer=running.issuer,
                client_id=CLIENT_ID,
                client_secret=SECRET,
                connection_id=connection_id,
                actor=SYSTEM,
            )
            set_sso_enabled(connection=connection, enabled=True, actor=SYSTEM)
        other, browser = Client(), Client()
        for each in (other, browser):
            left = each.get(f"/sso/{connection_id}/start/")["Location"]
            back = running.sign_in(left, "mem") if each is other else running.sign_in_again(left)
            assert each.get(path_of(back))["Location"] == "/o/acme/"
        ended = running.sign_out(led_to(browser, sign_out(browser)))
        assert browser.get(path_of(ended))["Location"] == "/accounts/login/"
        assert "You are signed out here and at your identity provider." in browser.get("/accounts/login/").text
    assert events(acme, "sso.logout_refused") == []
    (told,) = events(acme, "sso.sessions_ended")
    assert told.after["subject"] == "u-1"
    assert other.get("/o/acme/")["Location"].startswith("/accounts/login/")


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"
