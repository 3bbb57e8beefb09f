"""What counting limits costs: a request that a lease covers, and four processes that share their counters."""

import asyncio
import time

import pytest

from tests.llm_proxy.limits.redis_server import redis_server
from tests.llm_proxy.limits.stage import POSTGRES, Crowd, Process, in_process, limit, request_of
from tests.people import Tenant

pytestmark = pytest.mark.bench

REQUESTS = 50_000
PROCESSES = 4
EACH = 25_000


def test_admitting_without_io(acme: Tenant) -> None:
    """One process, one connection, a lease that covers everything: what admitting itself costs."""
    sets = {
        "no limit": [],
        "1 limit": [limit("requests", "day", 10**12)],
        "3 limits": [limit("requests", "day", 10**12, whose=whose) for whose in ("organization", "project", "actor")],
        "3 limits and 1 in tokens, settled": [
            *(limit("requests", "day", 10**12, whose=whose) for whose in ("organization", "project", "actor")),
            limit("tokens", "day", 10**15),
        ],
    }

    async def work(process: Process) -> dict[str, float]:
        found = {}
        for name, limits in sets.items():
            requests = [request_of(acme) for _ in range(REQUESTS)]
            for _ in range(16):  # the lease grows with the use
                await asyncio.gather(*(process.limits.admit(each, limits, "closed", 500) for each in requests[:2_000]))
            settles = "settled" in name
            began = time.perf_counter()
            for request in requests:
                await process.limits.admit(request, limits, "closed", 500)
                if settles:
                    await process.limits.settle(request, input_tokens=300, cached_tokens=0, output_tokens=100, cost=0)
            found[name] = (time.perf_counter() - began) / REQUESTS * 1e6
            process.limits.tick()
            await process.limits.write()
        began = time.perf_counter()
        request = request_of(acme)
        for _ in range(REQUESTS):
            process.usage.note(request, "allowed", input_tokens=300, output_tokens=100)
        found["noting usage"] = (time.perf_counter() - began) / REQUESTS * 1e6
        return found

    print("\nµs for a request, without I/O")
    for name, micros in asyncio.run(in_process(POSTGRES, work)).items():
        print(f"  {name:35} {micros:6.2f}")


def test_four_processes(acme: Tenant) -> None:
    """Four processes of 64 connections each share one limit of the organization and one of each user."""
    with redis_server() as url:
        for name, place in (("PostgreSQL", POSTGRES), ("Redis", url)):
            amount = PROCESSES * EACH // 2
            limits = [limit("requests", "day", amount), limit("requests", "day", amount * 100, whose="actor")]
            found = Crowd(place, acme, limits, requests=EACH, processes=PROCESSES, parallel=64).run()
            admitted = sum(each["outcomes"].get("admitted", 0) for each in found)
            questions = sum(each["questions"] for each in found)
            seconds = max(each["seconds"] for each in found)
            print(
                f"\n{name}: {PROCESSES * EACH:,} requests in {seconds:.1f} s, {admitted:,} of {amount:,} admitted, "
                f"{questions:,} questions ({questions / (PROCESSES * EACH):.2%} of the requests)"
            )
            assert admitted <= amount
