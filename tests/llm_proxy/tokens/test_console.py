"""The pages of tokens and signing keys, and the API of tokens."""

from typing import Any

import psycopg
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gateway.models import IssuedToken, SigningKey
from gateway.services.signing_keys import settle_signing_keys
from gateway.signing import current_signer
from isolation.scope import tenant_scope
from tests.gateway.stage import Keys
from tests.llm_proxy.tokens.stage import SCOPES, ask, exchange, is_revoked, read, token_of
from tests.llm_proxy.tokens.test_signing_keys import age
from tests.people import Tenant, signed_in
from tests.tenants.stage import events

TOKENS = "/o/acme/gateway/issuedtoken/"
API = "/api/v1/organizations/acme/llm-proxy"
KEYS = "/admin/gateway/signingkey/"


def row_of(tenant: Tenant, token: str) -> IssuedToken:
    """Return what is kept of a token."""
    with tenant_scope(tenant.organization):
        row: IssuedToken = IssuedToken.objects.get(jti=read(token).id)
        return row


# --- Tokens in the console ---------------------------------------------------------------------------------


def test_a_stranger_sees_and_revokes_no_token(keys: Keys, acme: Tenant, globex: Tenant) -> None:
    token = token_of(ask(keys.project(scopes=SCOPES)))
    pk = row_of(acme, token).pk
    browser = signed_in(globex.owner)
    for path in (TOKENS, f"{TOKENS}{pk}/change/", f"{TOKENS}{pk}/revoke/", f"{TOKENS}revoke_many/"):
        assert browser.get(path).status_code == 404
        assert browser.post(path, {"reason": "Mine"}).status_code == 404
        own = path.replace("/o/acme/", "/o/globex/")
        if str(pk) in path:
            assert browser.post(own, {"reason": "Mine"}).status_code == 404
    assert read(token).id not in browser.get("/o/globex/gateway/issuedtoken/").content.decode()
    for path in (f"{API}/tokens", f"{API}/tokens/{pk}", f"{API}/token-revocations"):
        assert browser.get(path).status_code == 404
        assert Client().get(path).status_code == 401
    foreign = "/api/v1/organizations/globex/llm-proxy"
    assert browser.get(f"{foreign}/tokens/{pk}").status_code == 404
    assert browser.post(f"{foreign}/tokens/{pk}/revoke", {}, content_type="application/json").status_code == 404
    body = {"kind": "project", "subject": str(acme.project.pk), "reason": "Mine"}
    assert browser.post(f"{foreign}/token-revocations", body, content_type="application/json").status_code == 422
    assert not is_revoked(acme, token)


def test_the_list_says_who_for_what_and_whether_it_is_good(keys: Keys, acme: Tenant) -> None:
    token_of(ask(keys.project(scopes=SCOPES, name="Backend"), model_provider="openai", model_name="gpt-4o"))
    person = token_of(exchange(signed_in(acme.member), organization="acme", project="chatbot"))
    browser = signed_in(acme.owner)
    page = browser.get(TOKENS).content.decode()
    for text in ("Backend", "API key", "gpt-4o", "openai", "member@acme.example", "Chatbot", "Valid", "Any model"):
        assert text in page
    assert "Backend" not in browser.get(f"{TOKENS}?actor_type=user").content.decode()
    assert "Backend" not in browser.get(f"{TOKENS}?state=revoked").content.decode()
    assert "Backend" in browser.get(f"{TOKENS}?state=valid&project={acme.project.pk}").content.decode()
    assert "Backend" not in browser.get(f"{TOKENS}?q=member@").content.decode()
    shown = browser.get(f"{TOKENS}{row_of(acme, person).pk}/change/").content.decode()
    assert read(person).id in shown
    assert person not in shown


def test_one_and_several_are_revoked_in_the_console(keys: Keys, acme: Tenant) -> None:
    key = keys.project(scopes=SCOPES)
    token, other = token_of(ask(key)), token_of(ask(key, model_name="gpt-4o"))
    browser = signed_in(acme.owner)
    answer = browser.post(f"{TOKENS}{row_of(acme, token).pk}/revoke/", {"reason": "Lost"}, follow=True)
    assert "The token was revoked" in answer.content.decode()
    assert is_revoked(acme, token)
    assert not is_revoked(acme, other)
    empty = browser.post(f"{TOKENS}revoke_many/", {"kind": "project", "project": "", "reason": "Leak"})
    assert "Choose the project" in empty.content.decode()
    unknown = browser.post(f"{TOKENS}revoke_many/", {"kind": "key", "subject": "nobody", "reason": "Leak"})
    assert "No token was issued" in unknown.content.decode()
    data = {"kind": "project", "project": str(acme.project.pk), "reason": "Leak"}
    assert "refused from now on" in browser.post(f"{TOKENS}revoke_many/", data, follow=True).content.decode()
    assert is_revoked(acme, other)
    assert [event.reason for event in events(acme, "access_token.revoked")] == ["Lost", "Leak"]


def test_who_may_not_see_the_proxy_sees_no_tokens(keys: Keys, acme: Tenant) -> None:
    token = token_of(ask(keys.project(scopes=SCOPES)))
    browser = signed_in(acme.member)
    assert browser.get(TOKENS).status_code == 403
    assert browser.post(f"{TOKENS}{row_of(acme, token).pk}/revoke/", {"reason": "x"}).status_code == 403
    assert browser.post(f"{TOKENS}revoke_many/", {"kind": "organization", "reason": "x"}).status_code == 403
    assert not is_revoked(acme, token)


def test_the_list_takes_a_constant_number_of_queries(keys: Keys, acme: Tenant) -> None:
    browser = signed_in(acme.owner)
    key = keys.project(scopes=SCOPES)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(TOKENS).status_code == 200
        return len(captured)

    token_of(ask(key))
    queries()
    few = queries()
    for number in range(5):
        token_of(ask(key, model_name=f"model-{number}"))
    assert queries() == few


# --- Tokens in the API -------------------------------------------------------------------------------------


def test_the_api_lists_filters_and_revokes(keys: Keys, acme: Tenant) -> None:
    key = keys.project(scopes=SCOPES)
    token = token_of(ask(key, model_provider="openai", model_name="gpt-4o"))
    person = token_of(exchange(signed_in(acme.member), organization="acme", project="chatbot"))
    browser = signed_in(acme.owner)
    rows = browser.get(f"{API}/tokens").json()["data"]
    assert {row["jti"] for row in rows} == {read(token).id, read(person).id}
    (found,) = browser.get(f"{API}/tokens?actor={key.key.pk}").json()["data"]
    assert (found["model_name"], found["scope"], found["api_key_id"]) == ("gpt-4o", "llm:invoke", str(key.key.pk))
    assert browser.get(f"{API}/tokens?actor_type=user&project={acme.project.pk}").json()["data"][0]["jti"] == (
        read(person).id
    )
    path = f"{API}/tokens/{found['id']}"
    assert browser.get(path).json()["revoked_at"] is None
    made = browser.post(f"{path}/revoke", {"reason": "Lost"}, content_type="application/json")
    assert (made.status_code, made.json()["kind"]) == (201, "token")
    assert browser.get(path).json()["revoked_at"] is not None
    assert browser.post(f"{path}/revoke", {}, content_type="application/json").status_code == 409
    body = {"kind": "actor", "subject": str(acme.member.pk), "reason": "Leak"}
    assert browser.post(f"{API}/token-revocations", body, content_type="application/json").status_code == 201
    assert is_revoked(acme, token)
    assert is_revoked(acme, person)
    listed = browser.get(f"{API}/token-revocations").json()["data"]
    assert [row["reason"] for row in listed] == ["Leak", "Lost"]
    assert token not in str(listed) + str(rows)


# --- Signing keys, for operators ---------------------------------------------------------------------------


def test_nobody_but_operators_sees_signing_keys(acme: Tenant) -> None:
    settle_signing_keys()
    key = current_signer().kid
    for browser in (signed_in(acme.owner), Client()):
        assert browser.get(KEYS).status_code in {302, 403}
        assert browser.post(f"{KEYS}{key}/revoke/", {"reason": "x", "typed_confirmation": key[:8]}).status_code in {
            302,
            403,
        }
    assert current_signer().kid == key


def test_operators_see_rotate_and_revoke(operator: Any, superuser: psycopg.Connection) -> None:
    settle_signing_keys()
    browser = signed_in(operator)
    page = browser.get(KEYS).content.decode()
    assert "Signs" in page
    assert "In the vault" in page
    first = current_signer().kid
    (following,) = SigningKey.objects.filter(signs_from=None).values_list("pk", flat=True)
    quoted = following.replace("_", "_5F")
    early = browser.post(f"{KEYS}{quoted}/rotate/", {"reason": "Yearly"})
    assert "rotate then" in early.content.decode()
    age(superuser, 3_600)
    assert "every proxy knows it already" in browser.get(f"{KEYS}{first.replace('_', '_5F')}/revoke/").content.decode()
    done = browser.post(f"{KEYS}{quoted}/rotate/", {"reason": "Yearly"}, follow=True)
    assert "The next key signs now" in done.content.decode()
    assert current_signer().kid == following
    wrong = browser.post(f"{KEYS}{quoted}/revoke/", {"reason": "Leak", "typed_confirmation": "wrong"})
    assert "That is not" in wrong.content.decode()
    data = {"reason": "Leak", "typed_confirmation": following[:8]}
    assert "was revoked" in browser.post(f"{KEYS}{quoted}/revoke/", data, follow=True).content.decode()
    assert current_signer().kid not in {first, following}
    assert SigningKey.objects.get(pk=first).wrapped is None
    page = browser.get(f"{KEYS}{quoted}/change/").content.decode()
    assert "Leak" in page
    assert "Revoked" in page
