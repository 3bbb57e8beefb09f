"""Sealed events as they are stored: the leaf, what was hashed, and the event that it is about."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from audit.leaf import FIELDS, SELECT, Row

AT_ONCE = 2_000

_COLUMNS = ", ".join(f"row.{name}" for name in FIELDS)
_ROWS = f"""
SELECT l.seq, l.hash, l.event_id::text, l.event_time, t.body, t.salts, e.id IS NOT NULL, {_COLUMNS}
FROM audit_leaf l
LEFT JOIN audit_leaftext t
  ON t.organization_id = l.organization_id AND t.seq = l.seq AND t.event_time = l.event_time
LEFT JOIN audit_event e ON e.id = l.event_id AND e.time = l.event_time
LEFT JOIN LATERAL (SELECT {SELECT}) AS row ON true
WHERE l.organization_id = %s AND l.seq >= %s AND l.seq < %s
ORDER BY l.seq
"""  # noqa: S608 - names of ours


@dataclass(slots=True)
class SealedEvent:
    """A leaf with what belongs to it.

    Attributes:
        seq: its number.
        hash: the leaf's hash as it is stored.
        event_id, event_time: which event it is about.
        body: what was hashed, None when it is gone.
        salts: of the commitments.
        row: the event's columns as texts, None when it is gone.
    """

    seq: int
    hash: bytes
    event_id: str
    event_time: Any
    body: str | None
    salts: bytes
    row: Row | None


def sealed_events(cursor: Any, log: UUID, start: int, end: int) -> Iterator[SealedEvent]:
    """Yield the leaves from number `start` to before `end`, as far as they are there.

    Args:
        cursor: of a role that may read the log and its events.
        log: the organization, or `notes.INSTALLATION`.
        start: the first number.
        end: the number after the last one.
    """
    for first in range(start, end, AT_ONCE):
        cursor.execute(_ROWS, [log, first, min(first + AT_ONCE, end)])
        for seq, digest, event, time, body, salts, there, *columns in cursor.fetchall():
            row = dict(zip(FIELDS, columns, strict=True)) if there else None
            yield SealedEvent(seq, bytes(digest), event, time, body, bytes(salts or b""), row)
