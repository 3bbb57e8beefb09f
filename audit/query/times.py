"""The times of a query: days, months, moments, ranges, "the last 7 days"; in UTC unless they say more."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .errors import QueryError
from .terms import Value

ALLOWED = (
    "Write a day (2026-01-31), a month (2026-01), a moment (2026-01-31T09:00), a range (2026-01-01..2026-01-31), "
    ">, >=, < or <= before one of them, today, yesterday, or the last 24h, 7d, 4w."
)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)

_AGO = re.compile(r"(\d{1,4})([hdw])", re.ASCII)
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MINUTE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})?", re.ASCII)
_SECOND = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})?", re.ASCII)
_COMPARED = re.compile(r"(>=|<=|>|<)(.+)", re.DOTALL)
_DECEMBER = 12


@dataclass(frozen=True, slots=True)
class Span:
    """A range of time; None: without a bound.

    Attributes:
        since: its first moment.
        until: the first moment after it.
    """

    since: datetime | None = None
    until: datetime | None = None

    def within(self, other: "Span") -> "Span":
        """Return what both have in common."""
        since = max(filter(None, (self.since, other.since)), default=None)
        until = min(filter(None, (self.until, other.until)), default=None)
        return Span(since, until)

    @property
    def is_empty(self) -> bool:
        """Return whether it ends before it begins."""
        return self.since is not None and self.until is not None and self.since >= self.until


def span_of(value: Value, now: datetime) -> Span:
    """Return the range that a value of ``time:`` means.

    Raises:
        QueryError: it is none.
    """
    text = value.text
    if value.prefix:
        raise _wrong(value)
    if compared := _COMPARED.fullmatch(text):
        return _compared(compared[1], _unit(compared[2], value, now))
    first, dots, last = text.partition("..")
    if not dots:
        return _unit(text, value, now)
    if not first and not last:
        raise _wrong(value)
    span = Span(
        _unit(first, value, now).since if first else None,
        _end(_unit(last, value, now)) if last else None,
    )
    if span.is_empty:
        raise QueryError("This range ends before it begins.", position=value.position, piece=text)
    return span


def written(since: datetime, until: datetime) -> str:
    """Return the range of whole minutes as it is typed; its last minute is part of it."""
    last = until - timedelta(minutes=1)
    return f"{since.astimezone(UTC):%Y-%m-%dT%H:%M}..{last.astimezone(UTC):%Y-%m-%dT%H:%M}"


def _compared(sign: str, unit: Span) -> Span:
    return {
        ">": Span(since=_end(unit)),
        ">=": Span(since=unit.since),
        "<": Span(until=unit.since),
        "<=": Span(until=_end(unit)),
    }[sign]


def _end(unit: Span) -> datetime | None:
    """Return the end of a unit; 7d names the moment that long ago."""
    return unit.until or unit.since


def _unit(text: str, value: Value, now: datetime) -> Span:
    """Return the hour, day, month … that a text names."""
    try:
        found = _relative(text, now) or _absolute(text)
    except (ValueError, OverflowError):
        found = None
    if found is None or not all(EARLIEST <= moment <= LATEST for moment in (found.since, found.until) if moment):
        raise _wrong(value)
    return found


def _relative(text: str, now: datetime) -> Span | None:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match text.lower():
        case "today":
            return Span(midnight, midnight + timedelta(days=1))
        case "yesterday":
            return Span(midnight - timedelta(days=1), midnight)
    if ago := _AGO.fullmatch(text.lower()):
        return Span(max(now - int(ago[1]) * _UNITS[ago[2]], EARLIEST), None)
    return None


def _absolute(text: str) -> Span | None:
    if month := _MONTH.fullmatch(text):
        since = datetime(int(month[1]), int(month[2]), 1, tzinfo=UTC)
        after = since.replace(month=1, year=since.year + 1) if since.month == _DECEMBER else None
        return Span(since, after or since.replace(month=since.month + 1))
    if _DAY.fullmatch(text):
        return _lasting(text, timedelta(days=1))
    if _MINUTE.fullmatch(text):
        return _lasting(text, timedelta(minutes=1))
    if second := _SECOND.fullmatch(text):
        return _lasting(text, timedelta(microseconds=1) if second[1] else timedelta(seconds=1))
    return None


def _lasting(text: str, length: timedelta) -> Span:
    moment = datetime.fromisoformat(text)
    since = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return Span(since, since + length)


def _wrong(value: Value) -> QueryError:
    return QueryError(f"This is no time. {ALLOWED}", position=value.position, piece=value.text)
