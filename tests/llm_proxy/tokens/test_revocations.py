"""Ending tokens before their time: who may, what ends, and that the hot path is told."""

from typing import Any

import psycopg
import pytest
from django.test import Client

from accounts.services.api_keys import revoke_api_key, rotate_api_key
from accounts.services.sessions import end_member_sessions, end_sessions
from accounts.services.users import person
from gateway.models import IssuedToken, RevocationKind, TokenRevocation
from gateway.services.token_revocations import revoke_token, revoke_tokens
from gateway.tasks import forget_tokens
from isolation.actor import ANONYMOUS, SYSTEM
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tenants.access import user_actor
from tenants.services.members import remove_member, set_member_active
from tests.gateway.stage import Keys
from tests.llm_proxy.tokens.stage import (
    REVOCATION,
    SCOPES,
    ask,
    basic,
    exchange,
    is_revoked,
    let_pass,
    post,
    read,
    refused,
    switch_on,
    token_of,
)
from tests.people import Tenant, make_project, signed_in
from tests.tenants.stage import events


def row_of(tenant: Tenant, token: str) -> IssuedToken:
    """Return what is kept of a token."""
    with tenant_scope(tenant.organization):
        row: IssuedToken = IssuedToken.objects.get(jti=read(token).id)
        return row


def revoke(key: Any, token: str) -> Any:
    """Send a token to the revocation endpoint, with a key."""
    return post(REVOCATION, {"token": token}, headers=basic(key.key.public_id, key.secret))


# --- Strangers, and whoever may not ------------------------------------------------------------------------


def test_a_stranger_revokes_nothing(keys: Keys, acme: Tenant, globex: Tenant) -> None:
    switch_on(globex)
    token = token_of(ask(keys.project(scopes=SCOPES)))
    foreign = Keys(globex).organization(scopes=[*SCOPES, "llm_proxy:manage"])
    assert "somebody else" in refused(revoke(foreign, token), "unauthorized_client")
    assert "somebody else" in refused(
        post(REVOCATION, {"token": token}, client=signed_in(globex.owner)), "unauthorized_client"
    )
    with tenant_scope(globex.organization):
        owner = user_actor(globex.owner, globex.organization.pk)
    row = row_of(acme, token)
    with tenant_scope(acme.organization):
        for actor in (owner, ANONYMOUS):
            with pytest.raises(MissingPermission):
                revoke_token(token=row, actor=actor)
            with pytest.raises(MissingPermission):
                revoke_tokens(
                    organization=acme.organization,
                    kind=RevocationKind.ORGANIZATION,
                    subject="",
                    actor=actor,
                    reason="Mine",
                )
    with tenant_scope(globex.organization):
        for kind, subject in (
            (RevocationKind.ACTOR, str(row.actor_id)),
            (RevocationKind.KEY, str(read(token).client_id)),
            (RevocationKind.PROJECT, str(acme.project.pk)),
        ):
            with pytest.raises(DomainError, match="No token was issued"):
                revoke_tokens(organization=globex.organization, kind=kind, subject=subject, actor=owner, reason="Mine")
    assert not is_revoked(acme, token)


def test_another_key_of_the_organization_revokes_nothing_without_the_permission(keys: Keys, acme: Tenant) -> None:
    token = token_of(ask(keys.project(scopes=SCOPES)))
    assert "somebody else" in refused(revoke(keys.project(scopes=SCOPES), token), "unauthorized_client")
    refused(post(REVOCATION, {"token": token}, client=signed_in(acme.member)), "unauthorized_client")
    assert not is_revoked(acme, token)
    manager = keys.organization(scopes=["llm_proxy:manage"])
    assert revoke(manager, token).status_code == 200
    assert is_revoked(acme, token)


# --- One token ---------------------------------------------------------------------------------------------


def test_its_holder_revokes_a_token_and_gets_another_one(keys: Keys, acme: Tenant) -> None:
    key = keys.project(scopes=SCOPES)
    token, other = token_of(ask(key)), token_of(ask(key, model_name="gpt-4o"))
    assert revoke(key, token).status_code == 200
    assert is_revoked(acme, token)
    assert not is_revoked(acme, other)
    fresh = token_of(ask(key))
    assert fresh != token
    assert not is_revoked(acme, fresh)
    assert token_of(ask(key)) == fresh
    (event,) = events(acme, "access_token.revoked")
    assert event.reason == "By its holder"
    assert event.project_id == acme.project.pk
    assert revoke(key, token).status_code == 200
    assert len(events(acme, "access_token.revoked")) == 1


def test_a_person_revokes_their_own(keys: Keys, acme: Tenant) -> None:
    browser = signed_in(acme.member)
    token = token_of(exchange(browser, organization="acme", project="chatbot"))
    assert post(REVOCATION, {"token": token}, client=browser).status_code == 200
    assert is_revoked(acme, token)


def test_another_site_cannot_make_a_browser_revoke(keys: Keys, acme: Tenant) -> None:
    token = token_of(exchange(signed_in(acme.member), organization="acme", project="chatbot"))
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(acme.member, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert "CSRF" in refused(post(REVOCATION, {"token": token}, client=browser), "unauthorized_client")
    assert not is_revoked(acme, token)


def test_what_is_no_valid_token_is_answered_as_if_it_were_ended(keys: Keys) -> None:
    """RFC 7009 section 2.2."""
    key = keys.project(scopes=SCOPES)
    good = token_of(ask(key))
    for text in ("nonsense", good[:-4] + "AAAA", "a.b.c"):
        assert revoke(key, text).status_code == 200
    refused(revoke(key, ""), "invalid_request")
    refused(post(REVOCATION, {"token": good}), "invalid_client", 401)


# --- Everything of somebody --------------------------------------------------------------------------------


def test_everything_of_an_actor_a_key_a_project_the_organization(keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner"):
        make_project(acme, "billing")
    key, personal = keys.organization(scopes=SCOPES), keys.personal("member", scopes=SCOPES)

    def issued() -> dict[str, str]:
        return {
            "key": token_of(ask(key, project="chatbot")),
            "elsewhere": token_of(ask(key, project="billing")),
            "personal": token_of(ask(personal, project="billing")),
            "session": token_of(exchange(signed_in(acme.member), organization="acme", project="billing")),
        }

    for kind, subject, ended in (
        (RevocationKind.ACTOR, str(acme.member.pk), {"personal", "session"}),
        (RevocationKind.KEY, personal.key.public_id, {"personal"}),
        (RevocationKind.KEY, str(key.key.pk), {"key", "elsewhere"}),
        (RevocationKind.PROJECT, "chatbot", {"key"}),
        (RevocationKind.PROJECT, str(acme.project.pk), {"key"}),
        (RevocationKind.ORGANIZATION, "", {"key", "elsewhere", "personal", "session"}),
    ):
        tokens = issued()
        assert not any(is_revoked(acme, token) for token in tokens.values()), kind
        with acme.acting("owner") as owner:
            revoke_tokens(
                organization=acme.organization, kind=kind, subject=subject, actor=owner, reason="A laptop was lost"
            )
        assert {name for name, token in tokens.items() if is_revoked(acme, token)} == ended
        assert {name for name, token in tokens.items() if row_of(acme, token).revoked_at is not None} == ended
    assert events(acme, "access_token.revoked")[-1].reason == "A laptop was lost"


@pytest.mark.parametrize(
    ("kind", "subject", "reason", "says"),
    [
        (RevocationKind.ORGANIZATION, "", "", "Say why"),
        (RevocationKind.ORGANIZATION, "", "x" * 301, "300"),
        (RevocationKind.ACTOR, "nonsense", "Why", "No token was issued"),
        (RevocationKind.ACTOR, "5a3d1c9e-0000-4000-8000-000000000001", "Why", "No token was issued"),
        (RevocationKind.KEY, "gatepk_nobody", "Why", "No token was issued"),
        (RevocationKind.PROJECT, "nonsense", "Why", "No token was issued"),
        (RevocationKind.TOKEN, "abc", "Why", "single token"),
    ],
)
def test_what_cannot_be_revoked(keys: Keys, acme: Tenant, kind: Any, subject: str, reason: str, says: str) -> None:
    with acme.acting("owner") as owner, pytest.raises(DomainError, match=says):
        revoke_tokens(organization=acme.organization, kind=kind, subject=subject, actor=owner, reason=reason)


# --- What ends with something else -------------------------------------------------------------------------


def test_a_revoked_keys_tokens_end(keys: Keys, acme: Tenant) -> None:
    key, other = keys.project(scopes=SCOPES), keys.project(scopes=SCOPES)
    token, kept = token_of(ask(key)), token_of(ask(other))
    with acme.acting("owner") as owner:
        rotate_api_key(key=other.key, actor=owner)
        assert not TokenRevocation.objects.exists()
        revoke_api_key(key=key.key, actor=owner)
    assert is_revoked(acme, token)
    assert not is_revoked(acme, kept)


def test_a_former_members_tokens_do_not_come_back_with_them(keys: Keys, acme: Tenant) -> None:
    token = token_of(exchange(signed_in(acme.member), organization="acme", project="chatbot"))
    with acme.acting("owner") as owner:
        set_member_active(membership=acme.membership("member"), active=False, actor=owner)
        set_member_active(membership=acme.membership("member"), active=True, actor=owner)
    assert is_revoked(acme, token)
    fresh = token_of(exchange(signed_in(acme.member), organization="acme", project="chatbot"))
    assert not is_revoked(acme, fresh)
    with acme.acting("owner") as owner:
        remove_member(membership=acme.membership("member"), actor=owner)
    assert is_revoked(acme, fresh)


def test_ended_sessions_end_tokens(keys: Keys, acme: Tenant) -> None:
    token = token_of(exchange(signed_in(acme.member), organization="acme", project="chatbot"))
    with acme.acting("owner") as owner:
        end_member_sessions(membership=acme.membership("member"), actor=owner, reason="A laptop was lost")
    assert is_revoked(acme, token)


def test_ending_ones_own_sessions_ends_ones_tokens(keys: Keys, acme: Tenant) -> None:
    browser, lost = signed_in(acme.member), signed_in(acme.member)
    token = token_of(exchange(lost, organization="acme", project="chatbot"))
    end_sessions(acme.member, except_key=browser.session.session_key, actor=person(acme.member))
    assert is_revoked(acme, token)
    assert token_of(exchange(browser, organization="acme", project="chatbot")) != token


def test_nothing_is_written_for_whoever_has_no_token(keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        revoke_api_key(key=keys.project(scopes=SCOPES).key, actor=owner)
        set_member_active(membership=acme.membership("member"), active=False, actor=owner)
        assert not TokenRevocation.objects.exists()


# --- Sweeping ----------------------------------------------------------------------------------------------


def test_what_is_over_is_forgotten(keys: Keys, acme: Tenant, superuser: psycopg.Connection) -> None:
    key = keys.project(scopes=SCOPES)
    token_of(ask(key))
    with tenant_scope(acme.organization):
        revoke_tokens(
            organization=acme.organization,
            kind=RevocationKind.ORGANIZATION,
            subject="",
            actor=SYSTEM,
            reason="Everything",
        )
    let_pass(superuser, 29 * 86_400)
    token_of(ask(key))
    forget_tokens()
    with tenant_scope(acme.organization):
        assert IssuedToken.objects.count() == 2
    let_pass(superuser, 86_400 + 900)
    forget_tokens()
    with tenant_scope(acme.organization):
        assert (IssuedToken.objects.count(), TokenRevocation.objects.count()) == (1, 1)
