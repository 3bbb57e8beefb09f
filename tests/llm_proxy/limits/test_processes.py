"""Four processes of the operating system count together: never too many, and not one too few where limits are small."""

import asyncio
from collections import Counter
from typing import Any

import pytest
import redis

from gateway.hotpath.counters import script_arguments
from gateway.hotpath.limits import SLOT_SECONDS
from tests.llm_proxy.limits.stage import POSTGRES, Crowd, limit, process_at, request_of
from tests.people import Tenant

PROCESSES = 4


def outcomes(found: list[dict[str, Any]]) -> Counter[str]:
    """Return how all requests of all processes ended."""
    return sum((Counter(each["outcomes"]) for each in found), Counter())


@pytest.mark.parametrize("amount", [1, 10, 17])
def test_small_limits_are_exact(amount: int, place: str, acme: Tenant) -> None:
    given = limit("requests", "day", amount)
    found = outcomes(Crowd(place, acme, [given], requests=amount).run())
    assert found["admitted"] == amount
    assert found["budget_exceeded"] == 3 * amount


@pytest.mark.parametrize("amount", [5_000])
def test_large_limits_are_never_exceeded_and_cost_few_questions(amount: int, place: str, acme: Tenant) -> None:
    given = [limit("requests", "day", amount), limit("requests", "day", amount * 100, whose="actor")]
    found = Crowd(place, acme, given, requests=amount // 2, parallel=64).run()
    admitted = outcomes(found)["admitted"]
    # What a process holds when another one finds nothing left is what it may not use: at most a sixteenth each.
    assert amount * (1 - PROCESSES / 16) <= admitted <= amount
    assert sum(each["questions"] for each in found) < amount / 20

    async def rest() -> int:
        async with process_at(place) as process:
            return await process.admitted(lambda: request_of(acme), amount, *given)

    assert admitted + asyncio.run(rest()) == amount, "what was not used was given back"


def test_every_one_of_several_limits_is_exact(place: str, acme: Tenant) -> None:
    given = [limit("requests", "day", amount) for amount in (40, 25, 60)]
    assert outcomes(Crowd(place, acme, given, requests=50).run())["admitted"] == 25


def test_tokens_reserved_are_never_more_than_allowed(place: str, acme: Tenant) -> None:
    given = limit("tokens", "day", 10_000)
    found = outcomes(Crowd(place, acme, [given], requests=100, estimate=70).run())
    assert found["admitted"] * 70 <= 10_000
    assert found["admitted"] >= 10_000 * 12 / 16 // 70


def age(place: str, tenant: Tenant, given: dict[str, Any], seconds: int, superuser: Any) -> None:
    """Make the slots of a limit so much older."""
    if place == POSTGRES:
        older = "UPDATE gateway_usageslot SET expires_at = expires_at - %s * interval '1 second' WHERE limit_id = %s"
        superuser.execute(older, [seconds, given["id"]])
        return
    operation = {"limit": given["id"], "subject": given["subject"]}
    _, slots = script_arguments(str(tenant.organization.pk), [operation])["keys"]
    client: Any = redis.Redis.from_url(place)
    found = client.zrange(slots, 0, -1, withscores=True)
    assert len(found) == given["amount"]
    client.zadd(slots, {name: score - seconds * 1_000 for name, score in found})
    client.close()


def test_slots_of_processes_that_died_end_by_themselves(place: str, acme: Tenant, superuser: Any) -> None:
    given = limit("concurrency", "none", 3)
    Crowd(place, acme, [given], requests=1, processes=3, parallel=1, dies=True).run_to_death()

    async def ask() -> Any:
        async with process_at(place) as process:
            return await process.refusal(request_of(acme), given)

    assert asyncio.run(ask()) is not None
    age(place, acme, given, SLOT_SECONDS - 120, superuser)
    assert asyncio.run(ask()) is not None, "a long request is no dead one"
    age(place, acme, given, 120, superuser)
    assert asyncio.run(ask()) is None
