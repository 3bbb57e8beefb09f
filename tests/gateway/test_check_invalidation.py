"""What changes counts within a second for LLM requests too, in every process; without notifications at once."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections

from accounts.services.api_keys import revoke_api_key, update_api_key
from accounts.services.service_accounts import update_service_account
from accounts.services.users import set_user_active
from gateway.hotpath.app import Gateway as Application
from gateway.hotpath.config import Config
from gateway.models import SigningKey
from gateway.services.signing_keys import revoke_signing_key
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from portal.embedded_postgres import PORT as POSTGRES_PORT
from tenants.models import Source
from tenants.services.members import add_member, change_role, remove_member, set_member_active, set_project_role
from tenants.services.projects import transfer_project
from tests import database
from tests.gateway.cable import Cable
from tests.gateway.check_stage import SECRET, Proxy, check, drop
from tests.gateway.process import Gateway, database_url, wait_until_trusted
from tests.gateway.stage import Keys
from tests.gateway.test_invalidation import AT_MOST, becomes, listeners
from tests.people import Tenant, make_project

INVOKE = ["llm:invoke"]
Both = tuple[Gateway, Gateway]


@pytest.fixture
def proxy(acme: Tenant) -> Proxy:
    made = Proxy(acme)
    made.credential()
    return made


def refused_everywhere(gateways: Both, token: str, change: Callable[[], object], code: str) -> None:
    """Let both processes remember that a token passes, change something, and see it in both within a second."""
    for gateway in gateways:
        becomes(lambda gateway=gateway: check(gateway, token).code, "", time.monotonic())  # type: ignore[misc]
        assert check(gateway, token).is_allowed
    change()
    since = time.monotonic()
    for gateway in gateways:
        becomes(lambda gateway=gateway: check(gateway, token).code, code, since)  # type: ignore[misc]


@pytest.mark.parametrize("kind", ["token", "actor", "project", "organization"])
def test_revocations(gateways: Both, proxy: Proxy, acme: Tenant, kind: str) -> None:
    claims = proxy.claims()
    subjects = {"token": claims.id, "actor": claims.subject, "project": claims.project_id, "organization": ""}
    token, other = proxy.token(id=claims.id), proxy.token("admin")
    refused_everywhere(gateways, token, lambda: proxy.revoke(kind, subjects[kind]), "token_revoked")
    assert check(gateways[0], other).is_allowed is (kind in {"token", "actor"})
    later = int(time.time()) + 2
    assert check(gateways[0], proxy.token(issued_at=later, not_before=later)).is_allowed


def test_the_tokens_of_one_key_are_revoked(gateways: Both, proxy: Proxy, keys: Keys) -> None:
    key, other = keys.project(scopes=INVOKE), keys.project(scopes=INVOKE)
    refused_everywhere(gateways, proxy.key_token(key), lambda: proxy.revoke("key", key.public_id), "token_revoked")
    assert check(gateways[0], proxy.key_token(other)).is_allowed


def test_a_revocation_counts_in_its_own_organization(gateways: Both, proxy: Proxy, globex: Tenant) -> None:
    elsewhere = Proxy(globex)
    token, theirs = proxy.token(), elsewhere.token("owner")
    elsewhere.revoke("token", proxy.claims().id)
    elsewhere.revoke("actor", str(proxy.tenant.member.pk))
    elsewhere.revoke("organization")
    elsewhere.credential()
    assert check(gateways[0], token).is_allowed
    assert check(gateways[0], theirs).code == "token_revoked"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (
            lambda a, o: set_member_active(membership=a.membership("member"), active=False, actor=o),
            "permission_missing",
        ),
        (lambda a, o: remove_member(membership=a.membership("member"), actor=o), "permission_missing"),
        (lambda a, o: set_user_active(user=a.member, active=False, actor=SYSTEM), "permission_missing"),
        (
            lambda a, o: change_role(membership=a.membership("member"), role=a.role("viewer"), actor=o),
            "permission_missing",
        ),
        (
            lambda a, o: set_project_role(
                membership=a.membership("member"), project=a.project, role=a.role("none"), actor=o
            ),
            "permission_missing",
        ),
    ],
    ids=["deactivated", "removed", "login closed", "role changed", "no role in the project"],
)
def test_a_person_who_may_no_longer_call(
    gateways: Both, proxy: Proxy, acme: Tenant, change: Callable[..., Any], code: str
) -> None:
    def run() -> None:
        with acme.acting("owner") as owner:
            change(acme, owner)

    refused_everywhere(gateways, proxy.token(), run, code)


def test_a_member_who_comes_back_may_call_again(gateways: Both, proxy: Proxy, acme: Tenant) -> None:
    token = proxy.token()

    def switch(*, active: bool) -> None:
        with acme.acting("owner") as owner:
            set_member_active(membership=acme.membership("member"), active=active, actor=owner)

    refused_everywhere(gateways, token, lambda: switch(active=False), "permission_missing")
    switch(active=True)
    becomes(lambda: check(gateways[0], token).code, "", time.monotonic())


@pytest.mark.parametrize("directly", [False, True], ids=["token", "key itself"])
def test_a_key_that_is_revoked(gateways: Both, proxy: Proxy, keys: Keys, acme: Tenant, *, directly: bool) -> None:
    proxy.configure(accepts_api_keys=True)
    key = keys.personal("member", scopes=INVOKE)
    token = "" if directly else proxy.key_token(key)
    sent = {"Authorization": f"Bearer {key.secret}", "X-Gatehouse-Project": "chatbot"} if directly else {}
    for gateway in gateways:
        becomes(lambda gateway=gateway: check(gateway, token, headers=sent).code, "", time.monotonic())  # type: ignore[misc]
    with acme.acting("owner") as owner:
        revoke_api_key(key=key.key, actor=owner, reason="test")
    since = time.monotonic()
    expected = "key_invalid" if directly else "token_revoked"
    for gateway in gateways:
        becomes(lambda gateway=gateway: check(gateway, token, headers=sent).code, expected, since)  # type: ignore[misc]


def test_a_key_that_loses_the_scope(gateways: Both, proxy: Proxy, keys: Keys, acme: Tenant) -> None:
    key = keys.project(scopes=INVOKE)

    def narrow() -> None:
        with acme.acting("owner") as owner:
            update_api_key(key=key.key, name="Narrow", scopes=["traces:read"], actor=owner)

    refused_everywhere(gateways, proxy.key_token(key), narrow, "permission_missing")


def test_a_service_account_that_is_switched_off(gateways: Both, proxy: Proxy, keys: Keys, acme: Tenant) -> None:
    account = keys.account()

    def switch_off() -> None:
        with acme.acting("owner") as owner:
            update_service_account(
                account=account, name=account.name, kind="agent", role=acme.role("member"), is_active=False, actor=owner
            )

    token = proxy.key_token(keys.service_account(account, scopes=INVOKE))
    refused_everywhere(gateways, token, switch_off, "permission_missing")


def test_settings_and_credentials(gateways: Both, proxy: Proxy) -> None:
    token = proxy.token()
    refused_everywhere(gateways, token, lambda: proxy.configure(is_enabled=False), "proxy_disabled")
    proxy.configure(is_enabled=True)
    refused_everywhere(gateways, token, lambda: proxy.configure(audiences=["another"]), "token_invalid")
    proxy.configure(audiences=["another", "gatehouse-llm"])
    first = proxy.credential("mistral", secret="first", priority=1)
    for gateway in gateways:
        becomes(lambda gateway=gateway: check(gateway, token).secret, "first", time.monotonic())  # type: ignore[misc]
    proxy.change(first, secret="rotated")
    since = time.monotonic()
    for gateway in gateways:
        becomes(lambda gateway=gateway: check(gateway, token).secret, "rotated", since)  # type: ignore[misc]
    drop(first, organization=proxy.tenant.organization)
    since = time.monotonic()
    for gateway in gateways:
        becomes(lambda gateway=gateway: check(gateway, token).secret, SECRET, since)  # type: ignore[misc]


def test_a_signing_key_that_is_revoked(gateways: Both, proxy: Proxy) -> None:
    def revoke() -> None:
        with acting_as(SYSTEM):
            key = SigningKey.objects.get(signs_from__isnull=False, retired_at=None, revoked_at=None)
            revoke_signing_key(key=key, actor=SYSTEM, reason="test")

    refused_everywhere(gateways, proxy.token(), revoke, "token_invalid")
    becomes(lambda: check(gateways[0], proxy.token()).code, "", time.monotonic())


def test_a_project_that_moves_away_takes_its_tokens_right_with_it(
    gateways: Both, proxy: Proxy, acme: Tenant, globex: Tenant
) -> None:
    """The former organization's token and credential are of no use in the new place, nor the other way round."""
    with tenant_scope(globex.organization):
        role = globex.role("owner")
        add_member(organization=globex.organization, user=acme.owner, role=role, source=Source.MANUAL, actor=SYSTEM)
    with tenant_scope(acme.organization):
        billing = make_project(acme, "billing")
    token = proxy.token("owner", project_id=str(billing.pk))
    Proxy(globex).credential(secret="globex's own")

    def move() -> None:
        with acme.acting("owner") as owner:
            transfer_project(project=billing, target_id=globex.organization.pk, user=acme.owner, actor=owner)

    refused_everywhere(gateways, token, move, "project_unknown")


def test_without_notifications_the_database_is_asked_each_time(
    superuser: psycopg.Connection, proxy: Proxy, keys: Keys, acme: Tenant
) -> None:
    """The listener's session is ended again and again; what is revoked meanwhile is refused at once."""
    with Gateway() as gateway:
        wait_until_trusted(gateway)
        for _ in range(4):
            key = keys.project(scopes=INVOKE)
            token = proxy.key_token(key)
            assert check(gateway, token).is_allowed
            for pid in listeners(superuser):
                superuser.execute("SELECT pg_terminate_backend(%s, 1000)", [pid])
            assert gateway.get("/healthz/ready").status == 200
            assert check(gateway, token).is_allowed
            with acme.acting("owner") as owner:
                revoke_api_key(key=key.key, actor=owner, reason="test")
            becomes(lambda token=token: check(gateway, token).code, "token_revoked", time.monotonic())  # type: ignore[misc]


def test_when_the_database_falls_silent_nobody_passes(proxy: Proxy) -> None:
    socket_path = f"{database.server().socket_directory}/.s.PGSQL.{POSTGRES_PORT}"
    with Cable(socket_path) as cable, Gateway(GATEWAY_DATABASE_URL=database_url("127.0.0.1", cable.port)) as gateway:
        wait_until_trusted(gateway)
        token = proxy.token()
        assert [check(gateway, token).code for _ in range(2)] == ["", ""]
        cable.silence()
        since = time.monotonic()
        while (answer := check(gateway, token)).is_allowed:
            assert time.monotonic() - since < AT_MOST + 0.2
        assert (answer.code, answer.reply.status) == ("unavailable", 503)
        assert answer.reply.headers["retry-after"] == "1"
        cable.restore()
        wait_until_trusted(gateway)
        assert check(gateway, token).is_allowed


def test_without_any_database_and_with_too_much_power_nobody_passes(proxy: Proxy, keys: Keys) -> None:
    token, key = proxy.token(), keys.project(scopes=INVOKE)
    for url in (database_url("127.0.0.1", 1), database_url().replace("gatehouse_app", "gatehouse_operator")):
        with Gateway(GATEWAY_DATABASE_URL=url) as gateway:
            assert check(gateway, token).code == "unavailable"
            assert check(gateway, headers={"x-api-key": key.secret}).code == "unavailable"


class Slow:
    """Stands for credentials that need a token first; while they wait for it something is revoked.

    Args:
        revoke: what.
    """

    def __init__(self, revoke: Callable[[], None]) -> None:
        self._revoke = revoke
        self.application = Application(Config(conninfo=database_url(), issuer=settings.JWT_ISSUER))
        self.waits = False

    async def headers(self, credential: Any) -> list[tuple[bytes, bytes]]:
        if self.waits:
            await asyncio.to_thread(self._revoke)
            while self.application._check._askers._places._index:  # noqa: ASYNC110 - nobody says when memory has heard
                await asyncio.sleep(0.01)
        return [(b"authorization", b"Bearer hush")]

    def ready(self, _credential: Any, _now: float) -> None:
        """Return nothing: the token that was known is over."""

    def close(self) -> None:
        pass

    async def statuses(self, token: str, *, remembered: bool) -> list[int]:
        """Return what is answered, at last while something is revoked."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {}

        scope = {"type": "http", "method": "POST", "path": "/check/v1/chat/completions", "query_string": b""}
        scope |= {"raw_path": b"/check/v1/chat/completions", "client": ("127.0.0.1", 1)}
        scope |= {"headers": [(b"x-gatehouse-llm-auth", token.encode())]}
        await self.application._start_up()
        self.application._check._credentials = self  # type: ignore[assignment]
        try:
            if remembered:
                await self.application(scope, receive, send)
            self.waits = True
            await self.application(scope, receive, send)
        finally:
            await self.application._shut_down()
        return [message["status"] for message in sent if "status" in message]


@pytest.mark.parametrize("remembered", [False, True], ids=["the longer way", "from memory"])
def test_what_is_revoked_while_a_credential_gets_its_token_does_not_pass(proxy: Proxy, *, remembered: bool) -> None:
    def revoke() -> None:
        proxy.revoke("organization")
        connections.close_all()

    found = asyncio.run(Slow(revoke).statuses(proxy.token(), remembered=remembered))
    assert found == ([200, 401] if remembered else [401])
