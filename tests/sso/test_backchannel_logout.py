"""A provider tells that somebody signed out there; nobody else can."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.utils import timezone

from accounts.models import SsoLogout
from accounts.services.sso_connections import set_sso_enabled, update_sso_connection
from accounts.sso import confinement
from accounts.tasks import forget_requests
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tests.people import PASSWORD, Tenant, signed_in
from tests.sso.forgery import IdToken
from tests.sso.hostile import REMOVED, Hostile, public
from tests.sso.logout_tokens import EVENT, logout_token, tell
from tests.sso.stage import Sso, connect, verify_domain
from tests.sso.test_strangers import join
from tests.tenants.stage import events


def is_inside(browser: Client) -> bool:
    """Return whether the browser's session reaches acme, in the console and by the API."""
    pages = browser.get("/o/acme/").status_code, browser.get("/api/v1/organizations/acme").status_code
    assert pages in {(200, 200), (302, 401)}, pages
    return pages[0] == 200


@pytest.fixture
def browser(sso: Sso) -> Client:
    """Return the member in a browser that the provider opened."""
    came: Client = sso.sign_in().browser
    assert is_inside(came)
    return came


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": REMOVED},
        {"aud": "another client"},
        {"aud": ["another client"]},
        {"aud": REMOVED},
        {"iat": REMOVED},
        {"iat": "now"},
        {"iat": 1},
        {"iat": 9_999_999_999},
        {"exp": 1},
        {"exp": "later"},
        {"jti": REMOVED},
        {"jti": " "},
        {"jti": 7},
        {"jti": "x" * 256},
        {"nonce": "n"},
        {"nonce": None},
        {"events": REMOVED},
        {"events": [EVENT]},
        {"events": {EVENT: True}},
        {"events": {"http://schemas.openid.net/event/other": {}}},
        {"sub": REMOVED},
        {"sub": ""},
        {"sub": ["u-1"]},
        {"sub": "u-1\x00"},
        {"sid": ""},
        {"sid": {}},
        {"typ": "at+jwt"},
        {"typ": "id_token"},
        {"kind": IdToken.ALG_NONE},
        {"kind": IdToken.HS256_CLIENT_SECRET},
        {"kind": IdToken.HS256_PUBLIC_KEY},
        {"kind": IdToken.OTHER_KEY},
        {"kind": IdToken.UNKNOWN_KID},
        {"kind": IdToken.EMBEDDED_JWK},
        {"kind": IdToken.JKU},
        {"kind": IdToken.NOT_A_JWT},
    ],
)
def test_a_token_that_does_not_hold(sso: Sso, browser: Client, changes: dict[str, Any]) -> None:
    response = tell(sso, **changes)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert response["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    assert is_inside(browser)
    (refused,) = events(sso.tenant, "sso.logout_refused")
    assert (refused.outcome, refused.target_label) == ("failed", "Corporate")
    assert refused.reason


def test_an_id_token_is_none(sso: Sso, browser: Client, idp: Hostile) -> None:
    """Whoever sees somebody's ID token would sign them out with it."""
    assert tell(sso, logout_token(idp, events=REMOVED, typ="JWT")).status_code == 400
    assert is_inside(browser)


@pytest.mark.parametrize("sent", [{}, {"logout_token": ""}, {"logout_token": ["a", "b"]}, {"id_token": "x"}])
def test_a_request_without_a_token(sso: Sso, browser: Client, sent: dict[str, Any]) -> None:
    assert Client().post(f"/sso/{sso.connection.pk}/backchannel-logout/", sent).status_code == 400
    assert is_inside(browser)


def test_a_token_serves_once(sso: Sso, browser: Client, idp: Hostile) -> None:
    """Whoever kept one would sign the person out again and again."""
    token = logout_token(idp)
    assert tell(sso, token).status_code == 200
    assert not is_inside(browser)
    back: Client = sso.sign_in().browser
    assert tell(sso, token).status_code == 400
    assert is_inside(back)


def test_another_connections_token(sso: Sso, browser: Client, globex: Tenant, other_idp: Hostile) -> None:
    verify_domain(globex)
    foreign = connect(globex, other_idp)
    other_idp.claims |= {"sub": "u-1"}
    assert tell(sso, logout_token(other_idp)).status_code == 400
    assert tell(sso, logout_token(other_idp, iss=sso.idp.issuer)).status_code == 400
    assert tell(foreign, logout_token(other_idp)).status_code == 200
    assert is_inside(browser)


def test_the_same_provider_through_another_connection(sso: Sso, browser: Client, globex: Tenant, idp: Hostile) -> None:
    """What the one is told ends no session of the other: they have other addresses, and the same client here."""
    verify_domain(globex)
    assert tell(connect(globex, idp)).status_code == 200
    assert is_inside(browser)


def test_no_connection_no_address(sso: Sso) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    assert Client().post(f"/sso/{unknown}/backchannel-logout/", {"logout_token": "x"}).status_code == 404
    assert Client().get(f"/sso/{sso.connection.pk}/backchannel-logout/").status_code == 405


@pytest.mark.parametrize("typ", ["logout+jwt", "LOGOUT+JWT", "application/logout+jwt", "JWT", REMOVED])
def test_a_subjects_sessions_end(sso: Sso, browser: Client, typ: Any) -> None:
    second: Client = sso.sign_in().browser
    response = tell(sso, typ=typ)
    assert (response.status_code, response.content) == (200, b"")
    assert not is_inside(browser)
    assert not is_inside(second)
    (ended,) = events(sso.tenant, "sso.sessions_ended")
    assert (ended.actor_label, ended.target_label) == ("Corporate (single sign-on)", "member@acme.example")
    assert ended.after == {"subject": "u-1"}
    assert is_inside(sso.sign_in().browser), "they may come again"


def test_somebody_else_stays(sso: Sso, browser: Client) -> None:
    assert tell(sso, sub="u-2").status_code == 200
    assert is_inside(browser)


def test_a_named_session_ends_alone(sso: Sso, idp: Hostile) -> None:
    idp.claims |= {"sid": "s-1"}
    one: Client = sso.sign_in().browser
    idp.claims |= {"sid": "s-2"}
    other: Client = sso.sign_in().browser
    assert tell(sso, sid="s-1").status_code == 200
    assert (is_inside(one), is_inside(other)) == (False, True)
    assert tell(sso, sub=REMOVED, sid="s-2").status_code == 200
    assert not is_inside(other)


def test_a_name_with_another_subject_is_no_session_of_ours(sso: Sso, idp: Hostile) -> None:
    idp.claims |= {"sid": "s-1"}
    browser: Client = sso.sign_in().browser
    assert tell(sso, sub="u-2", sid="s-1").status_code == 200
    assert is_inside(browser)


@pytest.mark.parametrize("sid", [REMOVED, "x" * 256, 7])
def test_a_session_without_a_name_ends_with_any_of_its_person(sso: Sso, idp: Hostile, sid: Any) -> None:
    if sid is not REMOVED:
        idp.claims |= {"sid": sid}
    browser: Client = sso.sign_in().browser
    assert tell(sso, sub=REMOVED, sid="s-1").status_code == 200
    assert is_inside(browser), "whose it is was not said"
    assert tell(sso, sid="s-1").status_code == 200
    assert not is_inside(browser)


def test_what_the_password_opened_is_the_persons_own(sso: Sso, globex: Tenant) -> None:
    """The provider speaks for one organization: it ends no session that reaches others."""
    join(globex, sso.tenant.member)
    whole = signed_in(sso.tenant.member)
    proved: Client = sso.sign_in().browser
    proved.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert tell(sso).status_code == 200
    for browser in (whole, proved):
        assert browser.get("/o/globex/").status_code == 200


def test_it_counts_while_the_connection_is_off(sso: Sso, browser: Client) -> None:
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        set_sso_enabled(connection=sso.connection, enabled=False, actor=SYSTEM)
    assert tell(sso).status_code == 200
    assert len(events(sso.tenant, "sso.sessions_ended")) == 1


def test_another_issuer_is_another_name_space(sso: Sso, browser: Client, other_idp: Hostile) -> None:
    other_idp.claims |= {"sub": "u-1"}
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        connection = update_sso_connection(
            connection=sso.connection, issuer=other_idp.issuer, client_secret=other_idp.client_secret, actor=SYSTEM
        )
    moved = replace(sso, idp=other_idp, connection=connection)
    assert tell(moved).status_code == 200
    with tenant_scope(sso.tenant.organization):
        assert [row.issuer for row in SsoLogout.objects.all()] == [other_idp.issuer]


def test_keys_that_are_new_are_fetched(sso: Sso, browser: Client, idp: Hostile) -> None:
    idp.rotate_keys()
    with tenant_scope(sso.tenant.organization):
        long_ago = timezone.now() - timedelta(minutes=5)
        type(sso.connection).objects.filter(pk=sso.connection.pk).update(keys_at=long_ago)
    before = len(idp.requested("/jwks"))
    assert tell(sso, logout_token(idp, kind=IdToken.UNKNOWN_KID)).status_code == 400
    assert tell(sso, logout_token(idp, kind=IdToken.UNKNOWN_KID)).status_code == 400
    assert tell(sso).status_code == 200
    assert len(idp.requested("/jwks")) == before + 1, "made-up keys have nobody asked again and again"
    assert not is_inside(browser)
    with tenant_scope(sso.tenant.organization):
        stored = type(sso.connection).objects.get(pk=sso.connection.pk).keys
    assert public(idp.keys.rsa)["kid"] in {key["kid"] for key in stored["keys"]}


def test_requests_are_limited_by_address(sso: Sso, settings: Any) -> None:
    settings.API_RATE_PER_ADDRESS = 2
    assert [tell(sso, "x").status_code for _ in range(4)] == [400, 400, 429, 429]


def test_it_is_remembered_for_longer_than_any_session_holds(
    sso: Sso, browser: Client, monkeypatch: pytest.MonkeyPatch, superuser: Any
) -> None:
    tell(sso)
    superuser.execute("UPDATE accounts_ssologout SET time = time - interval '59 days'")
    forget_requests()
    assert superuser.execute("SELECT count(*) FROM accounts_ssologout").fetchone() == (1,)
    superuser.execute("UPDATE accounts_ssologout SET time = time - interval '2 days'")
    forget_requests()
    assert superuser.execute("SELECT count(*) FROM accounts_ssologout").fetchone() == (0,)
    fresh: Client = sso.sign_in().browser
    monkeypatch.setattr(confinement, "LONGEST", timedelta(0))
    assert not is_inside(fresh)


def test_another_organization_sees_no_sign_outs(sso: Sso, globex: Tenant) -> None:
    tell(sso)
    with tenant_scope(globex.organization):
        assert not SsoLogout.objects.exists()
    with tenant_scope(sso.tenant.organization), database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM accounts_ssologout")
        assert cursor.fetchone() == (1,)
