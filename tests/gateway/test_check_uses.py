"""What is written about LLM requests: when keys and credentials were last used, and what was refused."""

import asyncio
from typing import Any

import psycopg
from django.utils import timezone

from accounts.models import ApiKey
from accounts.services.api_keys import revoke_api_key
from audit.models import Event
from gateway.hotpath.proxy_request import ProxyRequest
from gateway.hotpath.refusals import MOST_OF_ONE, RefusalLog
from gateway.models import ProviderCredential, UsageHour
from isolation.scope import tenant_scope
from tests.gateway.check_stage import Proxy, check, soon
from tests.gateway.process import Gateway, wait_until_trusted
from tests.gateway.stage import Keys
from tests.people import Tenant


def counted(tenant: Tenant) -> dict[str, int]:
    """Return how many requests ended how."""
    with tenant_scope(tenant.organization):
        found: dict[str, int] = {}
        for row in UsageHour.objects.all():
            found[row.outcome] = found.get(row.outcome, 0) + row.requests
        return found


def test_a_stop_writes_what_was_used_and_refused(acme: Tenant, keys: Keys) -> None:
    proxy = Proxy(acme)
    proxy.configure(accepts_api_keys=True)
    used, unused = proxy.credential(priority=1), proxy.credential(priority=2)
    key = keys.project(scopes=["llm:invoke"], name="Ingestion")
    with Gateway(PROXY_TRANSFORMER="0") as gateway:
        wait_until_trusted(gateway)
        for _ in range(3):
            assert check(gateway, proxy.token()).is_allowed
        for _ in range(2):
            assert check(gateway, headers={"x-api-key": key.secret}).is_allowed
        assert check(gateway, proxy.token("viewer")).code == "permission_missing"
        assert check(gateway, proxy.token(), "/v1/messages").code == "credential_missing"
        assert check(gateway, "nonsense").code == "token_invalid"  # nobody's
    with tenant_scope(acme.organization):
        first, second = (ProviderCredential.objects.get(pk=row.pk) for row in (used, unused))
        assert (first.last_used_by, second.last_used_at) == ("Ingestion", None)
        assert (timezone.now() - first.last_used_at).total_seconds() < 30
        stored = ApiKey.objects.get(pk=key.key.pk)
        assert stored.last_used_ip == "127.0.0.1"
    assert counted(acme) == {"allowed": 5, "permission_missing": 1, "credential_missing": 1}


def test_where_a_transformer_counts_what_passed_only_refusals_are_noted(acme: Tenant) -> None:
    proxy = Proxy(acme)
    proxy.credential()
    with Gateway() as gateway:
        assert check(gateway, proxy.token()).is_allowed
        assert check(gateway, proxy.token("viewer")).code == "permission_missing"
    assert counted(acme) == {"permission_missing": 1}


def test_being_used_announces_nothing_and_is_no_change(acme: Tenant, superuser: psycopg.Connection) -> None:
    proxy = Proxy(acme)
    credential: Any = proxy.credential()
    superuser.execute("LISTEN gatehouse_keys")
    superuser.execute("SELECT gateway_touch_credentials(%s, %s, %s)", [[credential.pk], [timezone.now()], ["somebody"]])
    with tenant_scope(acme.organization):
        assert ProviderCredential.objects.get(pk=credential.pk).last_used_by == "somebody"
    assert list(superuser.notifies(timeout=0.1)) == []


def test_a_use_is_never_older_than_the_one_before(acme: Tenant, superuser: psycopg.Connection) -> None:
    credential: Any = Proxy(acme).credential()
    now = timezone.now()
    for moment, who in ((now, "later"), (now.replace(year=now.year - 1), "earlier")):
        superuser.execute("SELECT gateway_touch_credentials(%s, %s, %s)", [[credential.pk], [moment], [who]])
    with tenant_scope(acme.organization):
        assert ProviderCredential.objects.get(pk=credential.pk).last_used_by == "later"


def test_the_log_holds_no_secret(acme: Tenant, keys: Keys, capfd: Any) -> None:
    """Whatever is refused or breaks, tokens, keys and credentials stay out of the log."""
    proxy = Proxy(acme)
    proxy.configure(accepts_api_keys=True)
    broken = {"token_endpoint": "https://127.0.0.1:1/token", "client_id": "a"}
    proxy.credential(secret="client-secret-hush", kind="oauth_client", options=broken)
    token, key = proxy.token(), keys.project(scopes=["llm:invoke"])
    with Gateway(LOG_LEVEL="DEBUG") as gateway:
        soon(lambda: check(gateway, token).code, "credential_unavailable")
        assert check(gateway, headers={"x-api-key": key.secret}).code == "credential_unavailable"
        assert check(gateway, token[:-5] + "AAAAA").code == "token_invalid"
    said = "".join(capfd.readouterr())
    for secret in (token, token.split(".")[1], key.secret, "client-secret-hush"):
        assert secret not in said


def told(tenant: Tenant) -> list[tuple[Any, ...]]:
    """Return what the log says of refused LLM requests."""
    with tenant_scope(tenant.organization):
        rows = Event.objects.filter(action="llm_request.denied").order_by("time", "id")
        return [
            (row.after["code"], row.actor_label, row.project_label, str(row.ip), row.after["requests"]) for row in rows
        ]


def test_what_should_be_gone_or_elsewhere_is_told_to_the_log_once(acme: Tenant, keys: Keys, globex: Tenant) -> None:
    """Thirty refusals are one event, and what nobody has to look into is none."""
    proxy = Proxy(acme)
    proxy.configure(accepts_api_keys=True)
    proxy.credential()
    revoked, closed = keys.personal("member", scopes=["llm:invoke"]), keys.project(scopes=["llm:invoke"])
    near = keys.project(scopes=["llm:invoke"], name="Near", allowed_networks=["192.0.2.0/24"])
    token = proxy.key_token(revoked)
    foreign = proxy.token(project_id=str(globex.project.pk))
    with acme.acting("owner") as owner:
        revoke_api_key(key=revoked.key, actor=owner, reason="leaked")
        revoke_api_key(key=closed.key, actor=owner, reason="leaked")
    with Gateway() as gateway:
        assert {check(gateway, token).code for _ in range(30)} == {"token_revoked"}
        assert check(gateway, proxy.key_token(near)).code == "network_not_allowed"
        assert check(gateway, foreign).code == "project_unknown"
        assert check(gateway, headers={"x-api-key": closed.secret}).code == "key_invalid"
        assert check(gateway, proxy.token("viewer")).code == "permission_missing"
        assert check(gateway, token[:-4] + "AAAA").code == "token_invalid"
    assert sorted(told(acme)) == [
        ("key_invalid", closed.public_id, "Chatbot", "127.0.0.1", 1),
        ("network_not_allowed", "Near", "Chatbot", "127.0.0.1", 1),
        ("project_unknown", str(acme.member.pk), "", "127.0.0.1", 1),
        ("token_revoked", "member@acme.example", "Chatbot", "127.0.0.1", 30),
    ]
    assert told(globex) == []


def test_nobody_fills_the_log(acme: Tenant) -> None:
    """However many actors are refused: so many events, and then none for a while."""

    class Told:
        def __init__(self) -> None:
            self.rows: list[Any] = []

        async def tell(self, refusals: Any) -> None:
            self.rows += refusals.obj

    async def work() -> list[Any]:
        database = Told()
        log = RefusalLog(database)  # type: ignore[arg-type]
        for _ in range(3):
            for number in range(500):
                request = ProxyRequest("r", "organization", "project", actor_type="user", actor_id=str(number))
                log.note(request, "token_revoked", None)
                log.note(request, "permission_missing", None)
            await log.write()
        return database.rows

    rows = asyncio.run(work())
    assert len(rows) == MOST_OF_ONE
    assert {row["count"] for row in rows} == {1}
