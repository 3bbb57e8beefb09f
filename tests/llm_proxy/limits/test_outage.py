"""When nobody can count: refused, or let through and said so, as the organization chose; leases go on."""

import asyncio
import logging
import socket
from typing import Any

import pytest

from gateway.hotpath.counters import CountersAway, counters_at
from gateway.models import CounterOutage
from tests.llm_proxy.limits.redis_server import redis_server
from tests.llm_proxy.limits.stage import POSTGRES, Process, body, in_process, limit, process_at, request_of
from tests.people import Tenant


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_closed_refuses_and_open_lets_through_and_says_so(acme: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    given = limit("requests", "day", 5)

    async def work(process: Process) -> Any:
        refused = await process.refusal(request_of(acme), given)
        passed = [
            await process.refusal(request_of(acme), given, on_outage=CounterOutage.OPEN) is None for _ in range(3)
        ]
        unlimited = await process.refusal(request_of(acme))
        return refused, passed, unlimited

    with caplog.at_level(logging.WARNING, "gatehouse.gateway"):
        refused, passed, unlimited = asyncio.run(in_process(f"redis://127.0.0.1:{free_port()}/0", work))
    assert (refused.status, body(refused)["code"]) == (503, "counters_unavailable")
    assert dict(refused.headers)[b"retry-after"] == b"1"
    assert passed == [True] * 3
    assert unlimited is None, "who has no limits is not concerned"
    said = [record for record in caplog.records if "let through" in record.message]
    assert len(said) == 1
    assert str(acme.organization.pk) in said[0].message


def test_counting_goes_on_when_redis_is_back_and_has_forgotten(acme: Tenant) -> None:
    """A day and a month go on from the hours that are written; a minute begins anew."""
    port = free_port()
    day, minute = limit("requests", "day", 10), limit("requests", "minute", 1_000_000)

    async def use(process: Process, count: int) -> int:
        admitted = 0
        for _ in range(count):
            request = request_of(acme)
            if await process.refusal(request, day, minute) is None:
                admitted += 1
                process.usage.note(request, "allowed")
        await process.usage.write()
        return admitted

    async def run() -> Any:
        async with process_at(f"redis://127.0.0.1:{port}/0") as process:
            with redis_server(port):
                before = await use(process, 6)
            away = await process.refusal(request_of(acme), day, minute)
            process.limits._away_until = 0.0
            with redis_server(port):
                return before, away, await use(process, 9)

    before, away, after = asyncio.run(run())
    assert before == 6
    assert body(away)["code"] == "counters_unavailable"
    assert after == 4


def test_postgres_goes_on_from_the_hours_too(acme: Tenant, superuser: Any) -> None:
    given = limit("tokens", "month", 100, whose="model", subject="gpt_*")
    other = limit("tokens", "month", 100, whose="model")

    async def work(process: Process) -> Any:
        process.usage.note(request_of(acme, model="gpt_4"), "allowed", input_tokens=60, output_tokens=20)
        process.usage.note(request_of(acme, model="gpt-4"), "allowed", input_tokens=1_000)
        process.usage.note(request_of(acme, model="gpt_4"), "rate_limited", input_tokens=1_000)
        await process.usage.write()
        return [
            await process.refusal(request_of(acme, model="gpt_4"), each, estimate=estimate) is None
            for each, estimate in ((given, 21), (given, 20), (other, 21), (other, 20))
        ]

    assert asyncio.run(in_process(POSTGRES, work)) == [False, True, False, True]


def test_what_is_uncertain_is_not_given_back_twice(acme: Tenant, place: str) -> None:
    given = limit("tokens", "day", 100)

    async def run() -> Any:
        async with process_at(place) as process:
            shared = process.limits._counters
            settle = shared.settle

            async def lost(*arguments: Any) -> None:
                await settle(*arguments)
                raise CountersAway

            request = request_of(acme)
            assert await process.refusal(request, given, estimate=60) is None
            shared.settle = lost  # type: ignore[method-assign,assignment]
            await process.limits.settle(request, input_tokens=10, cached_tokens=0, output_tokens=0, cost=0)
            await process.limits.write()
            shared.settle = settle  # type: ignore[method-assign]
            await process.limits.write()
            return [await process.refusal(request_of(acme), given, estimate=each) is None for each in (91, 90, 1)]

    assert asyncio.run(run()) == [False, True, False]


def test_without_an_address_the_database_counts() -> None:
    async def ask(*_: Any) -> Any:
        return None

    assert type(counters_at("", ask)).__name__ == "PostgresCounters"
    assert type(counters_at("rediss://redis.example:6379/2", ask)).__name__ == "RedisCounters"
