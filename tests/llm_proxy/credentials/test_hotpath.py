"""The hot path: whose credentials it sees, in which order, how they are opened, and how often anybody is asked."""

import asyncio
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from gateway.hotpath import credentials as hotpath
from gateway.hotpath.credentials import Credentials
from gateway.hotpath.problems import Refused
from gateway.services.provider_credentials import (
    delete_provider_credential,
    put_back_former_secret,
    rotate_provider_credential,
    set_provider_credential_enabled,
)
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.llm_proxy.credentials.stage import OTHER, SECRET, credential_of, headers_of, hot
from tests.people import Tenant, make_project
from vault.data_keys import shred


def token(value: str = "t-1", **more: Any) -> Answer:
    return Answer(body=json.dumps({"access_token": value, "token_type": "Bearer", "expires_in": 3600, **more}).encode())


def oauth(tenant: Tenant, giver: Receiver, **options: Any) -> Any:
    told = {"token_url": f"{giver.url}/token", "client_id": "acme client", **options}
    return credential_of(tenant, kind="oauth_client", secret="s3cret+of/the/client", options=told)


def in_one_process(work: Callable[[Credentials], Any]) -> Any:
    async def run() -> Any:
        process = Credentials()
        try:
            return await work(process)
        finally:
            process.close()

    return asyncio.run(run())


def test_a_strangers_credentials_are_never_seen(acme: Tenant, globex: Tenant) -> None:
    credential_of(acme)
    credential_of(acme, name="Own", project=acme.project)
    assert hot(globex) == []
    assert hot(acme, scope=globex) == []
    assert hot(globex, acme.project) == []


def test_a_ciphertext_of_another_organization_does_not_open(
    acme: Tenant, globex: Tenant, superuser: Any, caplog: pytest.LogCaptureFixture
) -> None:
    theirs, ours = credential_of(acme), credential_of(globex)
    superuser.execute("SET session_replication_role = replica")
    superuser.execute(
        "UPDATE gateway_providercredential SET secret = (SELECT secret FROM gateway_providercredential WHERE id = %s)"
        " WHERE id = %s",
        [theirs.pk, ours.pk],
    )
    assert hot(globex) == [], "its data key is none of this organization"
    (mine,) = hot(acme)
    superuser.execute("SET session_replication_role = origin")
    moved = hotpath.Credential(**{name: getattr(mine, name) for name in mine.__slots__} | {"id": str(ours.pk)})
    with pytest.raises(Refused, match="cannot be used now"):
        headers_of(moved)
    assert "Its secret does not open" in caplog.text


def test_the_projects_own_come_first_then_by_priority(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        other = make_project(acme, "billing")
    credential_of(acme, name="b", priority=10)
    credential_of(acme, name="A", priority=10)
    credential_of(acme, name="low", priority=5)
    credential_of(acme, name="own", project=acme.project, priority=900)
    credential_of(acme, name="elsewhere", project=other)
    off = credential_of(acme, name="off")
    with acme.acting("owner") as actor:
        set_provider_credential_enabled(credential=off, enabled=False, actor=actor)
    assert [each.name for each in hot(acme)] == ["own", "low", "A", "b"]
    assert [each.name for each in hot(acme, other)] == ["elsewhere", "low", "A", "b"]


@pytest.mark.parametrize(
    ("values", "header"),
    [
        ({"provider": "openai"}, ("authorization", f"Bearer {SECRET}")),
        ({"provider": "mistral"}, ("authorization", f"Bearer {SECRET}")),
        ({"provider": "bedrock", "options": {"region": "eu-central-1"}}, ("authorization", f"Bearer {SECRET}")),
        ({"provider": "anthropic"}, ("x-api-key", SECRET)),
        ({"provider": "azure_openai", "base_url": "https://acme.openai.azure.com/"}, ("api-key", SECRET)),
    ],
    ids=lambda value: str(value.get("provider", "")) if isinstance(value, dict) else "",
)
def test_each_provider_gets_the_header_that_it_takes(
    values: dict[str, Any], header: tuple[str, str], acme: Tenant
) -> None:
    credential_of(acme, **values)
    (found,) = hot(acme)
    assert headers_of(found) == [(header[0].encode(), header[1].encode())]
    assert SECRET not in repr(found)


def test_rotation_counts_at_once_and_so_does_putting_back(acme: Tenant) -> None:
    stored, seen = credential_of(acme), []
    process = Credentials()
    with asyncio.Runner() as runner:
        for change in ("", "rotate", "put back"):
            with acme.acting("owner") as actor:
                if change == "rotate":
                    overlap = timedelta(hours=1)
                    rotate_provider_credential(credential=stored, secret=OTHER, actor=actor, overlap=overlap)
                elif change == "put back":
                    put_back_former_secret(credential=stored, actor=actor)
            ((_name, value),) = runner.run(process.headers(hot(acme)[0]))
            seen.append(value)
        process.close()
    assert seen == [f"Bearer {each}".encode() for each in (SECRET, OTHER, SECRET)]


def test_a_deleted_one_and_one_without_its_data_key_are_gone(acme: Tenant) -> None:
    stored = credential_of(acme)
    credential_of(acme, name="second")
    with acme.acting("owner") as actor:
        delete_provider_credential(credential=stored, actor=actor)
    assert [each.name for each in hot(acme)] == ["second"]
    with tenant_scope(acme.organization):
        shred(organization_id=acme.organization.pk, actor=SYSTEM)
    assert hot(acme) == []


def test_an_address_that_the_operator_takes_back_is_left_out(acme: Tenant, provider: Receiver, settings: Any) -> None:
    credential_of(acme, provider="openai_compatible", base_url=provider.url)
    assert [each.upstream for each in hot(acme)] == [provider.url.removeprefix("http://")]
    settings.PROXY_UPSTREAMS = []
    assert hot(acme) == []


def test_a_token_is_asked_for_once_by_however_many_requests(acme: Tenant, giver: Receiver) -> None:
    giver.rule = lambda _request: token()
    oauth(acme, giver, scope="llm.read llm.write", audience="https://llm.example")
    (found,) = hot(acme)

    async def ask(process: Credentials) -> Any:
        many = await asyncio.gather(*(process.headers(found) for _ in range(50)))
        return [*many, await process.headers(found)]

    assert in_one_process(ask) == [[(b"authorization", b"Bearer t-1")]] * 51
    (asked,) = giver.requests
    form = parse_qs(asked.body.decode())
    assert form == {
        "grant_type": ["client_credentials"],
        "scope": ["llm.read llm.write"],
        "audience": ["https://llm.example"],
    }
    # RFC 6749 section 2.3.1: client id and secret are form-encoded before Basic joins them.
    assert asked.headers["authorization"] == "Basic YWNtZStjbGllbnQ6czNjcmV0JTJCb2YlMkZ0aGUlMkZjbGllbnQ="


def test_a_token_is_renewed_thirty_seconds_before_it_ends(acme: Tenant, giver: Receiver, monkeypatch: Any) -> None:
    answers = iter(["t-1", "t-2"])
    giver.rule = lambda _request: token(next(answers), expires_in=100)
    oauth(acme, giver, auth="post")
    (found,) = hot(acme)
    start = time.monotonic()

    async def ask(process: Credentials) -> list[bytes]:
        seen = []
        for later in (0, 69, 71):
            monkeypatch.setattr(hotpath, "monotonic", lambda later=later: start + later)
            seen.append((await process.headers(found))[0][1])
        return seen

    assert in_one_process(ask) == [b"Bearer t-1", b"Bearer t-1", b"Bearer t-2"]
    assert b"client_secret=s3cret%2Bof" in giver.requests[0].body
    assert "authorization" not in giver.requests[0].headers


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(500, b"sk-leaked"), "token endpoint at 127.0.0.1 answered with status 500"),
        (Answer(401, b'{"error": "sk-leaked"}'), "token endpoint at 127.0.0.1 answered with status 401"),
        (Answer(0), "closed"),
        (Answer(body=b"<html>"), "not JSON"),
        (Answer(body=b"[]"), "something else than a JSON object"),
        (Answer(body=b'{"access_token": "t", "token_type": "mac"}'), "gave no bearer token"),
        (Answer(body=b'{"access_token": "a\\r\\nb"}'), "cannot be sent as a header"),
        (Answer(302, headers={"location": "http://127.0.0.1/"}), "status 302"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_when_no_token_comes_the_refusal_says_so(
    answer: Answer, words: str, acme: Tenant, giver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    giver.rule = lambda _request: answer
    oauth(acme, giver)
    (found,) = hot(acme)

    async def ask(process: Credentials) -> list[Any]:
        return await asyncio.gather(*(process.headers(found) for _ in range(5)), return_exceptions=True)

    refusals = in_one_process(ask)
    assert len(giver.requests) == 1, "a failure is remembered for a moment: nobody storms the server"
    for refused in refusals:
        body = json.loads(refused.body("r"))
        assert (body["status"], body["code"]) == (503, "credential_unavailable")
        assert "cannot be used now" in body["detail"]
        assert "127.0.0.1" not in body["detail"], "who may only call models is not told where secrets lie"
        assert "OpenAI" not in body["detail"]
        assert refused.headers == [(b"retry-after", b"2")]
    assert words in caplog.text or words == "closed"
    told = caplog.text + "".join(refused.body("r").decode() for refused in refusals)
    assert "sk-leaked" not in told
    assert "s3cret" not in told


def test_a_slow_server_of_one_organization_keeps_no_other_waiting(
    acme: Tenant, globex: Tenant, giver: Receiver, monkeypatch: Any
) -> None:
    release = threading.Event()

    def slow(_request: Request) -> Answer:
        release.wait(10)
        return token("late")

    giver.rule = slow
    for number in range(40):
        credential_of(
            acme,
            name=f"slow {number}",
            kind="oauth_client",
            options={"token_url": f"{giver.url}/{number}", "client_id": "c"},
        )
    credential_of(globex)
    slow_ones, (quick,) = hot(acme), hot(globex)

    async def ask(process: Credentials) -> int:
        waiting = [asyncio.create_task(process.headers(each)) for each in slow_ones]
        await asyncio.sleep(0)
        async with asyncio.timeout(3):
            assert await process.headers(quick) == [(b"authorization", f"Bearer {SECRET}".encode())]
        done = sum(task.done() for task in waiting)
        release.set()
        await asyncio.gather(*waiting)
        return done

    assert in_one_process(ask) == 0
    assert len(giver.requests) == 40


def test_no_organization_holds_more_than_its_threads_even_when_nobody_waits_any_more(
    acme: Tenant, giver: Receiver, monkeypatch: Any
) -> None:
    monkeypatch.setattr(hotpath, "WAIT_SECONDS", 0.2)
    release = threading.Event()

    def slow(_request: Request) -> Answer:
        release.wait(10)
        return token("late")

    giver.rule = slow
    for number in range(20):
        options = {"token_url": f"{giver.url}/{number}", "client_id": "c"}
        credential_of(acme, name=f"slow {number}", kind="oauth_client", options=options)
    slow_ones = hot(acme)

    async def ask(process: Credentials) -> list[Any]:
        refusals = []
        for _ in range(2):
            refusals += await asyncio.gather(*(process.headers(each) for each in slow_ones), return_exceptions=True)
        return refusals

    try:
        refusals = in_one_process(ask)
    finally:
        release.set()
    assert all(isinstance(refused, Refused) for refused in refusals)
    assert len(giver.requests) == hotpath.THREADS_OF_ONE


def test_it_needs_no_app_registry() -> None:
    code = (
        "import sys; import gateway.hotpath.credentials;"
        "from django.apps import apps; assert not apps.ready;"
        "assert not any(name.startswith(('gateway.models', 'botocore', 'joserfc', 'hvac')) for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_who_gives_up_waiting_does_not_end_it_for_the_others(acme: Tenant, giver: Receiver) -> None:
    giver.rule = lambda _request: token()
    oauth(acme, giver)
    (found,) = hot(acme)

    async def ask(process: Credentials) -> Any:
        first, second = (asyncio.create_task(process.headers(found)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert in_one_process(ask) == [(b"authorization", b"Bearer t-1")]
    assert len(giver.requests) == 1


def test_a_wrong_key_encryption_key_is_a_503_and_not_a_500(acme: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    credential_of(acme)
    (found,) = hot(acme)
    broken = hotpath.Credential(**{name: getattr(found, name) for name in found.__slots__} | {"wrapped_by": 99})
    with pytest.raises(Refused, match="cannot be used now"):
        headers_of(broken)
    assert "Its secret does not open" in caplog.text
