"""Which part of a log an export holds, and the events of it, in the order of their numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import Q, QuerySet

from audit.models import Event
from audit.places import LogPlaces
from audit.query import Conditions, QueryError, conditions_of, parse
from audit.query.qualifiers import names
from audit.query.times import Span
from audit.querysets import EXPORT
from audit.sealing.reading import SealedEvent, stream_events
from isolation.actor import Actor
from isolation.exceptions import DomainError
from isolation.scope import APP, INSTALLATION, OPERATOR

EVERY_EVENT, SOME_EVENTS = 25_000, 250_000
"""Numbers that are read in one piece: of a whole range, and where most of them are left out."""

_COLUMNS = [each.attname for each in Event._meta.concrete_fields]
_SIZE = "SELECT max(size) FROM audit_checkpoint WHERE organization_id = %s"
_RANGE = """
SELECT min(seq), max(seq) + 1 FROM audit_leaf
WHERE organization_id = %(log)s AND seq < %(as_of)s
  AND (%(since)s::timestamptz IS NULL OR event_time >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR event_time < %(until)s)
"""
_NEXT = "SELECT min(size) FROM audit_checkpoint WHERE organization_id = %s AND size >= %s"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for: a period and conditions.

    Attributes:
        span: the period; where the query names a time, what both have in common.
        condition: on the columns, empty for every event of the period.
    """

    span: Span = field(default_factory=Span)
    condition: Q = field(default_factory=Q)

    @property
    def is_filtered(self) -> bool:
        """Return whether events of the period are left out."""
        return bool(self.condition)

    def is_range(self, *, whole: bool) -> bool:
        """Return whether it is a range of numbers without a gap; see `Selection.of`."""
        return not self.is_filtered and (whole or (self.span.since is None and self.span.until is None))

    def apply(self, events: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the events of the queryset that are asked for."""
        events = events.filter(self.condition)
        if self.span.since:
            events = events.filter(time__gte=self.span.since)
        return events.filter(time__lt=self.span.until) if self.span.until else events


@dataclass(frozen=True, slots=True)
class Selection:
    """A part of one log.

    Attributes:
        log: the organization, or `INSTALLATION`.
        first: the first number.
        end: the number after the last one; when nothing is left out, the size of a checkpoint.
        as_of: the size of the checkpoint that everything is proven by.
        only: a query for the events that are held, with its parameters; None for all of the range.
    """

    log: UUID
    first: int
    end: int
    as_of: int
    only: tuple[str, dict[str, Any]] | None = None

    @classmethod
    def of(cls, log: UUID, wanted: Wanted, *, first: int, end: int, as_of: int, whole: bool) -> Self:
        """Return what is wanted of a range.

        Args:
            log: the organization, or `INSTALLATION`.
            wanted: period and conditions.
            first: the range's first number, as `find_range` returned it.
            end: the number after its last one.
            as_of: the size of the checkpoint that events are proven by, when some are left out.
            whole: whether events of other times are taken along where they stand between those that are wanted: only
                a range without a gap is proven to be complete.
        """
        if wanted.is_range(whole=whole):
            return cls(log, first, end, end)
        return cls(log, first, end, as_of, _only(wanted, alias_of(log)))

    @property
    def is_complete(self) -> bool:
        """Return whether every event of the range is part of it."""
        return self.only is None

    @property
    def alias(self) -> str:
        """Return the database alias whose role reads this log."""
        return alias_of(self.log)

    def pieces(self, start: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield (first number, number after the last) of the pieces in which it is read."""
        size = EVERY_EVENT if self.is_complete else SOME_EVENTS
        for at in range(self.first if start is None else start, self.end, size):
            yield at, min(at + size, self.end)

    def events(self, start: int, end: int) -> Iterator[SealedEvent]:
        """Yield the events of a piece; a transaction of the log's role must be open."""
        return stream_events(connections[self.alias], self.log, start, end, only=self.only)


def alias_of(log: UUID) -> str:
    """Return the database alias whose role reads a log: a tenant's own, the operators' for the installation's."""
    return OPERATOR if log == INSTALLATION else APP


def wanted_of(query: str, *, since: datetime | None, until: datetime | None, actor: Actor, now: datetime) -> Wanted:
    """Return what a query and a period mean.

    Args:
        query: as `audit.query` reads it.
        since: where the period begins.
        until: the first moment after it.
        actor: whose names may be used.
        now: what "7d" counts from.

    Raises:
        DomainError: the query cannot be meant, or the period ends before it begins.
    """
    span = Span(since, until)
    if span.is_empty:
        raise DomainError("This is not later than the beginning.", field="until", code="invalid")
    try:
        # Whatever it costs: the worker has time.
        asked = conditions_of(parse(query, names(across=False)), LogPlaces(actor, EXPORT), now, spanned=True)
    except QueryError as error:
        raise DomainError(str(error), field="query", code="invalid") from error
    return _within(asked, span)


def sealed_size(log: UUID) -> int:
    """Return the size of a log's newest checkpoint, 0 when nothing is sealed."""
    with connections[alias_of(log)].cursor() as cursor:
        cursor.execute(_SIZE, [log])
        return int(cursor.fetchone()[0] or 0)


def find_range(log: UUID, wanted: Wanted, *, as_of: int, whole: bool) -> tuple[int, int]:
    """Return (first number, number after the last) of the part of a log that is wanted; it reads all leaves' times.

    Args:
        log: the organization, or `INSTALLATION`.
        wanted: period and conditions.
        as_of: the size of a checkpoint; what was sealed later is no part of it.
        whole: see `Selection.of`.

    Raises:
        DomainError: no sealed event is in the period.
    """
    with connections[alias_of(log)].cursor() as cursor:
        span = {"since": wanted.span.since, "until": wanted.span.until}
        cursor.execute(_RANGE, {"log": log, "as_of": as_of, **span})
        first, end = cursor.fetchone()
        if first is None:
            raise DomainError("No sealed event is in this period. Events are sealed within seconds.", code="empty")
        if wanted.is_range(whole=whole):
            cursor.execute(_NEXT, [log, end])
            end = cursor.fetchone()[0]
    return int(first), int(end)


def _within(asked: Conditions, span: Span) -> Wanted:
    both = asked.span.within(span)
    if both.is_empty:
        raise DomainError(
            "The period and the times in the query have nothing in common.", field="until", code="invalid"
        )
    return Wanted(both, asked.condition)


def _only(wanted: Wanted, alias: str) -> tuple[str, dict[str, Any]]:
    """Return the query for the events that are wanted; the leaves that it is joined to say whose log they are of."""
    rows = wanted.apply(QuerySet(Event, using=alias)).order_by().values_list(*_COLUMNS)
    try:
        sql, parameters = rows.query.get_compiler(using=alias).as_sql()
    except EmptyResultSet:
        sql, parameters = "SELECT * FROM audit_event WHERE false", ()
    pieces = sql.split("%s")
    named = "".join(f"{piece}%(only{number})s" for number, piece in enumerate(pieces[:-1])) + pieces[-1]
    return named, {f"only{number}": value for number, value in enumerate(parameters)}
