"""The last two days of a sink as a small drawing: a bar for each hour."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from audit.models import SinkHour

HOURS = 48
HEIGHT = 24
STEP = 3
_LEAST = 2.0


@dataclass(frozen=True, slots=True)
class Hour:
    """One bar: where it stands, how high it is, whether something went wrong."""

    x: int
    y: float
    height: float
    wrong: bool
    label: str


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Everything that the template draws.

    Attributes:
        bars: oldest first; hours without anything have none.
        delivered, refused, failures: in all of these hours.
    """

    bars: tuple[Hour, ...]
    delivered: int
    refused: int
    failures: int
    width: int = HOURS * STEP
    height: int = HEIGHT

    @property
    def label(self) -> str:
        """Return what it shows, in words."""
        told = f"{self.delivered:,} event{'' if self.delivered == 1 else 's'} delivered in the last {HOURS} hours"
        return told + _wrong(self.refused, self.failures)


def first_hour() -> datetime:
    """Return when the oldest hour that is drawn begins."""
    return timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)


def sparkline_of(hours: Iterable[SinkHour]) -> Sparkline:
    """Return the drawing of a sink's hours; those before `first_hour` are left out."""
    first = first_hour()
    rows = sorted((row for row in hours if row.hour >= first), key=lambda row: row.hour)
    highest = max((row.delivered for row in rows), default=0) or 1
    return Sparkline(
        bars=tuple(_bar(row, first, highest) for row in rows),
        delivered=sum(row.delivered for row in rows),
        refused=sum(row.refused for row in rows),
        failures=sum(row.failures for row in rows),
    )


def _bar(row: SinkHour, first: datetime, highest: int) -> Hour:
    place = int((row.hour - first).total_seconds() // 3_600)
    height = round(max(row.delivered / highest * HEIGHT, _LEAST), 1)
    wrong = _wrong(row.refused, row.failures)
    told = f"{row.hour.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {row.delivered:,} delivered{wrong}"
    return Hour(place * STEP, round(HEIGHT - height, 1), height, bool(wrong), told)


def _wrong(refused: int, failures: int) -> str:
    if not (refused or failures):
        return ""
    return f", {refused:,} refused, {failures:,} failed {'try' if failures == 1 else 'tries'}"
