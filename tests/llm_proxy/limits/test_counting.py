"""Limits: what has room, what has none, and how it is said."""

import asyncio
from functools import partial
from typing import Any

import pytest

from gateway.hotpath.proxy_request import ProxyRequest
from tests.llm_proxy.limits.stage import Process, body, limit, process_at, request_of
from tests.people import Tenant


def test_a_stranger_counts_on_its_own(place: str, acme: Tenant, globex: Tenant) -> None:
    """The same limit's id in two organizations is two counters."""
    shared = limit("requests", "day", 3)

    async def both() -> tuple[int, int]:
        async with process_at(place) as process:
            ours = await process.admitted(lambda: request_of(acme), 5, shared)
            return ours, await process.admitted(lambda: request_of(globex), 5, shared)

    assert asyncio.run(both()) == (3, 3)


@pytest.mark.parametrize(
    ("metric", "window", "status", "code"),
    [
        ("requests", "minute", 429, "rate_limited"),
        ("requests", "day", 402, "budget_exceeded"),
        ("requests", "month", 402, "budget_exceeded"),
        ("tokens", "minute", 429, "rate_limited"),
        ("tokens", "day", 402, "budget_exceeded"),
        ("tokens", "month", 402, "budget_exceeded"),
        ("cost", "day", 402, "budget_exceeded"),
        ("cost", "month", 402, "budget_exceeded"),
        ("concurrency", "none", 429, "concurrency_exceeded"),
    ],
)
def test_what_is_used_up_is_refused_with_when_to_come_again(
    metric: str, window: str, status: int, code: str, place: str, acme: Tenant
) -> None:
    given = limit(metric, window, 3)

    async def fill(process: Process) -> Any:
        found = [await process.refusal(request_of(acme), given) for _ in range(4)]
        while found.count(None) > 3:  # the minute ended in between
            found = [await process.refusal(request_of(acme), given) for _ in range(4)]
        return found

    async def run() -> Any:
        async with process_at(place) as process:
            return await fill(process)

    *admitted, refused = asyncio.run(run())
    assert admitted == [None, None, None]
    assert (refused.status, body(refused)["code"], body(refused)["limit"]) == (status, code, given["id"])
    headers = dict(refused.headers)
    longest = {"minute": 60, "day": 86_400, "month": 31 * 86_400, "none": 1}[window]
    assert 1 <= int(headers[b"retry-after"]) <= longest
    assert headers[b"ratelimit-policy"].startswith(b'"%b";q=3' % metric.encode())
    assert headers[b"ratelimit"].startswith(b'"%b";r=0;t=' % metric.encode())


def test_every_limit_that_fits_has_to_have_room(place: str, acme: Tenant) -> None:
    wide, narrow = limit("requests", "day", 100), limit("requests", "day", 2, whose="project")
    elsewhere = limit("requests", "day", 0, whose="project", subject="00000000-0000-0000-0000-000000000001")
    off = limit("requests", "day", 0) | {"is_enabled": False}

    async def run() -> Any:
        async with process_at(place) as process:
            first = await process.admitted(lambda: request_of(acme), 5, wide, narrow, elsewhere, off)
            await process.tell()
            await process.tell()
            # What was refused by the narrow one was not counted by the wide one.
            return first, await process.admitted(lambda: request_of(acme), 200, wide)

    assert asyncio.run(run()) == (2, 98)


@pytest.mark.parametrize(
    ("whose", "name"), [("project", "project_id"), ("api_key", "api_key_id"), ("actor", "actor_id"), ("model", "model")]
)
def test_each_counts_on_its_own_and_one_can_be_named(whose: str, name: str, place: str, acme: Tenant) -> None:
    one, other = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
    each = limit("requests", "day", 2, whose=whose)
    named = limit("requests", "day", 1, whose=whose, subject=one)

    async def run() -> Any:
        async with process_at(place) as process:
            found = []
            for subject, limits in ((one, [each]), (other, [each]), (one, [named]), (other, [named])):
                values: dict[str, Any] = {name: subject}
                found.append(await process.admitted(partial(request_of, acme, **values), 4, *limits))
            return found

    assert asyncio.run(run()) == [2, 2, 1, 4]


def test_a_pattern_counts_all_its_models_together(place: str, acme: Tenant) -> None:
    mini = limit("requests", "day", 3, whose="model", subject="gpt-4o*")

    async def run() -> Any:
        async with process_at(place) as process:
            names = iter(["gpt-4o", "gpt-4o-mini", "claude", "gpt-4o", "gpt-4o-mini", "claude"])
            return [await process.refusal(request_of(acme, model=name), mini) is None for name in names]

    assert asyncio.run(run()) == [True, True, True, True, False, True]


def test_a_key_that_is_not_there_is_no_key(place: str, acme: Tenant) -> None:
    """A limit for each key says nothing about a person in a session."""
    each = limit("requests", "day", 1, whose="api_key")

    async def run() -> Any:
        async with process_at(place) as process:
            return await process.admitted(lambda: request_of(acme, api_key_id=None), 3, each)

    assert asyncio.run(run()) == 3


def test_a_model_that_only_the_body_names_is_counted_when_it_is_known(place: str, acme: Tenant) -> None:
    dear = limit("requests", "day", 1, whose="model", subject="o1*")

    async def ask(process: Process, model: str) -> Any:
        request = request_of(acme, model="")
        assert await process.refusal(request, dear) is None
        # The request goes from process to process by a header.
        request = ProxyRequest(**{name: getattr(request, name) for name in request.__slots__})
        request.model = model
        try:
            await process.limits.admit_body(request, 0)
        except Exception as refused:  # noqa: BLE001 - which one is the point
            return body(refused)["code"]  # type: ignore[arg-type]
        return None

    async def run() -> Any:
        async with process_at(place) as process:
            return [await ask(process, model) for model in ("o1-mini", "gpt-4o", "o1")]

    assert asyncio.run(run()) == [None, None, "budget_exceeded"]


def test_without_a_transformer_an_unnamed_model_counts_as_any(place: str, acme: Tenant) -> None:
    dear = limit("requests", "day", 1, whose="model", subject="o1*")

    async def run() -> Any:
        async with process_at(place, has_transformer=False) as process:
            return await process.admitted(lambda: request_of(acme, model=""), 3, dear)

    assert asyncio.run(run()) == 1


def test_tokens_are_reserved_and_settled(place: str, acme: Tenant) -> None:
    given = limit("tokens", "day", 1_000)

    async def run() -> Any:
        async with process_at(place) as here, process_at(place) as there:
            first = request_of(acme)
            assert await here.refusal(first, given, estimate=900) is None
            assert await here.refusal(request_of(acme), given, estimate=200) is not None
            # The transformer settles in a process of its own.
            await there.limits.settle(first, input_tokens=80, cached_tokens=0, output_tokens=20, cost=0)
            await there.tell()
            fits = await there.refusal(request_of(acme), given, estimate=900)
            return first.reservation, fits, await there.refusal(request_of(acme), given, estimate=1)

    reservation, fits, full = asyncio.run(run())
    assert reservation == ""
    assert fits is None
    assert "$" not in body(full)["detail"]
    assert full.status == 402


def test_more_than_was_estimated_is_counted_too(place: str, acme: Tenant) -> None:
    given = limit("tokens", "day", 1_000)

    async def run() -> Any:
        async with process_at(place) as process:
            request = request_of(acme)
            assert await process.refusal(request, given, estimate=10) is None
            await process.limits.settle(request, input_tokens=900, cached_tokens=0, output_tokens=300, cost=0)
            await process.tell()
            return await process.refusal(request_of(acme), given, estimate=1)

    assert asyncio.run(run()).status == 402


def test_a_request_above_the_whole_limit_needs_all_of_it(place: str, acme: Tenant) -> None:
    given = limit("tokens", "day", 100)

    async def run() -> Any:
        async with process_at(place) as process:
            return [await process.refusal(request_of(acme), given, estimate=4_000) is None for _ in range(2)]

    assert asyncio.run(run()) == [True, False]


def test_a_slot_is_free_when_its_request_has_ended(place: str, acme: Tenant) -> None:
    given = limit("concurrency", "none", 2)

    async def run() -> Any:
        async with process_at(place) as here, process_at(place) as there:
            first, second, third = (request_of(acme) for _ in range(3))
            assert await here.refusal(first, given) is None
            assert await there.refusal(second, given) is None
            refused = await here.refusal(third, given)
            again = request_of(acme)
            again.reservation = first.reservation
            await there.limits.release(first)
            await there.limits.release(again)  # ended twice: freed once
            await there.limits.write()
            async with asyncio.timeout(5):
                while await here.refusal(third, given):  # it believes for a moment that there is no room
                    await there.limits.write()
            return refused, await there.refusal(request_of(acme), given)

    refused, full = asyncio.run(run())
    assert body(refused)["code"] == body(full)["code"] == "concurrency_exceeded"


def test_what_another_limit_made_useless_is_given_back_at_once(place: str, acme: Tenant) -> None:
    """A small limit is never refused early because another one refused: not in another process either."""
    one, none = limit("requests", "day", 1, whose="actor"), limit("requests", "day", 0)

    async def run() -> Any:
        async with process_at(place) as here, process_at(place) as there:
            refused = await here.refusal(request_of(acme), one, none)
            await here.limits.write()
            return refused, await there.refusal(request_of(acme), one)

    refused, admitted = asyncio.run(run())
    assert refused.status == 402
    assert admitted is None
