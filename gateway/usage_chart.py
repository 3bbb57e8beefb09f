"""Days of usage as a drawing: rectangles and words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from .usage_figures import Figures

HEIGHT = 100
STEP = 10
_ROOM = 6
_LEAST = 1.5
_THOUSAND = 1_000
_UNITS = ("", " k", " M", " G", " T")


@dataclass(frozen=True, slots=True)
class Piece:
    """One rectangle of a day."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """A day: where it stands, its pieces from below, what it says."""

    x: int
    pieces: tuple[Piece, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the template draws.

    Attributes:
        title: what it shows.
        kinds: what its pieces are, from below.
        columns: oldest first.
        width: of the drawing, in its own units.
        highest: the number at the top, in words.
        edges: the first and the last day.
    """

    title: str
    kinds: tuple[str, ...]
    columns: tuple[Column, ...]
    width: int
    highest: str
    edges: tuple[datetime, datetime]


def chart_of(
    title: str,
    days: Sequence[tuple[datetime, Figures]],
    read: Callable[[Figures], tuple[int, ...]],
    say: Callable[[int], str],
    kinds: tuple[str, ...],
) -> Chart:
    """Return the chart of some days.

    Args:
        title: what it shows.
        days: oldest first.
        read: returns the numbers of a day, from below.
        say: writes a number for people.
        kinds: what the numbers are.
    """
    numbers = [read(figures) for _, figures in days]
    highest = max((sum(parts) for parts in numbers), default=0)
    columns = tuple(
        _column(place, day, parts, highest, say, kinds)
        for place, ((day, _), parts) in enumerate(zip(days, numbers, strict=True))
    )
    return Chart(title, kinds, columns, len(columns) * STEP, say(highest), (days[0][0], days[-1][0]))


def short(number: int) -> str:
    """Return a number with three digits or so: 1.2 M."""
    value, unit = float(number), 0
    while value >= _THOUSAND and unit < len(_UNITS) - 1:
        value, unit = value / _THOUSAND, unit + 1
    return f"{value:,.0f}{_UNITS[unit]}" if not unit or value >= 100 else f"{value:.1f}{_UNITS[unit]}"  # noqa: PLR2004


def _column(
    place: int,
    day: datetime,
    parts: tuple[int, ...],
    highest: int,
    say: Callable[[int], str],
    kinds: tuple[str, ...],
) -> Column:
    y = float(HEIGHT)
    pieces = []
    for kind, number in zip(kinds, parts, strict=True):
        if number:
            height = max(number / highest * (HEIGHT - _ROOM), _LEAST)
            y -= height
            pieces.append(Piece(kind, round(y, 2), round(height, 2)))
    said = ", ".join(f"{say(number)} {kind}" for kind, number in zip(kinds, parts, strict=True))
    return Column(place * STEP, tuple(pieces), f"{day:%Y-%m-%d}: {said}")
