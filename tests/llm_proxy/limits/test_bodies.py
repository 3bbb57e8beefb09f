"""What limits know once the body is known: the model and so the price, and how long the prompt is."""

import asyncio
from typing import Any

import pytest

from gateway.hotpath.problems import Refused
from gateway.hotpath.proxy_request import ProxyRequest
from gateway.hotpath.proxy_request import request_of as request_in
from gateway.models import CounterOutage
from tests.llm_proxy.limits.stage import POSTGRES, Process, body, limit, process_at, request_of
from tests.llm_proxy.limits.test_outage import free_port
from tests.llm_proxy.limits.test_usage import price
from tests.people import Tenant


async def arrived(process: Process, request: ProxyRequest, tokens: int = 0) -> dict[str, Any] | None:
    """Return why the transformer refuses a request whose body it has read, None when it goes on."""
    handed_on = request_in(request.header())
    handed_on.model = "gpt-4o"
    try:
        await process.limits.admit_body(handed_on, tokens)
    except Refused as refused:
        return body(refused)
    finally:
        request.reservation = handed_on.reservation
    return None


def test_money_is_reserved_when_the_body_has_named_the_model(place: str, acme: Tenant) -> None:
    price("gpt-4o*")
    given = limit("cost", "day", 50_000)

    async def run() -> Any:
        async with process_at(place) as gateway, process_at(place) as transformer:
            await transformer.prices.refresh()
            requests = [request_of(acme, model="") for _ in range(6)]
            admitted = [await gateway.refusal(each, given, estimate=1_000) for each in requests]
            refused = [await arrived(transformer, each) for each in requests]
            for each in requests:
                await transformer.limits.release(each)
            await transformer.tell()
            await gateway.tell()
            whole = request_of(acme)
            await gateway.prices.refresh()
            return admitted, refused, await gateway.refusal(whole, given, estimate=5_000)

    admitted, refused, whole = asyncio.run(run())
    assert admitted == [None] * 6, "nobody knows yet what they cost"
    assert refused[:4] == [None] * 4
    assert refused[5]["code"] == "budget_exceeded"
    assert "needs $0.010000" in refused[5]["detail"]
    assert whole is None, "what was given back is there again"


def test_a_long_prompt_needs_its_length(place: str, acme: Tenant) -> None:
    given = limit("tokens", "day", 10_000)

    async def run() -> Any:
        async with process_at(place) as gateway, process_at(place) as transformer:
            short, long = request_of(acme), request_of(acme)
            assert await gateway.refusal(short, given, estimate=1_000) is None
            assert await gateway.refusal(long, given, estimate=1_000) is None
            refused = await arrived(transformer, long, 9_500)
            await transformer.limits.release(long)
            await transformer.tell()
            again = request_of(acme)
            assert await gateway.refusal(again, given, estimate=1_000) is None
            return await arrived(transformer, short, 400), refused, await arrived(transformer, again, 9_000)

    short, refused, fits = asyncio.run(run())
    assert short is None
    assert refused["code"] == "budget_exceeded"
    assert "this request needs 9,500 tokens" in refused["detail"]
    assert fits is None


@pytest.mark.parametrize(("used", "left"), [(700, 300), (50, 950)])
def test_what_was_reserved_twice_is_settled_once(used: int, left: int, place: str, acme: Tenant) -> None:
    given = limit("tokens", "day", 1_000)

    async def run() -> Any:
        async with process_at(place) as process:
            request = request_of(acme)
            assert await process.refusal(request, given, estimate=100) is None
            assert await arrived(process, request, 600) is None
            await process.limits.settle(request, input_tokens=used, cached_tokens=0, output_tokens=0, cost=0)
            await process.tell()
            await process.tell()
            return [await process.refusal(request_of(acme), given, estimate=each) is None for each in (left + 1, left)]

    assert asyncio.run(run()) == [False, True]


def test_while_nobody_can_count_a_body_passes_where_the_organization_wants_that(acme: Tenant) -> None:
    given = limit("tokens", "day", 1_000)

    async def run() -> Any:
        async with process_at(f"redis://127.0.0.1:{free_port()}/0") as process:
            request = request_of(acme)
            assert await process.refusal(request, given, on_outage=CounterOutage.OPEN) is None
            return await arrived(process, request, 600)

    assert asyncio.run(run()) is None


def test_only_limits_that_may_count_a_request_go_along_with_it(acme: Tenant) -> None:
    """They go in a header, and an organization may have a hundred."""
    given = [limit("tokens", "day", 1_000, whose="api_key", subject=f"key-{number}") for number in range(100)]
    own = limit("tokens", "day", 1_000, whose="project")

    async def run() -> Any:
        async with process_at(POSTGRES) as process:
            request = request_of(acme, api_key_id="key-7")
            assert await process.refusal(request, *given, own) is None
            return request

    request = asyncio.run(run())
    assert {name for name in (given[7]["id"], own["id"]) if name in request.reservation} == {given[7]["id"], own["id"]}
    assert not any(each["id"] in request.reservation for each in given if each is not given[7])
    assert len(request.header()) < 4_096
