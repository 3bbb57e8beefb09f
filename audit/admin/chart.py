"""The histogram as a drawing: rectangles, words and links."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

from django.db.models import QuerySet

from audit.histogram import WITHOUT_TIME, Bar, histogram
from audit.models import Outcome
from audit.query.times import Span

HEIGHT = 100
STEP = 10
_WIDTH = 8
_LEAST = 2.0
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Piece:
    """One rectangle: the events of a bar with one outcome."""

    outcome: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """One bar: where it stands, its pieces from below, what it says and where it leads."""

    x: int
    pieces: tuple[Piece, ...]
    label: str
    url: str
    capped: bool
    top: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the template draws.

    Attributes:
        columns: oldest first.
        width: of the drawing, in its own units.
        highest: the number at the top.
        cap: at how many events a bar stops; 0 when none did.
        edges: when it begins, its middle, when it ends.
        days: how many days it is limited to because no time was asked for; 0 otherwise.
    """

    columns: tuple[Column, ...]
    width: int
    highest: int
    cap: int
    edges: tuple[Any, ...]
    days: int


def chart_of(events: "QuerySet[Any]", span: Span, *, few: bool, link: Callable[[str], str]) -> Chart | None:
    """Return the chart of some events; None when there is nothing to draw.

    Args:
        events: scoped and filtered.
        span: the time that was asked for.
        few: whether each of them can be counted.
        link: makes the address of a bar from its time.
    """
    found = histogram(events, span, few=few)
    if not found.highest:
        return None
    columns = tuple(_column(number, bar, found.highest, link(bar.time)) for number, bar in enumerate(found.bars))
    middle = found.bars[len(found.bars) // 2].since
    return Chart(
        columns=columns,
        width=len(columns) * STEP,
        highest=found.highest,
        cap=found.cap if found.is_capped else 0,
        edges=(found.bars[0].since, middle, found.bars[-1].until),
        days=WITHOUT_TIME.days if span.since is None and not few else 0,
    )


def _column(number: int, bar: Bar, highest: int, url: str) -> Column:
    y = float(HEIGHT)
    pieces = []
    for outcome, count in bar.counts.items():
        if count:
            height = max(count / highest * (HEIGHT - STEP), _LEAST)
            y -= height
            pieces.append(Piece(outcome, round(y, 2), round(height, 2)))
    return Column(number * STEP, tuple(pieces), _label(bar), url if bar.total else "", bar.capped, round(y, 2))


def _label(bar: Bar) -> str:
    since, last = bar.since.astimezone(UTC), (bar.until - timedelta(minutes=1)).astimezone(UTC)
    whole_days = bar.until - bar.since >= _DAY
    if whole_days:
        time = f"{since:%Y-%m-%d}" if since.date() == last.date() else f"{since:%Y-%m-%d} to {last:%Y-%m-%d}"
    else:
        time = f"{since:%Y-%m-%d %H:%M} to {bar.until.astimezone(UTC):%H:%M} UTC"
    count = f"{bar.total:,}{' or more' if bar.capped else ''} event{'' if bar.total == 1 else 's'}"
    wrong = ", ".join(
        f"{bar.counts[outcome]:,} {outcome.label.lower()}"
        for outcome in (Outcome.DENIED, Outcome.FAILED)
        if bar.counts[outcome]
    )
    return f"{time}: {count}{f', {wrong}' if wrong else ''}"
