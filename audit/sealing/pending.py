"""The events that are not sealed yet, found by what the last batch could not see.

A row is new when its transaction had not ended in the snapshot that the last batch stored, and has in this one. Ids,
times and sequences do not tell: rows commit later than they are written, in any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from audit.leaf import SELECT

from .snapshots import Snapshot

# Not sealed, whatever snapshots say: after a restore the numbers of old rows come up once more.
_UNSEALED = sql.SQL("""
NOT EXISTS (SELECT FROM audit_leaf l
    WHERE l.organization_id = coalesce(e.organization_id, '00000000-0000-0000-0000-000000000000')
      AND l.event_id = e.id AND l.event_time = e.time)
""")
_SELECT = sql.SQL(SELECT)
_ORDER = sql.SQL("ORDER BY e.organization_id NULLS FIRST, e.time, e.id")


@dataclass(frozen=True, slots=True)
class Pending:
    """A batch of new events.

    Attributes:
        query: selects them, by organization and time.
        reached: the snapshot up to which everything is sealed with this batch.
        more: whether there are further ones.
        full: with so many events the batch is full: there are further ones, and `reached` is not reached.
    """

    query: sql.Composed
    reached: Snapshot
    more: bool
    full: int | None = None


def by_snapshot(cursor: Any, *, last: Snapshot, now: Snapshot, limit: int) -> Pending:
    """Return the next events that ended since `last`; those of one transaction stay together.

    Args:
        cursor: of `sealer_cursor`.
        last: what the last batch stored.
        now: this transaction's snapshot.
        limit: events in the batch, roughly.
    """
    reached = _cut(cursor, last=last, now=now, limit=limit)
    # Together: NOT pg_visible_in_snapshot(xid, last), in a form that an index answers.
    condition = sql.SQL("(e.xid >= {first} AND e.xid < {beyond} OR e.xid = ANY({held}))").format(
        first=_xid(last.xmax),
        beyond=_xid(reached.xmax),
        held=sql.SQL("ARRAY[{}]::xid8[]").format(sql.SQL(",").join(map(_xid, sorted(last.running)))),
    )
    query = sql.SQL("SELECT {} FROM audit_event e WHERE {} AND {} {}").format(_SELECT, condition, _UNSEALED, _ORDER)
    return Pending(query, reached, more=reached != now)


def by_absence(*, after: tuple[str, str] | None, began: Snapshot, limit: int) -> Pending:
    """Return the oldest events without a leaf: the slow way, where no snapshot of this cluster is stored.

    Args:
        after: time and id of the last event of the batch before.
        began: the snapshot of the first batch: what it saw is sealed once a batch is not full.
        limit: events in the batch.
    """
    since = sql.Composed([])
    if after is not None:
        since = sql.SQL("(e.time, e.id) > ({}::timestamptz, {}::uuid) AND ").format(*map(sql.Literal, after))
    oldest = sql.SQL("SELECT * FROM audit_event e WHERE {}{} ORDER BY e.time, e.id LIMIT {}").format(
        since, _UNSEALED, sql.Literal(limit)
    )
    query = sql.SQL("SELECT {} FROM ({}) AS e {}").format(_SELECT, oldest, _ORDER)
    return Pending(query, began, more=False, full=limit)


def _cut(cursor: Any, *, last: Snapshot, now: Snapshot, limit: int) -> Snapshot:
    """Return the moment at which about `limit` events are new: now, or an earlier one, between transactions."""
    boundary = _nth_xid(cursor, last.xmax, now.xmax, limit)
    if boundary is None:
        return now
    first = _nth_xid(cursor, last.xmax, now.xmax, 0)
    return now.until(boundary + 1 if boundary == first else boundary)


def _nth_xid(cursor: Any, first: int, beyond: int, offset: int) -> int | None:
    cursor.execute(
        "SELECT xid::text FROM audit_event WHERE xid >= %s::text::xid8 AND xid < %s::text::xid8 ORDER BY xid"
        " OFFSET %s LIMIT 1",
        [str(first), str(beyond), offset],
    )
    row = cursor.fetchone()
    return int(row[0]) if row else None


def _xid(number: int) -> sql.Composed:
    return sql.SQL("{}::xid8").format(sql.Literal(str(number)))


def rows(cursor: Any, pending: Pending) -> list[Sequence[str | None]]:
    """Return the events' columns as texts, in the order of `audit.leaf.FIELDS`; COPY would give them one by one."""
    cursor.execute(pending.query)
    found: list[Sequence[str | None]] = cursor.fetchall()
    return found
