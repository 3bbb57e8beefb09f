"""The counters that all processes share: in Redis, or in PostgreSQL where there is none."""

import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import redis.asyncio
from redis.exceptions import RedisError

from .database import Unavailable

logger = logging.getLogger("gatehouse.gateway")

SCRIPT = (Path(__file__).parent / "counters.lua").read_text(encoding="utf-8")
ANSWER_SECONDS = 1.0
MICRO = 1_000_000

Ask = Callable[[str, Sequence[Any]], Awaitable[Any]]
"""Asks PostgreSQL one statement and returns its only value; raises `Unavailable`."""


class CountersAway(Exception):  # noqa: N818 - reads as the statement it is
    """Nobody can say how much of a limit is left."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How much of one counter a process would like to have.

    Attributes:
        limit_id: the limit's.
        kind: whose use it counts (`gateway.models.LimitSubject`).
        subject: who that is; a pattern where the limit names one.
        each: whether the limit counts every subject of its kind on its own.
        metric, window, amount: the limit's.
        need: what has to be granted; otherwise nothing is.
        want: what would be useful.
        names: for requests at the same time, names for as many slots as are wanted.
        seconds: after which a slot ends by itself.
    """

    limit_id: str
    kind: str
    subject: str
    each: bool
    metric: str
    window: str
    amount: int
    need: int
    want: int
    names: Sequence[str] = ()
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """What a process got.

    Attributes:
        granted: 0, or at least what was needed.
        left: what is left after that.
        started: the window's begin, in seconds of Unix time.
        seconds: until the window ends.
    """

    granted: int
    left: int
    started: int
    seconds: float


@dataclass(slots=True)
class Change:
    """What became of something that was taken.

    Attributes:
        limit_id, subject, window: which counter.
        started: the window that it was taken from.
        delta: below zero what was not used, above zero what was used besides.
        names: the slots that are free again.
    """

    limit_id: str
    subject: str
    window: str
    started: int
    delta: int = 0
    names: list[str] = field(default_factory=list)


class Counters(Protocol):
    """Where the shared counters are."""

    async def take(self, organization_id: str, wishes: Sequence[Wish]) -> list[Grant]:
        """Return what is granted of each wish, in their order; each stands for itself.

        Raises:
            CountersAway: nobody can say; perhaps something was taken all the same.
        """

    async def settle(self, organization_id: str, changes: Sequence[Change]) -> None:
        """Write changes.

        Raises:
            CountersAway: perhaps they were not written.
        """

    async def close(self) -> None:
        """Close every connection."""


class PostgresCounters:
    """Counters in unlogged tables, by one SQL function (`gateway/migrations/counting.sql`).

    Args:
        ask: asks the database.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def take(self, organization_id: str, wishes: Sequence[Wish]) -> list[Grant]:
        """See `Counters.take`."""
        asked = [
            {
                "place": place,
                "limit": wish.limit_id,
                "subject": wish.subject,
                "kind": wish.kind,
                "each": wish.each,
                "metric": wish.metric,
                "window": wish.window,
                "amount": wish.amount,
                "need": wish.need,
                "want": wish.want,
                "slots": list(wish.names),
                "seconds": wish.seconds,
            }
            for place, wish in enumerate(wishes)
        ]
        found = await self._one("SELECT gateway_lease(%s, %s::jsonb)", [organization_id, json.dumps(asked)])
        return [Grant(*found[str(place)]) for place in range(len(wishes))]

    async def settle(self, organization_id: str, changes: Sequence[Change]) -> None:
        """See `Counters.settle`."""
        asked = [
            {
                "limit": change.limit_id,
                "subject": change.subject,
                "window": change.window,
                "started": change.started,
                "delta": change.delta,
                "slots": change.names,
            }
            for change in changes
        ]
        await self._one("SELECT gateway_settle(%s, %s::jsonb)", [organization_id, json.dumps(asked)])

    async def close(self) -> None:
        """Do nothing: the database is somebody else's."""

    async def _one(self, statement: str, parameters: Sequence[Any]) -> Any:
        try:
            return await self._ask(statement, parameters)
        except Unavailable as error:
            raise CountersAway from error


class RedisCounters:
    """Counters in Redis, by one script. What Redis has forgotten of a day or month goes on from the hours written.

    Args:
        url: redis:// or rediss://.
        ask: asks the database what was used, when Redis does not know.
    """

    def __init__(self, url: str, ask: Ask) -> None:
        self._ask = ask
        self._redis: Any = redis.asyncio.Redis.from_url(
            url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS, max_connections=8
        )
        self._script = self._redis.register_script(SCRIPT)

    async def take(self, organization_id: str, wishes: Sequence[Wish]) -> list[Grant]:
        """See `Counters.take`."""
        operations = [take_operation(wish) for wish in wishes]
        answers = await self._run(organization_id, operations)
        unknown = [place for place, answer in enumerate(answers) if answer[4]]
        if unknown:
            for place in unknown:
                operations[place]["seed"] = await self._used(organization_id, wishes[place], answers[place][2])
            again = await self._run(organization_id, [operations[place] for place in unknown])
            for place, answer in zip(unknown, again, strict=True):
                answers[place] = answer
        return [Grant(granted, left, start, rest / 1000) for granted, left, start, rest, _ in answers]

    async def settle(self, organization_id: str, changes: Sequence[Change]) -> None:
        """See `Counters.settle`."""
        await self._run(organization_id, [settle_operation(change) for change in changes])

    async def close(self) -> None:
        """Close every connection."""
        await self._redis.aclose()

    async def _used(self, organization_id: str, wish: Wish, started: int) -> int:
        try:
            found: int = await self._ask(
                "SELECT gateway_used_by(%s, %s, %s, %s, %s, to_timestamp(%s))",
                [organization_id, wish.kind, wish.subject, wish.each, wish.metric, started],
            )
        except Unavailable as error:
            raise CountersAway from error
        return found

    async def _run(self, organization_id: str, operations: Sequence[dict[str, Any]]) -> list[Any]:
        try:
            answers: list[Any] = await self._script(**script_arguments(organization_id, operations))
        except (RedisError, OSError, TimeoutError) as error:
            logger.warning("Redis does not count: %s", type(error).__name__)
            raise CountersAway from error
        return answers


def counters_at(url: str, ask: Ask) -> Counters:
    """Return the counters at an address, those of the database when there is none."""
    return RedisCounters(url, ask) if url else PostgresCounters(ask)


def take_operation(wish: Wish) -> dict[str, Any]:
    """Return a wish as the script reads it."""
    operation: dict[str, Any] = {
        "limit": wish.limit_id,
        "subject": wish.subject,
        "amount": wish.amount,
        "need": wish.need,
        "want": wish.want,
    }
    if wish.window == "none":
        return operation | {"op": "slots", "names": list(wish.names), "seconds": wish.seconds}
    return operation | {"op": "take", "window": wish.window, "months": months()}


def settle_operation(change: Change) -> dict[str, Any]:
    """Return a change as the script reads it."""
    operation: dict[str, Any] = {"limit": change.limit_id, "subject": change.subject}
    if change.window == "none":
        return operation | {"op": "free", "names": change.names}
    return operation | {
        "op": "settle",
        "window": change.window,
        "started": change.started,
        "delta": change.delta,
        "months": months(),
    }


def script_arguments(organization_id: str, operations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the script's arguments; all keys of an organization stand in one slot of a cluster."""
    keys = []
    for operation in operations:
        place = f"gatehouse:{{{organization_id}}}:limit:{operation['limit']}"
        keys += [place, slots_key(place, operation.get("subject", ""))]
    return {"keys": keys, "args": [json.dumps(operations)]}


def slots_key(place: str, subject: str) -> str:
    """Return where the slots of one subject of a limit are."""
    return f"{place}:{subject}"


def months() -> list[int]:
    """Return the begins of the former, the running and the next two months (UTC), in seconds of Unix time."""
    today = datetime.fromtimestamp(time.time(), UTC)
    first = today.year * 12 + today.month - 2
    return [
        int(datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC).timestamp()) for number in range(first, first + 4)
    ]
