"""How many events happened when: one bounded statement, however many there are.

Where few events match, all of them are counted. Where many do, each bar counts up to a limit and says when it stopped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from django.db.models import Min, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from .models import Outcome
from .query.times import EARLIEST, Span, written
from .statements import connection, sql_of

WITHOUT_TIME = timedelta(days=30)
"""How far back the bars go when no time is asked for."""
MOST_BARS = 48
BUDGET = 12_000
"""Events that are read for one histogram at most."""

_STEPS = [
    *(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 7, 14, 28, 91, 182, 364)),
]


@dataclass(frozen=True, slots=True)
class Bar:
    """The events of one part of the time.

    Attributes:
        since, until: the part.
        counts: how many, by outcome.
        capped: whether there are more than were counted.
    """

    since: datetime
    until: datetime
    counts: dict[str, int]
    capped: bool

    @property
    def total(self) -> int:
        """Return how many events were counted."""
        return sum(self.counts.values())

    @property
    def time(self) -> str:
        """Return the part as a query names it."""
        return written(self.since, self.until)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars, oldest first.

    Attributes:
        bars: all of the same length.
        cap: at how many events a bar stops, 0 when all were counted.
    """

    bars: tuple[Bar, ...]
    cap: int

    @property
    def highest(self) -> int:
        """Return the number of events in the highest bar."""
        return max((bar.total for bar in self.bars), default=0)

    @property
    def is_capped(self) -> bool:
        """Return whether a bar stopped before its end."""
        return any(bar.capped for bar in self.bars)


def histogram(events: "QuerySet[Any]", span: Span, *, few: bool, now: datetime | None = None) -> Histogram:
    """Return how many of the events happened when.

    Args:
        events: scoped and filtered, without regard to their order.
        span: the time that was asked for; without a beginning the last `WITHOUT_TIME` of it, or all when there are few.
        few: whether so few events pass the filter that each can be counted.
        now: the end, when none was asked for.
    """
    now = now or timezone.now()
    until = min(span.until or now, now)
    since = span.since or until - WITHOUT_TIME
    if few and span.since is None:  # a young log, or a rare thing: from the first of them on
        since = events.order_by().filter(time__lt=until).aggregate(first=Min("time"))["first"] or until
    if since >= until:
        return Histogram((), 0)
    edges = list(_edges(since, until))
    cap = 0 if few else BUDGET // (len(edges) - 1)
    counts: list[dict[str, int]] = [{} for _ in edges[1:]]
    for number, outcome, count in _counted(events, edges, cap):
        counts[number - 1][outcome] = count
    return Histogram(tuple(_bars(edges, counts, cap)), cap)


def _bars(edges: list[datetime], counts: list[dict[str, int]], cap: int) -> Iterator[Bar]:
    for since, until, found in zip(edges, edges[1:], counts, strict=False):
        by_outcome = {outcome: found.get(outcome, 0) for outcome in Outcome.values}
        total = sum(by_outcome.values())
        yield Bar(since, until, by_outcome, capped=bool(cap) and total >= cap)


def _edges(since: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the beginning of each bar and the end of the last, on round times in UTC."""
    length = until - since
    step = next((step for step in _STEPS if length <= step * MOST_BARS), None)
    if step is None:
        days = ceil(length / MOST_BARS / timedelta(days=364))
        step = timedelta(days=364 * days)
    edge = EARLIEST + (since.astimezone(UTC) - EARLIEST) // step * step
    while edge < until:
        yield edge
        edge += step
    yield edge


def _counted(events: "QuerySet[Any]", edges: list[datetime], cap: int) -> list[tuple[int, str, int]]:
    """Return (number of the bar from 1, outcome, events)."""
    within = events.order_by().filter(time__gte=edges[0], time__lt=edges[-1])
    if cap:
        inside = within.filter(time__gte=RawSQL("bar.since", ()), time__lt=RawSQL("bar.until", ()))
        inner = inside.order_by("-time").values_list("outcome")[:cap]
    else:
        inner = within.values_list("outcome", "time")
    statement = sql_of(inner)
    if statement is None:
        return []
    sql, parameters = statement
    with connection().cursor() as cursor:
        if cap:
            cursor.execute(
                "SELECT bar.number, event.outcome, count(*) FROM unnest(%s::timestamptz[], %s::timestamptz[])"  # noqa: S608 - the ORM wrote the inner one
                f" WITH ORDINALITY AS bar(since, until, number) CROSS JOIN LATERAL ({sql}) AS event(outcome)"
                " GROUP BY 1, 2",
                [edges[:-1], edges[1:], *parameters],
            )
        else:
            cursor.execute(
                "SELECT width_bucket(event.time, %s::timestamptz[]) AS number, event.outcome, count(*)"  # noqa: S608 - the same
                f" FROM ({sql}) AS event(outcome, time) GROUP BY 1, 2",
                [edges, *parameters],
            )
        return [(int(number), str(outcome), int(count)) for number, outcome, count in cursor.fetchall()]
