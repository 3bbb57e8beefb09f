"""Usage: added up in memory, written in batches, priced at the moment, never lost in order and never counted twice."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from gateway.hotpath.database import Unavailable
from gateway.hotpath.prices import Prices
from gateway.hotpath.usage import MOST_WAITING, Usage
from gateway.models import UsageHour
from gateway.services.prices import add_price, delete_price
from gateway.tasks import forget_usage
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tests.llm_proxy.limits.stage import POSTGRES, Process, in_process, request_of
from tests.people import Tenant


def price(model: str, *, ago: int = 1, **values: Any) -> Any:
    """Return a new price that began days ago."""
    given: dict[str, Any] = {"provider": "openai", "input": 2_500_000, "cached_input": 1_250_000, "output": 10_000_000}
    began = timezone.now() - timedelta(days=ago)
    return add_price(model=model, valid_from=began, actor=SYSTEM, **given | values)


def rows(tenant: Tenant) -> list[UsageHour]:
    """Return the hours of an organization."""
    with tenant_scope(tenant.organization):
        return list(UsageHour.objects.order_by("outcome", "model"))


def test_a_strangers_usage_is_its_own(acme: Tenant, globex: Tenant) -> None:
    async def work(process: Process) -> None:
        process.usage.note(request_of(acme), "allowed", input_tokens=10)
        process.usage.note(request_of(globex), "allowed", input_tokens=20)
        await process.usage.write()

    asyncio.run(in_process(POSTGRES, work))
    assert [row.input_tokens for row in rows(acme)] == [10]
    assert [row.input_tokens for row in rows(globex)] == [20]


def test_an_hours_requests_are_one_row_with_its_cost(acme: Tenant) -> None:
    price("gpt-4o*")

    async def work(process: Process) -> list[int]:
        await process.usage.write()  # reads the prices
        costs = []
        for _ in range(2):
            for _ in range(3):
                used = {"input_tokens": 1_000, "cached_tokens": 400, "output_tokens": 200}
                costs.append(process.usage.note(request_of(acme), "allowed", **used))
            process.usage.note(request_of(acme), "rate_limited")
            await process.usage.write()
        return costs

    # 600 × 2.50 + 400 × 1.25 + 200 × 10 dollars for a million tokens
    assert asyncio.run(in_process(POSTGRES, work)) == [4_000] * 6
    allowed, refused = rows(acme)
    assert (allowed.requests, allowed.input_tokens, allowed.cached_tokens, allowed.output_tokens, allowed.cost) == (
        *(6, 6_000, 2_400, 1_200),
        24_000,
    )
    assert (refused.outcome, refused.requests, refused.cost) == ("rate_limited", 2, 0)


def test_the_price_is_that_of_the_longest_name_and_of_the_moment(acme: Tenant) -> None:
    price("gpt*", input=1_000_000)
    price("gpt-4o*", input=2_000_000, ago=9)
    newer = price("gpt-4o*", input=3_000_000, ago=1)
    price("gpt-4o*", input=9_000_000, ago=-1)
    price("gpt-4o-mini", input=500_000, provider="azure_openai")

    def costs(*models: str) -> Any:
        async def work(process: Process) -> list[int]:
            await process.prices.refresh()
            return [
                process.usage.note(request_of(acme, model=model), "allowed", input_tokens=1_000_000) for model in models
            ]

        return asyncio.run(in_process(POSTGRES, work))

    assert costs("gpt-4o-mini", "gpt-5", "o1") == [3_000_000, 1_000_000, 0]
    delete_price(price=newer, actor=SYSTEM)
    assert costs("gpt-4o") == [2_000_000]


def test_prices_are_read_again_when_they_change(acme: Tenant) -> None:
    asked = []

    async def ask(statement: str, parameters: Sequence[Any]) -> Any:
        asked.append(statement)
        return []

    async def run() -> None:
        prices = Prices(ask)
        for what in ("", "", "org:1", "price:openai"):
            prices.heard(what)
            await prices.refresh()

    asyncio.run(run())
    assert len(asked) == 2


def test_what_cannot_be_written_waits_and_counts_once(acme: Tenant) -> None:
    async def work(process: Process) -> None:
        answers = iter(["before", "after", ""])

        async def flaky(statement: str, parameters: Sequence[Any]) -> Any:
            when = next(answers, "") if "add_usage" in statement else ""
            if when == "before":
                raise Unavailable
            found = await process.database.one(statement, parameters)
            if when == "after":  # it was carried out, and nobody heard of it
                raise Unavailable
            return found

        usage = Usage(flaky, Prices(flaky))
        usage.note(request_of(acme), "allowed", input_tokens=5)
        await usage.write()
        usage.note(request_of(acme), "allowed", input_tokens=5)
        await usage.write()
        await usage.write()

    asyncio.run(in_process(POSTGRES, work))
    (row,) = rows(acme)
    assert (row.requests, row.input_tokens) == (2, 10)


@pytest.mark.parametrize("model", ["a\0b", "\ud800", "x" * 4_000, "%_\\'"])
def test_whatever_a_client_calls_a_model_is_counted(model: str, place: str, acme: Tenant) -> None:
    from tests.llm_proxy.limits.stage import limit  # noqa: PLC0415 - a fixture has its name elsewhere

    each = limit("requests", "day", 1, whose="model")

    async def work(process: Process) -> list[bool]:
        found = [await process.refusal(request_of(acme, model=model), each) is None for _ in range(2)]
        process.usage.note(request_of(acme, model=model, actor_id="no uuid"), "allowed", input_tokens=-5)
        await process.usage.write()
        return found

    assert asyncio.run(in_process(place, work)) == [True, False]
    (row,) = rows(acme)
    assert (row.requests, row.input_tokens, row.actor_id) == (1, 0, None)


def test_memory_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async def away(statement: str, parameters: Sequence[Any]) -> Any:
        raise Unavailable

    usage = Usage(away, Prices(away))
    organization = str(uuid.uuid4())
    from gateway.hotpath.proxy_request import ProxyRequest  # noqa: PLC0415

    for number in range(MOST_WAITING + 5):
        usage.note(ProxyRequest("r", organization, "", model=str(number)), "allowed")
    assert len(usage._rows) == MOST_WAITING


def test_an_organization_that_has_gone_keeps_no_other_waiting(acme: Tenant) -> None:
    async def work(process: Process) -> None:
        gone = request_of(acme, organization_id=str(uuid.uuid4()))
        process.usage.note(gone, "allowed")
        process.usage.note(request_of(acme), "allowed")
        await process.usage.write()

    asyncio.run(in_process(POSTGRES, work))
    assert [row.requests for row in rows(acme)] == [1]


def test_hours_are_kept_as_long_as_the_setting_says(acme: Tenant, settings: Any) -> None:
    settings.USAGE_RETENTION_DAYS = 40
    with tenant_scope(acme.organization):
        for days in (1, 39, 41):
            hour = timezone.now() - timedelta(days=days)
            UsageHour.objects.create(organization=acme.organization, hour=hour, outcome="allowed", requests=days)
    assert forget_usage() == 1
    assert sorted(row.requests for row in rows(acme)) == [1, 39]
