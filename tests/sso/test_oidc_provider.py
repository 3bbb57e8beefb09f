"""The portal and oidc-provider: code with PKCE, refresh tokens, wrong nonces, keys that rotate, astray codes."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import psycopg
import pytest
from django.test import Client
from django.utils import timezone
from psycopg import sql

from accounts.models import SsoConnection, SsoLogin
from accounts.services.sso_connections import create_sso_connection, set_sso_enabled
from accounts.sso.oidc.registration import redirect_uri
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tests.people import Tenant
from tests.sso.provider import Account, Provider, npm_provider
from tests.sso.stage import CLIENT_ID, verify_domain
from tests.sso.test_sign_out import path_of
from tests.tenants.stage import events

SECRET = "a secret of thirty-two characters"
MEMBER = Account("u-1", {"email": "member@acme.example", "email_verified": True, "name": "Mem Ber"})


class Connected:
    """Acme's connection to oidc-provider."""

    def __init__(self, tenant: Tenant, provider: Provider) -> None:
        self.tenant, self.provider, self.id = tenant, provider, uuid4()

    @property
    def client(self) -> dict[str, Any]:
        """Return what the provider knows of the portal; it may use refresh tokens."""
        return {
            "client_id": CLIENT_ID,
            "client_secret": SECRET,
            "redirect_uris": [redirect_uri(self.id)],
            "grant_types": ["authorization_code", "refresh_token"],
        }

    def leave(self, browser: Client) -> str:
        """Begin a sign-in; return where the browser is sent."""
        return str(browser.get(f"/sso/{self.id}/start/")["Location"])

    def sign_in(self, browser: Client) -> Any:
        """Sign in as the member; return the portal's answer."""
        return browser.get(path_of(self.provider.sign_in(self.leave(browser), "mem")))

    def reason(self) -> str:
        """Return why the last sign-in was refused."""
        with tenant_scope(self.tenant.organization):
            found: str = SsoLogin.objects.order_by("-time").values_list("reason", flat=True)[0]
            return found


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with npm_provider(clients=[], accounts={"mem": MEMBER}) as provider:
        yield provider


@pytest.fixture
def connected(acme: Tenant, running: Provider) -> Connected:
    verify_domain(acme)
    made = Connected(acme, running)
    running.configure(clients=[made.client])
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        connection = create_sso_connection(
            organization=acme.organization,
            name="Real",
            issuer=running.issuer,
            client_id=CLIENT_ID,
            client_secret=SECRET,
            connection_id=made.id,
            scopes="openid email profile offline_access",
            actor=SYSTEM,
        )
        set_sso_enabled(connection=connection, enabled=True, actor=SYSTEM)
    return made


def changed(url: str, **values: str) -> str:
    """Return an address with other parameters."""
    parts = urlsplit(url)
    query = {name: found[0] for name, found in parse_qs(parts.query).items()} | values
    return parts._replace(query=urlencode(query)).geturl()


def test_a_code_with_its_verifier_signs_in(connected: Connected) -> None:
    browser = Client()
    left = parse_qs(urlsplit(connected.leave(browser)).query)
    assert (left["response_type"], left["code_challenge_method"]) == (["code"], ["S256"])
    assert connected.sign_in(browser)["Location"] == "/o/acme/"
    assert browser.session["_auth_user_id"] == str(connected.tenant.member.pk)


def test_a_refresh_token_is_kept_nowhere(connected: Connected, superuser: psycopg.Connection) -> None:
    """Whoever reads the database finds nothing by which the provider could be asked anything."""
    before = len(connected.provider.refresh_tokens())
    browser = Client()
    assert connected.sign_in(browser)["Location"] == "/o/acme/"
    (token,) = connected.provider.refresh_tokens()[before:]
    assert token not in str(dict(browser.session))
    tables = superuser.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    holding = [name for (name,) in tables if _holds(superuser, name, token)]
    assert holding == []
    assert _holds(superuser, "accounts_ssoidentity", "u-1"), "what is stored would have been found"


def _holds(superuser: psycopg.Connection, table: str, text: str) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {name} found WHERE strpos(found::text, %s) > 0)")
    row = superuser.execute(query.format(name=sql.Identifier(table)), [text]).fetchone()
    return bool(row and row[0])


def test_a_session_outlives_the_tokens(connected: Connected) -> None:
    """Nothing of the session hangs on a token: its length, and sign-outs that the provider tells of, end it."""
    browser = Client()
    connected.sign_in(browser)
    connected.provider.configure(clients=[])
    assert browser.get("/o/acme/").status_code == 200


def test_another_nonce_is_refused(connected: Connected) -> None:
    browser = Client()
    left = changed(connected.leave(browser), nonce="somebody-elses")
    assert browser.get(path_of(connected.provider.sign_in(left, "mem"))).status_code == 403
    assert "nonce" in connected.reason()
    assert "_auth_user_id" not in browser.session
    assert len(events(connected.tenant, "sso.sign_in_refused")) == 1


def test_a_code_of_another_browser_is_refused(connected: Connected) -> None:
    """Its thief has neither the verifier (PKCE) nor the state."""
    theirs, ours = Client(), Client()
    back = connected.provider.sign_in(connected.leave(theirs), "mem")
    assert ours.get(path_of(back)).status_code == 403
    state = parse_qs(urlsplit(connected.leave(ours)).query)["state"][0]
    assert ours.get(path_of(changed(back, state=state))).status_code == 403
    assert "invalid_grant" in connected.reason()
    assert "_auth_user_id" not in ours.session


def test_a_code_counts_once(connected: Connected) -> None:
    browser = Client()
    back = path_of(connected.provider.sign_in(connected.leave(browser), "mem"))
    assert browser.get(back).status_code == 302
    assert browser.get(back).status_code == 403


def test_rotated_keys_are_fetched(connected: Connected) -> None:
    assert connected.sign_in(Client()).status_code == 302
    connected.provider.rotate_keys()
    connected.provider.configure(clients=[connected.client])
    with tenant_scope(connected.tenant.organization):
        SsoConnection.objects.update(keys_at=timezone.now() - timedelta(minutes=1))
    browser = Client()
    assert connected.sign_in(browser)["Location"] == "/o/acme/"
    assert browser.session["_auth_user_id"] == str(connected.tenant.member.pk)


def test_a_challenge_that_was_taken_out_is_refused_there(connected: Connected) -> None:
    browser = Client()
    left = connected.leave(browser).replace("code_challenge=", "unused=").replace("code_challenge_method=", "unused2=")
    assert browser.get(path_of(connected.provider.sign_in(left, "mem"))).status_code == 403
    assert "invalid_request" in connected.reason()
