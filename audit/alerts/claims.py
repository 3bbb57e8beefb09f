"""Who evaluates which log now: a cursor is leased to one worker at a time, as those of sinks are."""

from dataclasses import dataclass
from uuid import UUID

from django.db import connections

from audit.leases import LEASE
from isolation.scope import APP


@dataclass(slots=True)
class Claim:
    """A leased cursor.

    Attributes:
        cursor_id, log: which one.
        next_seq: the first event that was not looked at.
        head: events that are sealed.
        lease: what every write of the holder names.
    """

    cursor_id: UUID
    log: UUID
    next_seq: int
    head: int
    lease: UUID


def wake() -> int:
    """Let every log's evaluation know of new checkpoints; return how many logs have something new.

    The first call of all only notes where the logs end: what happened before there were alerts raises none.
    """
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT audit_wake_alerts()")
        return int(cursor.fetchone()[0])


def claim() -> Claim | None:
    """Lease the log that has waited longest for its turn; None when there is nothing to do."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT * FROM audit_claim_alerts(%s)", [int(LEASE.total_seconds())])
        row = cursor.fetchone()
    return Claim(*row) if row else None
