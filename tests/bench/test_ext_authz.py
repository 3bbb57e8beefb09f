"""What the check of an LLM request costs: beside what the server itself costs for the same answer, and in memory."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from accounts.services.key_rules import IssuedKey
from gateway.hotpath.app import Gateway as Application
from gateway.hotpath.config import Config
from gateway.models import UsageLimit
from tests.bench.server import CONNECTIONS, ROOT, Server, compare
from tests.bench.verification.hello import authorized
from tests.gateway.check_stage import Proxy, check, store
from tests.gateway.process import Gateway, database_url
from tests.gateway.stage import Keys
from tests.people import Tenant

pytestmark = pytest.mark.bench

ROUNDS = 3
SECONDS = 12  # longer than memory lasts: asking the database again is part of it
TOKENS = 100
LIFE = 890
TURNS, CALLS = 40, 500
_SCRIPT = """
local shown, requests, number = {{}}, {{}}, 0
for line in io.lines("{bodies}") do shown[#shown + 1] = line end
init = function()
  for place, line in ipairs(shown) do
    local name, value = line:match("^([^ ]+) (.*)$")
    requests[place] = wrk.format("POST", "/check/v1/chat/completions", {{
      [name] = value, ["x-forwarded-for"] = "198.51.100.7", ["content-length"] = "0",
      ["x-request-id"] = "4f3c2b1a-0000-4000-8000-000000000001"
    }})
  end
end
request = function()
  number = number % #requests + 1
  return requests[number]
end
"""


@pytest.fixture
def keys(acme: Tenant) -> Keys:
    """Return acme's keys."""
    return Keys(acme)


def gateway(**variables: str) -> Server:
    """Return a gateway as it is deployed."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "GATEHOUSE_ENV": "test",
        "GATEHOUSE_DOTENV": "",
        "GATEHOUSE_HOME": str(settings.GATEHOUSE_HOME),
        "GATEWAY_DATABASE_URL": database_url(),
        "LOG_LEVEL": "WARNING",
        **variables,
    }
    return Server("asgi", "gateway.hotpath.app:application", "", environment)


def bare() -> Server:
    """Return the server alone, with an answer that is ready."""
    return Server("asgi", "tests.bench.verification.hello:authorized", "")


def shown_by(proxy: Proxy) -> list[str]:
    """Return tokens, one for each request in turn."""
    claims = proxy.claims()
    return [f"x-gatehouse-llm-auth {proxy.token(expires_at=claims.issued_at + LIFE)}" for _ in range(TOKENS)]


def report(title: str, servers: dict[str, Server]) -> None:
    base = servers["bare ASGI"]
    print(f"\n{title}: {CONNECTIONS} connections, one process each")
    for name, server in servers.items():
        print(
            f"  {name:<34} {server.rate:8.0f}/s  p99 {server.p99:6.2f} ms  {server.cost:6.0f} µs"
            f"   {server.rate / base.rate:5.2f} × bare"
        )


def test_ext_authz(acme: Tenant, tmp_path: Path) -> None:
    """16 connections show 100 tokens in turn; every candidate is granian with one process."""
    proxy = Proxy(acme)
    proxy.credential()
    servers = {
        "bare ASGI": bare(),
        "check, memory": gateway(),
        "check, memory, usage counted here": gateway(PROXY_TRANSFORMER="0"),
        "check, database each time": gateway(GATEWAY_CACHE_SECONDS="0"),
    }
    compare(servers, shown_by(proxy), tmp_path, rounds=ROUNDS, seconds=SECONDS, script=_SCRIPT)
    report(f"ext_authz, {TOKENS} tokens", servers)


def test_ext_authz_with_limits(acme: Tenant, tmp_path: Path) -> None:
    """The same where two limits count each request, in PostgreSQL."""
    proxy = Proxy(acme)
    proxy.credential()
    for kind, metric in (("organization", "requests"), ("project", "requests")):
        limit = UsageLimit(
            organization=acme.organization,
            subject_kind=kind,
            metric=metric,
            window="day",
            amount=10**12,
            created_by="bench",
        )
        store(limit, organization=acme.organization)
    servers = {"bare ASGI": bare(), "check, memory, two limits": gateway()}
    compare(servers, shown_by(proxy), tmp_path, rounds=ROUNDS, seconds=SECONDS, script=_SCRIPT)
    report(f"ext_authz with limits, {TOKENS} tokens", servers)


def test_ext_authz_with_keys(acme: Tenant, keys: Keys, tmp_path: Path) -> None:
    """The same with API keys in place of tokens."""
    proxy = Proxy(acme)
    proxy.configure(accepts_api_keys=True)
    proxy.credential()
    made: list[IssuedKey] = [keys.project(scopes=["llm:invoke"]) for _ in range(TOKENS)]
    with Gateway() as running:
        assert check(running, headers={"x-api-key": made[0].secret}).is_allowed
    servers = {"bare ASGI": bare(), "check, memory, API keys": gateway()}
    lines = [f"x-api-key {key.secret}" for key in made]
    compare(servers, lines, tmp_path, rounds=ROUNDS, seconds=SECONDS, script=_SCRIPT)
    report(f"ext_authz, {TOKENS} API keys", servers)


def test_the_check_itself(acme: Tenant) -> None:
    """What the application adds, without server and network: the fastest of many turns, which a busy machine leaves."""
    proxy = Proxy(acme)
    proxy.credential()
    headers = [
        (b"host", b"gateway:8001"),
        (b"x-gatehouse-llm-auth", proxy.token().encode()),
        (b"x-forwarded-for", b"198.51.100.7"),
        (b"content-length", b"0"),
        (b"x-request-id", b"4f3c2b1a-0000-4000-8000-000000000001"),
    ]
    scope = {"type": "http", "method": "POST", "query_string": b"", "client": ("127.0.0.1", 1), "headers": headers}
    scope |= {"path": "/check/v1/chat/completions", "raw_path": b"/check/v1/chat/completions"}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    async def measure() -> dict[str, float]:
        application = Application(Config(conninfo=database_url(), issuer=settings.JWT_ISSUER))
        await application._start_up()
        fastest: dict[str, float] = {}
        try:
            for _ in range(TURNS):
                for name, candidate in (("bare ASGI", authorized), ("check, memory", application)):
                    sent.clear()
                    started = time.perf_counter()
                    for _ in range(CALLS):
                        await candidate(scope, receive, send)
                    spent = (time.perf_counter() - started) / CALLS * 1e6
                    assert sent[0]["status"] == 200
                    fastest[name] = min(spent, fastest.get(name, spent))
                await asyncio.sleep(0.05)  # for the notifications
        finally:
            await application._shut_down()
        return fastest

    print("\nOne call: " + ", ".join(f"{name} {spent:.1f} µs" for name, spent in asyncio.run(measure()).items()))


def test_memory_of_ten_thousand_projects(db: None) -> None:
    """What a gateway process holds for 10,000 projects with a credential, an actor and a token each."""
    program = Path(__file__).with_name("remembered_places.py")
    result = subprocess.run([sys.executable, str(program)], cwd=ROOT, capture_output=True, text=True, check=True)
    measured = json.loads(result.stdout)
    print("\n10,000 projects: " + ", ".join(f"{name} {size:.0f} MB" for name, size in measured.items()))
