"""What a process remembers, and what it must not."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any
from uuid import uuid4

import pytest

from gateway.hotpath.memory import Memory
from gateway.hotpath.records import MemoryRecord, record_of

ONE = str(uuid4())


def record(**values: Any) -> MemoryRecord:
    """Return a valid project key's record."""
    return record_of(
        {
            "id": str(uuid4()),
            "kind": "project",
            "name": "Key",
            "public_id": "gatepk_prj_dev_x",
            "environment": "development",
            "scopes": ["traces:read", "no_longer:there"],
            "allowed_networks": [],
            "organization_networks": [],
            "issued": 1,
            "expires": None,
            "lives": None,
            "closed": False,
            "organization_id": str(uuid4()),
            "organization": "acme",
            "project_id": str(uuid4()),
            "project": "chatbot",
            "asked_id": None,
            "asked": None,
            "user_id": None,
            "service_account_id": None,
            "authority": [],
        }
        | values,
        "",
    )


@pytest.fixture
def memory() -> Memory:
    made: Memory[MemoryRecord] = Memory(size=3, remember=10, remember_unknown=2)
    made.trusted_until = time.monotonic() + 60
    return made


class Source:
    """Stands for the database, and answers when it is told to."""

    def __init__(self, answer: MemoryRecord | None) -> None:
        self.answer = answer
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def __call__(self) -> MemoryRecord | None:
        self.asked += 1
        await self.may_answer.wait()
        return self.answer


def run(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner() as runner:
        runner.run(work)


async def keep(memory: Memory, place: bytes, what: MemoryRecord | None) -> None:
    source = Source(what)
    source.may_answer.set()
    await memory.find(place, source)


def test_those_who_ask_at_the_same_time_ask_once(memory: Memory) -> None:
    async def work() -> None:
        source = Source(record())
        asking = [asyncio.create_task(memory.find(b"a", source)) for _ in range(20)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        source.may_answer.set()
        assert await asyncio.gather(*asking) == [source.answer] * 20
        assert source.asked == 1
        assert memory.recall(b"a", time.monotonic()) is source.answer

    run(work())


@pytest.mark.parametrize("word", ["id", "organization_id", "owner_id"])
def test_what_changes_while_it_is_looked_up_is_not_kept(memory: Memory, word: str) -> None:
    async def work() -> None:
        owned = record(kind="organization", project_id=None, project=None, user_id=str(uuid4()))
        source, later = Source(owned), Source(owned)
        early = asyncio.create_task(memory.find(b"a", source))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        memory.heard(f"something:{getattr(owned, word)}")
        # Who asks now does not get what was asked before the change.
        late = asyncio.create_task(memory.find(b"a", later))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert later.asked == 1
        source.may_answer.set()
        assert await early is owned
        assert memory.recall(b"a", time.monotonic()) is None
        assert owned.until == 0
        later.may_answer.set()
        await late
        assert memory.recall(b"a", time.monotonic()) is owned

    run(work())


def test_the_change_of_another_organization_does_not_matter(memory: Memory) -> None:
    async def work() -> None:
        source = Source(record())
        asking = asyncio.create_task(memory.find(b"a", source))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        memory.heard(f"org:{uuid4()}")
        source.may_answer.set()
        await asking
        assert memory.recall(b"a", time.monotonic()) is source.answer

    run(work())


def test_what_is_dropped_is_dead_wherever_it_is_held(memory: Memory) -> None:
    async def work() -> None:
        first, second = record(organization_id=ONE), record(organization_id=ONE)
        await keep(memory, b"a", first)
        await keep(memory, b"b", second)
        memory.heard(f"key:{first.id}")
        assert (first.until, second.until > time.monotonic()) == (0, True)
        memory.heard(f"org:{ONE}")
        assert second.until == 0
        assert len(memory) == 0

    run(work())


def test_it_is_bounded_and_the_least_used_goes_first(memory: Memory) -> None:
    async def work() -> None:
        held = {place: record(organization_id=ONE) for place in (b"a", b"b", b"c")}
        for place, what in held.items():
            await keep(memory, place, what)
        assert memory.recall(b"a", time.monotonic())
        await keep(memory, b"d", record())
        assert len(memory) == 3
        assert memory.recall(b"b", time.monotonic()) is None
        assert held[b"b"].until == 0
        for number in range(50):
            await keep(memory, b"unknown %d" % number, None)
        assert memory.recall(b"unknown 49", time.monotonic()) is False
        assert memory.recall(b"unknown 1", time.monotonic()) is None

    run(work())


def test_a_new_key_ends_what_was_unknown(memory: Memory) -> None:
    async def work() -> None:
        await keep(memory, b"a", None)
        memory.heard(f"org:{uuid4()}")
        assert memory.recall(b"a", time.monotonic()) is False
        memory.heard(f"key:{uuid4()}")
        assert memory.recall(b"a", time.monotonic()) is None

    run(work())


def test_without_notifications_nothing_is_believed_or_kept(memory: Memory) -> None:
    async def work() -> None:
        kept, source = record(), Source(record())
        await keep(memory, b"a", kept)
        asking = asyncio.create_task(memory.find(b"b", source))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        memory.forget_everything()
        assert kept.until == 0
        memory.trusted_until = time.monotonic() + 60
        source.may_answer.set()
        await asking
        assert memory.recall(b"a", time.monotonic()) is None
        assert memory.recall(b"b", time.monotonic()) is None
        assert memory.has_proved(b"a")  # asking for it again is no guess
        memory.trusted_until = 0
        await keep(memory, b"c", record())
        memory.trusted_until = time.monotonic() + 60
        assert memory.recall(b"c", time.monotonic()) is None

    run(work())


def test_nothing_outlives_the_key(memory: Memory) -> None:
    async def work() -> None:
        short = record()
        short.ends = time.monotonic() + 0.5
        await keep(memory, b"a", short)
        assert short.until == short.ends
        over = record(closed=True)
        await keep(memory, b"b", over)
        assert not over.is_active
        assert over.until < time.monotonic() + 2.1

    run(work())


def test_memory_holds_no_key(memory: Memory) -> None:
    other: Memory[MemoryRecord] = Memory(size=1, remember=1, remember_unknown=1)
    assert memory.place_of("gatesk_x") != other.place_of("gatesk_x")
    assert b"gatesk" not in memory.place_of("gatesk_x")
    assert len(memory.place_of("gatesk_x")) == 16
