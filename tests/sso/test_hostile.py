"""Answers that do not hold: nobody is signed in, the reason is written down and in the audit log, nothing is a 5xx."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client
from joserfc.jws import serialize_compact

from accounts.services.sso_connections import create_sso_connection
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tests.people import Tenant
from tests.sso.forgery import IdToken
from tests.sso.hostile import REMOVED, Answer, Behaviour, Hostile, Jwks
from tests.sso.stage import CLIENT_ID, CLIENT_SECRET, Sso, connect
from tests.tenants.stage import events


def refused(sso: Sso, response: Any, why: str = "") -> None:
    """Assert that nobody was signed in, and that it is known why."""
    assert response.status_code == 403, response.content.decode()
    login = sso.logins()[-1]
    assert not login.succeeded
    assert why.lower() in login.reason.lower(), login.reason
    (event, *_) = events(sso.tenant, "sso.sign_in_refused")
    assert (event.outcome, event.actor_kind) == ("failed", "anonymous")
    assert sso.identities() == []
    assert login.reason not in response.content.decode(), "the person learns no more than what to do"


def claims(**values: Any) -> Behaviour:
    return Behaviour(id_token_claims=values)


FUTURE, PAST = int(time.time()) + 3600, int(time.time()) - 3600
# Without a kid, each key of the right kind is tried.
RIGHT = [IdToken.ES256, IdToken.NO_KID, IdToken.RS256]
FORGERIES: dict[str, tuple[Behaviour, str]] = {
    kind.name: (Behaviour(id_token=kind), "") for kind in IdToken if kind not in RIGHT
}
TOKENS: dict[str, tuple[Behaviour, str]] = {
    **FORGERIES,
    "another issuer": (claims(iss="https://evil.example"), "another issuer"),
    "the issuer with a slash": (claims(iss="http://127.0.0.1:1/"), "another issuer"),
    "no issuer": (claims(iss=REMOVED), "another issuer"),
    "another audience": (claims(aud="somebody-else"), "another client"),
    "no audience": (claims(aud=REMOVED), "another client"),
    "an empty audience": (claims(aud=[]), "another client"),
    "several audiences without azp": (claims(aud=[CLIENT_ID, "other"]), "azp"),
    "another azp": (claims(aud=[CLIENT_ID, "other"], azp="other"), "another client"),
    "expired": (claims(exp=PAST), "expired"),
    "no exp": (claims(exp=REMOVED), "exp"),
    "exp as a text": (claims(exp="never"), "exp"),
    "exp as true": (claims(exp=True), "exp"),
    "no iat": (claims(iat=REMOVED), "iat"),
    "from the future": (claims(iat=FUTURE), "future"),
    "not yet": (claims(nbf=FUTURE), "future"),
    "another nonce": (claims(nonce="stale"), "nonce"),
    "no nonce": (claims(nonce=REMOVED), "nonce"),
    "no subject": (claims(sub=REMOVED), "sub"),
    "an empty subject": (claims(sub=" "), "sub"),
    "a number as subject": (claims(sub=7), "sub"),
    "a long subject": (claims(sub="x" * 300), "sub"),
    "an unverified address": (claims(email_verified=False), "not verified"),
    "an address that is a list": (claims(email=["member@acme.example"]), ""),
    "a subdomain": (claims(email="member@evil.acme.example"), "no domain"),
    "two at signs": (claims(email="x@evil.example@acme.example"), ""),
    "a NUL": (claims(email="member@acme.example\x00@evil.example"), "texts that are none"),
    "half a character as name": (claims(name="\ud800"), "texts that are none"),
    "half a character as issuer": (claims(iss="\ud800"), "texts that are none"),
    "half a character as the name of a claim": (claims(**{"\ud800": "x"}), "texts that are none"),
    "half a character as nonce": (claims(nonce="\ud800"), "texts that are none"),
    "half a character in userinfo": (Behaviour(userinfo={"name": "\ud800"}), "not JSON"),
    "NUL in userinfo": (Behaviour(userinfo={"name": "\x00"}), "not JSON"),
    "half a character from the token endpoint": (Behaviour(token={"token_type": "\udfff"}), "not JSON"),
    "NUL in an error": (Behaviour(authorization={"error": "a\x00b", "code": REMOVED}), "refused: ab"),
    "no ID token": (Behaviour(token={"id_token": REMOVED}), "no ID token"),
    "an ID token that is a number": (Behaviour(token={"id_token": 7}), "no ID token"),
    "invalid grant": (Behaviour(token_error="invalid_grant"), "invalid_grant"),
    "a page from the token endpoint": (Behaviour(token_answer=Answer.HTML), "json"),
    "a 500 from the token endpoint": (Behaviour(token_answer=Answer.HTML_500), "500"),
    "a redirect from the token endpoint": (Behaviour(token_answer=Answer.REDIRECT), "307"),
    "a huge token response": (Behaviour(token_answer=Answer.HUGE), ""),
    "a bomb from the token endpoint": (Behaviour(token_answer=Answer.COMPRESSED), ""),
    "userinfo of somebody else": (Behaviour(userinfo={"sub": "somebody-else"}), "somebody else"),
    "userinfo without a subject": (Behaviour(userinfo={"sub": REMOVED}), "somebody else"),
    "a page from userinfo": (Behaviour(userinfo_answer=Answer.HTML), "json"),
    "a redirect from userinfo": (Behaviour(userinfo_answer=Answer.REDIRECT), ""),
    "access denied": (Behaviour(authorization={"error": "access_denied", "code": REMOVED}), "access_denied"),
    "a NUL in an error": (Behaviour(authorization={"error": "a\x00b", "code": REMOVED}), "refused: ab"),
    "a NUL in an iss": (Behaviour(authorization={"iss": "a\x00b"}), "iss"),
    "no code": (Behaviour(authorization={"code": REMOVED}), "no code"),
    "two codes": (Behaviour(authorization={"code": ["one", "two"]}), "repeats code"),
    "a code of nobody": (Behaviour(authorization={"code": "guessed"}), "invalid_grant"),
    "another iss": (Behaviour(authorization={"iss": "https://evil.example"}), "iss"),
    "no iss though announced": (Behaviour(authorization={"iss": REMOVED}), "iss"),
    "another state": (Behaviour(authorization={"state": "forged"}), "state"),
    "no state": (Behaviour(authorization={"state": REMOVED}), "state"),
}


@pytest.mark.parametrize("what", TOKENS)
def test_an_answer_that_does_not_hold(sso: Sso, idp: Hostile, what: str) -> None:
    idp.behaviour, why = TOKENS[what]
    refused(sso, sso.sign_in().response, why)


@pytest.mark.parametrize("kind", RIGHT)
def test_an_answer_that_holds(sso: Sso, idp: Hostile, kind: IdToken) -> None:
    idp.behaviour = Behaviour(id_token=kind)
    assert sso.sign_in().user_id == str(sso.tenant.member.pk)


def test_an_id_token_that_is_nested_without_end(sso: Sso, idp: Hostile) -> None:
    deep = serialize_compact(
        {"alg": "RS256", "kid": idp.keys.rsa.kid}, b'{"a":' * 6_000 + b"1" + b"}" * 6_000, idp.keys.rsa
    )
    idp.behaviour = Behaviour(token={"id_token": deep})
    refused(sso, sso.sign_in().response, "nested too deeply")


def test_keys_that_are_none_hide_no_other(acme: Tenant, idp: Hostile) -> None:
    idp.behaviour = Behaviour(jwks=Jwks.STRANGE)
    sso = connect(acme, idp)
    nameless = serialize_compact({"alg": "ES256"}, b"{}", idp.keys.ec)
    idp.behaviour = Behaviour(token={"id_token": nameless})
    refused(sso, sso.sign_in().response, "another issuer")  # so its signature held


def test_a_slow_provider_is_given_up(sso: Sso, idp: Hostile, settings: Any) -> None:
    settings.OUTBOUND_TIMEOUT = 0.3
    for answer in (Answer.SILENT, Answer.DRIPPING):
        idp.behaviour = Behaviour(token_answer=answer)
        refused(sso, sso.sign_in().response)


def test_an_answer_serves_once(sso: Sso) -> None:
    browser = Client()
    back = sso.leave(browser)
    assert browser.get(back).status_code == 302
    again = browser.get(back)
    assert again.status_code == 403
    assert "state" in sso.logins()[-1].reason


def test_an_answer_in_another_browser(sso: Sso) -> None:
    back = sso.leave(Client())
    victim = Client()
    refused(sso, victim.get(back), "state")
    assert victim.session.get("_auth_user_id") is None


def test_an_answer_to_another_connection(sso: Sso, idp: Hostile) -> None:
    other = connect(sso.tenant, idp, name="Contractors")
    browser = Client()
    back = sso.leave(browser).replace(str(sso.connection.pk), str(other.connection.pk))
    assert browser.get(back).status_code == 403
    assert "state" in other.logins()[-1].reason


def test_an_old_answer(sso: Sso) -> None:
    browser = Client()
    back = sso.leave(browser)
    session = browser.session
    session["sso_attempts"] = [one | {"started": one["started"] - 3600} for one in session["sso_attempts"]]
    session.save()
    refused(sso, browser.get(back), "state")


def test_mix_up(sso: Sso, other_idp: Hostile) -> None:
    """RFC 9700 section 4.4: the code of one provider is brought to the client's door for another."""
    attacker = connect(sso.tenant, other_idp, name="Attacker")
    browser = Client()
    query = parse_qs(urlsplit(sso.leave(browser)).query)
    forged = {"code": query["code"][0], "state": query["state"][0], "iss": other_idp.issuer}
    callback = f"/sso/{attacker.connection.pk}/callback/?{urlencode(forged)}"
    assert browser.get(callback).status_code == 403
    assert other_idp.requested("/token") == []


def test_a_key_that_is_gone_signs_nothing(sso: Sso, idp: Hostile) -> None:
    old = idp.keys
    idp.rotate_keys()
    with tenant_scope(sso.tenant.organization):
        type(sso.connection).objects.update(keys_at=None)
    idp.behaviour = Behaviour()
    assert sso.sign_in().user_id
    idp.keys, current = old, idp.keys
    visit = sso.sign_in()
    idp.keys = current
    assert visit.user_id is None


@pytest.mark.parametrize(
    "query",
    [
        "",
        "code=x",
        "state=x&state=y&code=z",
        "state=%00&code=%00",
        "state=" + "x" * 5000 + "&code=y",
        "error=<script>alert(1)</script>&state=x",
    ],
)
def test_made_up_answers(sso: Sso, query: str) -> None:
    response = Client().get(f"/sso/{sso.connection.pk}/callback/?{query}")
    refused(sso, response)
    assert "<script>alert" not in response.content.decode()


def test_an_address_of_no_connection(sso: Sso) -> None:
    for path in ("start", "callback"):
        assert Client().get(f"/sso/00000000-0000-4000-8000-000000000000/{path}/").status_code == 404


DISCOVERY: dict[str, Callable[[Hostile], Behaviour]] = {
    "another issuer": lambda idp: Behaviour(discovery={"issuer": "https://evil.example"}),
    "the issuer with a slash": lambda idp: Behaviour(discovery={"issuer": f"{idp.issuer}/"}),
    "no issuer": lambda idp: Behaviour(discovery={"issuer": REMOVED}),
    "no token endpoint": lambda idp: Behaviour(discovery={"token_endpoint": REMOVED}),
    "no keys": lambda idp: Behaviour(discovery={"jwks_uri": REMOVED}),
    "an endpoint that is a list": lambda idp: Behaviour(discovery={"token_endpoint": ["a"]}),
    "a file": lambda idp: Behaviour(discovery={"jwks_uri": "file:///etc/passwd"}),
    "the cloud's metadata": lambda idp: Behaviour(discovery={"jwks_uri": "http://169.254.169.254/latest/"}),
    "a private address": lambda idp: Behaviour(discovery={"jwks_uri": "http://10.0.0.1/jwks"}),
    "a script": lambda idp: Behaviour(discovery={"authorization_endpoint": "javascript:alert(1)"}),
    "a page": lambda idp: Behaviour(discovery_answer=Answer.HTML),
    "a huge document": lambda idp: Behaviour(discovery_answer=Answer.HUGE),
    "a bomb": lambda idp: Behaviour(discovery_answer=Answer.COMPRESSED),
    "no key": lambda idp: Behaviour(jwks=Jwks.EMPTY),
    "private keys": lambda idp: Behaviour(jwks=Jwks.PRIVATE),
    "NUL among the keys": lambda idp: Behaviour(discovery={"jwks_uri": f"{idp.issuer}/jwks", "x": "\x00"}),
    "half a character": lambda idp: Behaviour(discovery={"token_endpoint_auth_methods_supported": ["\ud800"]}),
    "half a character as issuer": lambda idp: Behaviour(discovery={"issuer": "\ud800"}),
    "ten thousand keys": lambda idp: Behaviour(jwks=Jwks.MANY),
    "a page of keys": lambda idp: Behaviour(jwks_answer=Answer.HTML),
}


@pytest.mark.parametrize("what", DISCOVERY)
def test_a_provider_that_cannot_be_used_is_refused_at_once(acme: Tenant, idp: Hostile, what: str) -> None:
    idp.behaviour = DISCOVERY[what](idp)
    with pytest.raises(DomainError) as error:
        connect(acme, idp)
    assert (error.value.field, error.value.code) == ("issuer", "provider_unusable")


@pytest.mark.parametrize(
    "issuer",
    [
        "http://10.0.0.1/",
        "https://user:password@idp.example/",
        "https://idp.example/#fragment",
        "ftp://idp.example/",
        "idp.example",
        "https://localhost/",
        "https://[::1]/",
        "https://169.254.169.254/",
        "https://2130706433/",
        "",
        "x" * 600,
    ],
)
def test_an_issuer_that_is_none(acme: Tenant, issuer: str, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    with tenant_scope(acme.organization), acting_as(SYSTEM), pytest.raises(DomainError) as error:
        create_sso_connection(
            organization=acme.organization,
            name="Corporate",
            issuer=issuer,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            actor=SYSTEM,
        )
    assert error.value.field == "issuer"


def test_symmetric_keys_of_the_provider_are_not_used(acme: Tenant, idp: Hostile) -> None:
    idp.behaviour = Behaviour(jwks=Jwks.SYMMETRIC)
    sso = connect(acme, idp)
    assert {key["kty"] for key in sso.connection.keys["keys"]} <= {"RSA", "EC", "OKP"}
    idp.behaviour = replace(idp.behaviour, id_token=IdToken.HS256_CLIENT_SECRET)
    refused(sso, sso.sign_in().response, "HS256")


def test_trying_is_limited_by_address(sso: Sso, settings: Any) -> None:
    """Counted where all processes count (tests/api/test_limits.py), over every door together."""
    settings.API_RATE_PER_ADDRESS = 3
    doors = [
        lambda: Client().get(f"/sso/{sso.connection.pk}/start/"),
        lambda: Client().get(f"/sso/{sso.connection.pk}/callback/?code=x&state=y"),
        lambda: Client().post("/sso/", {"email": "member@acme.example"}),
    ]
    assert all(door().status_code != 429 for door in doors)
    for door in doors:
        answer = door()
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0
    assert Client(REMOTE_ADDR="203.0.113.9").get(f"/sso/{sso.connection.pk}/start/").status_code == 302
