"""Asking for tokens: who gets which, and what is refused in whose words."""

import json
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.services.api_keys import revoke_api_key
from accounts.services.sign_in_policy import update_sign_in_policy
from audit.models import Event
from gateway.claims import TokenRefused
from gateway.models import IssuedToken
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.services.members import set_member_active, set_project_role
from tenants.services.organizations import request_deletion, suspend_organization
from tenants.services.projects import request_project_deletion
from tests.accounts.keys.stage import make_account
from tests.gateway.stage import Keys, platform_key
from tests.llm_proxy.tokens.stage import (
    ACCESS_TOKEN,
    API_KEY,
    ENDPOINT,
    EXCHANGE,
    SCOPES,
    SESSION,
    ask,
    basic,
    claims_of,
    exchange,
    let_pass,
    post,
    read,
    refused,
    switch_on,
    token_of,
)
from tests.people import Tenant, make_project, signed_in
from tests.tenants.stage import at_once, events

# --- Strangers ---------------------------------------------------------------------------------------------


def test_a_strangers_key_gets_no_token_for_another_organization(keys: Keys, globex: Tenant) -> None:
    switch_on(globex)
    key = Keys(globex).organization(scopes=SCOPES)
    foreign = keys.tenant.project
    assert "no such project" in refused(ask(key, project=str(foreign.pk)), "invalid_target")
    assert refused(ask(key, project="nonsense"), "invalid_target") == refused(
        ask(key, project=str(foreign.pk)), "invalid_target"
    )
    named = ask(key, project=str(foreign.pk), organization="acme")
    assert "no such organization" in refused(named, "invalid_target")
    found = claims_of(ask(key, project="chatbot"))
    assert found.organization_id == str(globex.organization.pk)
    assert found.project_id == str(globex.project.pk)


def test_a_strangers_session_gets_no_token(keys: Keys, globex: Tenant) -> None:
    browser = signed_in(globex.owner)
    for organization in ("acme", str(keys.tenant.organization.pk), "nonsense"):
        answer = exchange(browser, organization=organization, project="chatbot")
        assert "no such organization" in refused(answer, "invalid_target")


def test_a_key_of_one_project_gets_no_token_for_another(keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner"):
        make_project(acme, "billing")
    key = keys.project(scopes=SCOPES)
    assert "no such project" in refused(ask(key, project="billing"), "invalid_target")
    assert claims_of(ask(key)).project_id == str(acme.project.pk)


# --- Who the token speaks for ------------------------------------------------------------------------------


def test_a_project_key_speaks_for_itself(keys: Keys, acme: Tenant, settings: Any) -> None:
    key = keys.project(scopes=SCOPES)
    answer = ask(key)
    found = claims_of(answer)
    body = json.loads(answer.content)
    assert (body["token_type"], body["scope"]) == ("Bearer", "llm:invoke")
    assert 590 <= body["expires_in"] <= 600
    assert (answer["Cache-Control"], answer["Pragma"]) == ("no-store", "no-cache")
    assert found.issuer == settings.JWT_ISSUER
    assert found.audiences == ("gatehouse-llm",)
    assert (found.actor_type, found.subject, found.user_id) == ("api_key", str(key.key.pk), None)
    assert found.client_id == key.key.public_id
    assert found.environment == acme.project.environment
    assert found.scope == {"llm:invoke"}
    assert found.expires_at - found.issued_at == 600
    assert found.request_id


def test_a_personal_key_speaks_for_its_person(keys: Keys, acme: Tenant) -> None:
    found = claims_of(ask(keys.personal("member", scopes=SCOPES), project="chatbot"))
    assert (found.actor_type, found.subject) == ("user", str(acme.member.pk))
    assert found.user_id == str(acme.member.pk)


@pytest.mark.parametrize("kind", ["service", "evaluator", "agent"])
def test_a_service_accounts_key_speaks_for_the_account(keys: Keys, acme: Tenant, kind: str) -> None:
    with acme.acting("owner") as owner:
        account = make_account(acme, owner, name=f"A {kind}", kind=kind)
    found = claims_of(ask(keys.service_account(account, scopes=SCOPES), project=str(acme.project.pk)))
    assert (found.actor_type, found.subject, found.user_id) == (kind, str(account.pk), None)


def test_a_session_speaks_for_its_person(keys: Keys, acme: Tenant) -> None:
    answer = exchange(signed_in(acme.member), organization="acme", project="chatbot")
    found = claims_of(answer)
    assert json.loads(answer.content)["issued_token_type"] == ACCESS_TOKEN
    assert (found.actor_type, found.subject, found.user_id) == ("user", str(acme.member.pk), str(acme.member.pk))
    assert found.client_id is None


@pytest.mark.parametrize("kind", [API_KEY, ACCESS_TOKEN])
def test_a_key_is_exchanged(keys: Keys, kind: str) -> None:
    key = keys.project(scopes=SCOPES)
    values = {"grant_type": EXCHANGE, "subject_token": key.secret, "subject_token_type": kind}
    found = claims_of(post(ENDPOINT, values))
    assert found.subject == str(key.key.pk)
    wrong = {**values, "subject_token": key.secret[:-1] + ("a" if key.secret[-1] != "a" else "b")}
    assert "not accepted" in refused(post(ENDPOINT, wrong), "invalid_request")


def test_the_secret_may_come_in_the_body(keys: Keys) -> None:
    key = keys.project(scopes=SCOPES)
    values = {"grant_type": "client_credentials", "client_id": key.key.public_id, "client_secret": key.secret}
    assert claims_of(post(ENDPOINT, values)).client_id == key.key.public_id


def test_langsmiths_names_by_switch(keys: Keys, acme: Tenant) -> None:
    switch_on(acme, emits_langsmith_names=True)
    with acme.acting("owner") as owner:
        account = make_account(acme, owner, name="Agent", kind="agent")
    token = token_of(ask(keys.service_account(account, scopes=SCOPES), project="chatbot"))
    with tenant_scope(acme.organization):
        claims = IssuedToken.objects.get(jti=read(token).id).claims
    assert (claims["workspace_id"], claims["actor_type"]) == (str(acme.organization.pk), "agent-builder")
    assert read(token).actor_type == "agent"


# --- What it is limited to ---------------------------------------------------------------------------------


def test_a_token_is_limited_to_what_was_stated(keys: Keys) -> None:
    key = keys.project(scopes=SCOPES)
    stated = {
        "model_provider": "openai",
        "model_name": "gpt-4o",
        "streaming": "true",
        "scope": "llm:invoke traces:read",
    }
    found = claims_of(ask(key, **stated))
    assert (found.model_provider, found.model_name, found.streaming) == ("openai", "gpt-4o", True)
    assert found.scope == {"llm:invoke", "traces:read"}


@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        ({"scope": "llm:invoke projects:delete"}, "invalid_scope", "does not hold projects:delete"),
        ({"scope": "llm:invoke nonsense"}, "invalid_scope", "no scope nonsense"),
        ({"scope": "traces:read"}, "invalid_scope", "llm:invoke"),
        ({"model_provider": "nonsense"}, "invalid_request", "openai"),
        ({"model_name": "x" * 121}, "invalid_request", "120"),
        ({"streaming": "perhaps"}, "invalid_request", "true or false"),
        ({"audience": "elsewhere"}, "invalid_target", "gatehouse-llm"),
        ({"project": "nonsense"}, "invalid_target", "no such project"),
        ({"organization": "globex"}, "invalid_target", "no such organization"),
    ],
)
def test_what_nobody_gets(keys: Keys, globex: Tenant, values: dict[str, str], error: str, says: str) -> None:
    assert says in refused(ask(keys.project(scopes=SCOPES), **values), error)


def test_nobody_gets_what_they_do_not_hold_themselves(keys: Keys, acme: Tenant) -> None:
    """A personal key's scopes are cut down to what its person may do now."""
    viewer = keys.personal("viewer", scopes=["traces:read"])
    assert "does not hold llm:invoke" in refused(ask(viewer, project="chatbot"), "invalid_scope")
    session = exchange(signed_in(acme.viewer), organization="acme", project="chatbot")
    assert "does not hold llm:invoke" in refused(session, "invalid_scope")
    denied = [event for event in events(acme, "access.denied") if event.after == {"permission": "llm:invoke"}]
    assert len(denied) == 2
    machine = keys.project(scopes=["traces:read"])
    assert "does not hold llm:invoke" in refused(ask(machine), "invalid_scope")


def test_a_role_in_the_project_decides(keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        hidden, open_ = make_project(acme, "hidden"), make_project(acme, "open")
        for project, role in ((hidden, "none"), (open_, "viewer")):
            set_project_role(project=project, membership=acme.membership("member"), role=acme.role(role), actor=owner)
    browser = signed_in(acme.member)
    assert "no such project" in refused(exchange(browser, organization="acme", project="hidden"), "invalid_target")
    answer = exchange(browser, organization="acme", project="open")
    assert "does not hold llm:invoke" in refused(answer, "invalid_scope")
    assert claims_of(exchange(browser, organization="acme", project="chatbot")).user_id is not None


def test_audiences_are_the_organizations(keys: Keys, acme: Tenant) -> None:
    switch_on(acme, audiences=["one", "two"])
    key = keys.project(scopes=SCOPES)
    assert claims_of(ask(key)).audiences == ("one", "two")
    assert claims_of(ask(key, audience="two")).audiences == ("two",)
    assert claims_of(ask(key, audience=["two", "one"])).audiences == ("one", "two")


def test_a_token_ends_with_its_key(keys: Keys) -> None:
    key = keys.project(scopes=SCOPES, expires_at=timezone.now() + timedelta(seconds=120))
    found = claims_of(ask(key))
    assert 100 < found.expires_at - found.issued_at <= 120


def test_the_lifetime_is_the_organizations(keys: Keys, acme: Tenant) -> None:
    switch_on(acme, token_seconds=90)
    token = token_of(ask(keys.project(scopes=SCOPES)))
    found = read(token)
    assert found.expires_at - found.issued_at == 90
    with pytest.raises(TokenRefused):
        read(token, now=found.expires_at + 10)


# --- Who is not let in -------------------------------------------------------------------------------------


def test_nothing_while_the_proxy_is_off(acme: Tenant, settings: Any) -> None:
    key = Keys(acme).project(scopes=SCOPES)
    assert "is off" in refused(ask(key), "unauthorized_client")
    settings.PROXY_ENABLED_BY_DEFAULT = True
    assert claims_of(ask(key)).client_id is not None
    switch_on(acme, is_enabled=False)
    assert "is off" in refused(ask(key), "unauthorized_client")


def test_a_wrong_key_is_an_unknown_client(keys: Keys) -> None:
    key = keys.project(scopes=SCOPES)
    other = keys.project(scopes=SCOPES)
    grant = {"grant_type": "client_credentials"}
    for headers in (
        basic(key.key.public_id, other.secret),
        basic(key.key.public_id, "nonsense"),
        basic("nonsense", key.secret),
        {"Authorization": "Basic !"},
        {"Authorization": f"Bearer {key.secret}"},
        {},
    ):
        answer = post(ENDPOINT, grant, headers=headers)
        refused(answer, "invalid_client", 401)
        assert answer["WWW-Authenticate"].startswith("Basic ")
        assert key.secret not in answer.content.decode()


def test_a_revoked_key_gets_nothing(keys: Keys, acme: Tenant) -> None:
    key = keys.project(scopes=SCOPES)
    token_of(ask(key))
    with acme.acting("owner") as owner:
        revoke_api_key(key=key.key, actor=owner)
    refused(ask(key), "invalid_client", 401)


def test_a_platform_key_gets_nothing(keys: Keys) -> None:
    assert "platform key" in refused(ask(platform_key()), "unauthorized_client")


def test_a_keys_networks_hold(keys: Keys) -> None:
    key = keys.project(scopes=SCOPES, allowed_networks=["203.0.113.0/24"])
    assert "127.0.0.1" in refused(ask(key), "unauthorized_client")


def test_the_sign_in_policy_holds_for_personal_keys_and_sessions(keys: Keys, acme: Tenant) -> None:
    personal, machine = keys.personal("member", scopes=SCOPES), keys.project(scopes=SCOPES)
    browser = signed_in(acme.member)
    with tenant_scope(acme.organization):
        update_sign_in_policy(organization=acme.organization, actor=SYSTEM, allowed_networks=["203.0.113.0/24"])
    assert "not accepted from" in refused(ask(personal, project="chatbot"), "unauthorized_client")
    refused(exchange(browser, organization="acme", project="chatbot"), "unauthorized_client")
    assert claims_of(ask(machine)).client_id is not None


def test_a_suspended_organization_gets_nothing(keys: Keys, acme: Tenant, operator: Any) -> None:
    key, browser = keys.project(scopes=SCOPES), signed_in(acme.member)
    with tenant_scope(acme.organization):
        suspend_organization(organization=acme.organization, reason="Unpaid", actor=SYSTEM)
    assert "suspended" in refused(ask(key), "unauthorized_client")
    assert "closed" in refused(exchange(browser, organization="acme", project="chatbot"), "unauthorized_client")


def test_what_is_being_deleted_gets_nothing(keys: Keys, acme: Tenant) -> None:
    key, organization_key = keys.project(scopes=SCOPES), keys.organization(scopes=SCOPES)
    with acme.acting("owner"):
        request_project_deletion(project=acme.project, actor=SYSTEM)
        other = make_project(acme, "billing")
    assert "project is being deleted" in refused(ask(key), "invalid_target")
    assert claims_of(ask(organization_key, project="billing")).project_id == str(other.pk)
    with acme.acting("owner"):
        request_deletion(organization=acme.organization, actor=SYSTEM)
    assert "organization is being deleted" in refused(ask(organization_key, project="billing"), "unauthorized_client")


def test_an_inactive_owner_gets_nothing(keys: Keys, acme: Tenant) -> None:
    key = keys.personal("member", scopes=SCOPES)
    with acme.acting("owner") as owner:
        set_member_active(membership=acme.membership("member"), active=False, actor=owner)
    refused(ask(key, project="chatbot"), "invalid_client", 401)


# --- Sessions and other sites ------------------------------------------------------------------------------


def test_another_site_cannot_make_a_browser_ask(keys: Keys, acme: Tenant) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(acme.member, backend="allauth.account.auth_backends.AuthenticationBackend")
    values = {
        "grant_type": EXCHANGE,
        "subject_token_type": SESSION,
        "organization": "acme",
        "project": "chatbot",
    }
    assert "CSRF" in refused(post(ENDPOINT, values, client=browser), "unauthorized_client")
    browser.get("/accounts/profile/")
    token = browser.cookies["gatehouse_csrf"].value
    assert claims_of(post(ENDPOINT, values, client=browser, headers={"X-CSRFToken": token})).user_id is not None
    elsewhere = {"X-CSRFToken": token, "Origin": "https://evil.example"}
    assert "CSRF" in refused(post(ENDPOINT, values, client=browser, headers=elsewhere), "unauthorized_client")


def test_without_a_session_there_is_none_to_exchange(keys: Keys) -> None:
    assert "no session" in refused(exchange(Client(), organization="acme", project="chatbot"), "invalid_request")


def test_a_session_names_organization_and_project(keys: Keys, acme: Tenant) -> None:
    browser = signed_in(acme.member)
    assert "organization" in refused(exchange(browser, project="chatbot"), "invalid_request")
    assert "project" in refused(exchange(browser, organization="acme"), "invalid_request")


# --- Requests that cannot be read --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": ["client_credentials", "client_credentials"]}, "invalid_request"),
        ({"grant_type": EXCHANGE}, "invalid_request"),
        ({"grant_type": EXCHANGE, "subject_token": "x", "subject_token_type": "nonsense"}, "invalid_request"),
        ({"grant_type": EXCHANGE, "subject_token": "x", "subject_token_type": API_KEY}, "invalid_request"),
        ({"grant_type": EXCHANGE, "subject_token_type": API_KEY, "actor_token": "x"}, "invalid_request"),
        ({"grant_type": EXCHANGE, "subject_token_type": API_KEY, "requested_token_type": "saml"}, "invalid_request"),
        ({"grant_type": "client_credentials\0"}, "invalid_request"),
        ({f"p{number}": "x" for number in range(51)}, "invalid_request"),
        ({"grant_type": "x" * 20_000}, "invalid_request"),
    ],
)
def test_a_malformed_request_is_told_so(db: None, values: dict[str, Any], error: str) -> None:
    refused(post(ENDPOINT, values), error)


def test_other_methods_types_and_queries_are_told_so(db: None) -> None:
    assert refused(Client().get(ENDPOINT), "invalid_request", 405)
    answer = Client().post(ENDPOINT, {"grant_type": "client_credentials"}, content_type="application/json")
    assert "x-www-form-urlencoded" in refused(answer, "invalid_request")
    answer = Client().post(f"{ENDPOINT}?client_secret=x", "grant_type=client_credentials", content_type=ENDPOINT)
    assert "logs" in refused(answer, "invalid_request")


def test_two_ways_of_authenticating_are_one_too_many(keys: Keys) -> None:
    key = keys.project(scopes=SCOPES)
    assert "one way" in refused(ask(key, client_secret=key.secret), "invalid_request")
    assert "another one" in refused(ask(key, client_id="gatepk_other"), "invalid_request")


def test_requests_are_limited(keys: Keys, settings: Any) -> None:
    settings.API_RATE_PER_KEY = 2
    key = keys.project(scopes=SCOPES)
    assert token_of(ask(key))
    assert token_of(ask(key))
    answer = ask(key)
    refused(answer, "temporarily_unavailable", 429)
    assert int(answer["Retry-After"]) >= 1


def test_guesses_are_limited(db: None, settings: Any) -> None:
    settings.API_RATE_PER_ADDRESS = 2
    for _ in range(2):
        refused(post(ENDPOINT, {"grant_type": "client_credentials"}, headers=basic("a", "b")), "invalid_client", 401)
    answer = post(ENDPOINT, {"grant_type": "client_credentials"}, headers=basic("a", "b"))
    refused(answer, "temporarily_unavailable", 429)


# --- The same again ----------------------------------------------------------------------------------------


def test_the_same_request_gets_the_same_token(keys: Keys, acme: Tenant) -> None:
    key = keys.project(scopes=SCOPES)
    first = token_of(ask(key))
    assert token_of(ask(key)) == first
    assert token_of(ask(key, project="chatbot", scope="llm:invoke")) == first
    assert len(events(acme, "access_token.issued")) == 1
    assert len({token_of(ask(key, model_name=name)) for name in ("a", "b", "a")}) == 2
    assert token_of(ask(keys.project(scopes=SCOPES))) != first


def test_half_of_its_life_has_to_be_left(keys: Keys, superuser: psycopg.Connection) -> None:
    key = keys.project(scopes=SCOPES)
    first = token_of(ask(key))
    let_pass(superuser, 290)
    assert token_of(ask(key)) == first
    let_pass(superuser, 20)
    assert token_of(ask(key)) != first


def test_changed_settings_make_another_token(keys: Keys, acme: Tenant) -> None:
    key = keys.project(scopes=SCOPES)
    found = {token_of(ask(key))}
    for change in ({"token_seconds": 300}, {"audiences": ["other"]}, {"emits_langsmith_names": True}):
        switch_on(acme, **change)
        found.add(token_of(ask(key)))
    assert len(found) == 4


def test_two_processes_that_ask_at_once_get_one_token(keys: Keys, acme: Tenant) -> None:
    key = keys.project(scopes=SCOPES)
    token_of(ask(key, model_name="warm"))
    found = at_once(*[lambda: token_of(ask(key)) for _ in range(6)])
    assert len(set(found)) == 1
    assert len(events(acme, "access_token.issued")) == 2


def test_an_event_tells_of_a_token_and_never_has_it(keys: Keys, acme: Tenant) -> None:
    key = keys.personal("member", scopes=SCOPES)
    token = token_of(ask(key, project="chatbot", model_name="gpt-4o"))
    (event,) = events(acme, "access_token.issued")
    assert key.key.public_id in event.actor_label
    assert event.project_id == acme.project.pk
    assert event.target_label == read(token).id
    assert event.after["model_name"] == "gpt-4o"
    assert event.after["actor_label"] == acme.member.email
    with tenant_scope(acme.organization):
        stored = [json.dumps(row.after) for row in Event.objects.all()]
        kept = json.dumps(IssuedToken.objects.get().claims)
    for part in (token, token.split(".")[2], key.secret):
        assert part not in "".join(stored)
        assert part not in kept


def test_a_constant_number_of_queries(keys: Keys, acme: Tenant) -> None:
    key = keys.personal("member", scopes=SCOPES)
    token_of(ask(key, project="chatbot", model_name="first"))

    def queries(**values: Any) -> int:
        with CaptureQueriesContext(connection) as captured:
            token_of(ask(key, project="chatbot", **values))
        return len(captured)

    again, new = queries(model_name="first"), queries(model_name="second")
    with acme.acting("owner"):
        for number in range(5):
            make_project(acme, f"project-{number}")
    for number in range(5):
        token_of(ask(key, project=f"project-{number}"))
    assert queries(model_name="first") == again
    assert queries(model_name="third") == new
    assert again <= 16
    assert new <= 26
