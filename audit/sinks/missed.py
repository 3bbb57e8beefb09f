"""What retention takes from a log before a sink had its turn: which events went, and from when on others will."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from audit.notes import MalformedNote
from audit.receipts import log_origin, opened
from audit.retention.policy import default_months, minimum_months
from audit.sealing.keys import key_history
from audit.sealing.logs import reading
from audit.sealing.reading import SealedEvent

from .models import SinkCursor

WARNED_BEFORE = timedelta(days=30)
"""How long before retention takes what waits people are told."""

_YOUNG = timedelta(days=1)
"""What waits for less is kept for another month at least."""

_RETIRED_EARLIER = """
SELECT first, last FROM audit_receipt WHERE organization_id = %s AND time < %s AND first <= %s AND last >= %s
"""
_RECEIPTS = "SELECT note FROM audit_receipt WHERE organization_id = %s AND first <= %s AND last >= %s"
# NULL: kept without end. See retention.retiring, which asks the same of a month.
_TAKEN_AT = """
SELECT (date_trunc('month', leaf.event_time AT TIME ZONE 'UTC')
    + make_interval(months => 1 + greatest(policy.kept, %s, 1) + 0 * policy.kept)) AT TIME ZONE 'UTC'
FROM audit_leaf AS leaf, (SELECT audit_months_kept(%s, %s) AS kept) AS policy
WHERE leaf.organization_id = %s AND leaf.seq = %s
"""


def missed(cursor: Any, log: UUID, events: Sequence[SealedEvent], since: datetime | None) -> list[int]:
    """Return the numbers of events that are gone from the log.

    Args:
        cursor: of a role that may read the log.
        log: the log.
        events: sealed ones, in order.
        since: those that were retired before are left out: nobody waited for them. None: nobody waits at all.
    """
    gone = [event.seq for event in events if not event.is_there]
    if not gone or since is None:
        return []
    cursor.execute(_RETIRED_EARLIER, [log, since, gone[-1], gone[0]])
    earlier = cursor.fetchall()
    return [seq for seq in gone if not any(first <= seq <= last for first, last in earlier)]


def explained(log: UUID, first: int, last: int) -> int:
    """Return how many numbers from one to another the log's signed receipts name."""
    with reading(log) as cursor:
        origin, keys = log_origin(cursor, log), key_history(cursor)
        cursor.execute(_RECEIPTS, [log, last, first])
        notes = [note for (note,) in cursor.fetchall()]
    count = 0
    for note in notes:
        try:
            ranges = opened(note, origin, keys).ranges
        except MalformedNote:
            continue
        count += sum(max(0, min(last, end) - max(first, start) + 1) for start, end in ranges)
    return count


def taken_soon(cursors: Iterable[SinkCursor]) -> datetime | None:
    """Return from when on retention takes events that wait; None when that is not soon.

    Args:
        cursors: of one sink; the one that has waited longest counts.
    """
    waiting = [cursor for cursor in cursors if cursor.lag_events and cursor.lag > _YOUNG]
    if not waiting:
        return None
    oldest = max(waiting, key=lambda cursor: cursor.lag)
    with reading(oldest.log) as cursor:
        kept = [minimum_months(), oldest.log, default_months()]
        cursor.execute(_TAKEN_AT, [*kept, oldest.log, oldest.next_seq])
        row = cursor.fetchone()
    at: datetime | None = row[0] if row else None
    return at if at is not None and at - WARNED_BEFORE <= timezone.now() else None
