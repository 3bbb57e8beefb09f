"""Sealed events as they are stored: the leaf, what was hashed, and the event that it is about."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any
from uuid import UUID

from audit.leaf import FIELDS, SELECT, Row

AT_ONCE = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

COLUMNS_FROM = 7
"""Where the columns of the event begin in a fetched row, in the order of `FIELDS`."""
PLACES = {name: place for place, name in enumerate(FIELDS, start=COLUMNS_FROM)}
"""Where each column of the event stands in a fetched row."""
_COLUMNS = ", ".join(f"row.{name}" for name in FIELDS)
MICROSECONDS = "(extract(epoch FROM l.event_time) * 1000000)::bigint"
"""An event's time as it is fetched: a whole number is read much faster than a time."""
_ROWS = f"""
SELECT l.seq, l.hash, l.event_id::text, {MICROSECONDS}, t.body, t.salts, e.id IS NOT NULL, {_COLUMNS}
FROM audit_leaf l
LEFT JOIN audit_leaftext t
  ON t.organization_id = l.organization_id AND t.seq = l.seq AND t.event_time = l.event_time
    AND t.event_time BETWEEN %(earliest)s AND %(latest)s
{{events}}
LEFT JOIN LATERAL (SELECT {SELECT}) AS row ON true
WHERE l.organization_id = %(log)s AND l.seq >= %(start)s AND l.seq < %(end)s
ORDER BY l.seq
"""  # noqa: S608 - names of ours
# The times let PostgreSQL pass by the months in which none of these events is.
_TIMES = """
SELECT min(event_time), max(event_time) FROM audit_leaf
WHERE organization_id = %(log)s AND seq >= %(start)s AND seq < %(end)s
"""
_SAME = "ON e.id = l.event_id AND e.time = l.event_time AND e.time BETWEEN %(earliest)s AND %(latest)s"
_EVERY = f"LEFT JOIN audit_event e {_SAME}"
_SOME = f"JOIN ({{query}}) e {_SAME}"


class SealedEvent(tuple[Any, ...]):
    """A leaf with what belongs to it: a row as it is fetched, because exports read millions of them.

    Attributes:
        seq: its number.
        hash: the leaf's hash as it is stored.
        event_id, event_time: which event it is about.
        body: what was hashed, None when it is gone.
        salts: of the commitments.
        is_there: whether the event itself is there.
    """

    __slots__ = ()

    seq: int = property(itemgetter(0))  # type: ignore[assignment]
    hash: bytes = property(itemgetter(1))  # type: ignore[assignment]
    event_id: str = property(itemgetter(2))  # type: ignore[assignment]
    body: str | None = property(itemgetter(4))  # type: ignore[assignment]
    is_there: bool = property(itemgetter(6))  # type: ignore[assignment]

    @property
    def event_time(self) -> datetime:
        """Return when it happened."""
        return _EPOCH + timedelta(microseconds=self[3])

    @property
    def salts(self) -> bytes:
        """Return the salts, joined."""
        return self[5] or b""

    def value(self, name: str) -> str | None:
        """Return one of the event's columns; None when it is empty, or gone. The whole of `row` costs much more."""
        text: str | None = self[PLACES[name]]
        return text

    @property
    def row(self) -> Row | None:
        """Return the event's columns by their names, None when it is gone."""
        return dict(zip(FIELDS, self[COLUMNS_FROM:], strict=True)) if self.is_there else None

    def showing(self, row: Row, salts: bytes) -> "SealedEvent":
        """Return the same leaf beside other values.

        Args:
            row: the event's columns by their names.
            salts: of the commitments.
        """
        return SealedEvent((*self[:5], salts, True, *(row[name] for name in FIELDS)))


def sealed_events(cursor: Any, log: UUID, start: int, end: int) -> Iterator[SealedEvent]:
    """Yield the leaves from number `start` to before `end`, as far as they are there.

    Args:
        cursor: of a role that may read the log and its events.
        log: the organization, or `notes.INSTALLATION`.
        start: the first number.
        end: the number after the last one.
    """
    for first in range(start, end, AT_ONCE):
        sql, parameters = sealed_query(cursor, log, first, min(first + AT_ONCE, end))
        cursor.execute(sql, parameters)
        yield from map(SealedEvent, cursor.fetchall())


def stream_events(
    connection: Any, log: UUID, start: int, end: int, *, only: tuple[str, dict[str, Any]] | None = None
) -> Iterator[SealedEvent]:
    """Yield the same through a cursor of the server, so that memory stays flat; a transaction must be open.

    Args:
        connection: of a role that may read the log and its events.
        log: the organization, or `notes.INSTALLATION`.
        start: the first number.
        end: the number after the last one.
        only: a query for `audit_event` rows, with named parameters: leaves of other events are left out.
    """
    with connection.cursor() as cursor:
        sql, parameters = sealed_query(cursor, log, start, end, only=only)
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, parameters)
        while rows := cursor.fetchmany(AT_ONCE):
            yield from map(SealedEvent, rows)


def sealed_query(
    cursor: Any, log: UUID, start: int, end: int, *, only: tuple[str, dict[str, Any]] | None = None
) -> tuple[str, dict[str, Any]]:
    """Return the statement for leaves and what belongs to them, in their order."""
    parameters: dict[str, Any] = {"log": log, "start": start, "end": end}
    cursor.execute(_TIMES, parameters)
    earliest, latest = cursor.fetchone()
    events = _EVERY if only is None else _SOME.format(query=only[0])
    return _ROWS.format(events=events), {
        **parameters,
        "earliest": earliest,
        "latest": latest,
        **(only[1] if only else {}),
    }
