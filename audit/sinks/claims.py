"""Who may deliver now: a cursor is leased to one worker at a time; a worker that dies lets its lease run out.

What workers wait for is told by the database's clock alone: theirs may differ, and jump.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connections, models
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from audit.leases import LEASE, LeaseLost
from isolation.scope import APP, tenant_scope

from .models import Sink, SinkCursor, SinkHour, SinkState

_FAILURE = ["failures", "failing_since", "state", "last_error", "retry_at", "lease", "leased_until", "next_seq"]


@dataclass(slots=True)
class Claim:
    """A leased cursor.

    Attributes:
        cursor_id, organization_id, sink_id, log: which one; the organization is the sink's.
        next_seq: the first event that was not delivered.
        head: events that are sealed.
        lease: what every write of the holder names.
    """

    cursor_id: UUID
    organization_id: UUID
    sink_id: UUID
    log: UUID
    next_seq: int
    head: int
    lease: UUID


def wake() -> int:
    """Let every sink know of new checkpoints; return how many cursors have something new."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT audit_wake_sinks()")
        return int(cursor.fetchone()[0])


def claim() -> Claim | None:
    """Lease the cursor that has waited longest for its turn; None when there is nothing to do."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT * FROM audit_claim_sink(%s)", [int(LEASE.total_seconds())])
        row = cursor.fetchone()
    return Claim(*row) if row else None


def sink_of(held: Claim) -> Sink:
    """Return the sink; its organization's scope is open.

    Raises:
        LeaseLost: it is gone or paused.
    """
    found: Sink | None = Sink.objects.filter(pk=held.sink_id, is_active=True).first()
    if found is None:
        raise LeaseLost
    return found


def open_window(held: Claim, seconds: int) -> None:
    """Begin a turn of a receiver that acknowledges nothing: what may be lost comes again first.

    Args:
        held: the lease.
        seconds: what was sent in this time before a failure may be lost.

    Raises:
        LeaseLost: nothing is noted.
    """
    now = timezone.now()
    with tenant_scope(held.organization_id):
        cursor = SinkCursor.objects.filter(pk=held.cursor_id, lease=held.lease).first()
        if cursor is None:
            raise LeaseLost
        if cursor.replay_from is not None:  # the turn before failed, or its worker died
            held.next_seq = min(cursor.replay_from, cursor.next_seq)
            lately = []
        else:
            held.next_seq = cursor.next_seq
            begun = cursor.sent_lately or []
            ended = [*(at for _seq, at in begun[1:]), cursor.delivered_at.timestamp() if cursor.delivered_at else 0.0]
            oldest = now.timestamp() - seconds
            lately = [turn for turn, end in zip(begun, ended, strict=False) if end >= oldest]
        lately.append([held.next_seq, now.timestamp()])
        _write(held, {"next_seq": held.next_seq, "replay_from": lately[0][0], "sent_lately": lately})


def advance(
    held: Claim,
    *,
    end: int,
    delivered: int,
    refused: int = 0,
    newest: datetime | None = None,
    missed: Sequence[int] = (),
) -> None:
    """Note that everything before `end` is dealt with, and hold on.

    Args:
        held: the lease.
        end: the next event to deliver.
        delivered: how many events the receiver acknowledged.
        refused: how many were set aside.
        newest: the time of the newest of those that were acknowledged.
        missed: the numbers of those that were gone from the log, in order.

    Raises:
        LeaseLost: nothing is noted.
    """
    now = timezone.now()
    values: dict[str, Any] = {"next_seq": end, "leased_until": Now() + LEASE}
    values["farthest"] = Greatest(F("farthest"), end)
    if delivered:
        values |= {"delivered_at": now, "delivered_time": newest}
    with tenant_scope(held.organization_id):
        if missed:
            values |= _missed(held, missed)
        _write(held, values)
        _count(held, delivered=delivered, refused=refused)
    held.next_seq = end


def hold_on(held: Claim) -> None:
    """Extend the lease without moving: a batch takes long that is sent in parts.

    Raises:
        LeaseLost: it is another's.
    """
    with tenant_scope(held.organization_id):
        _write(held, {"leased_until": Now() + LEASE})


def release(held: Claim, *, recovered: bool, waiting_since: datetime | None) -> None:
    """Give the cursor back after a turn that went well.

    Args:
        held: the lease.
        recovered: whether the receiver acknowledged something, so that what failed before is over.
        waiting_since: when the oldest event that still waits was sealed, None when there was none.
    """
    values: dict[str, Any] = {"lease": None, "leased_until": None, "replay_from": None}
    if recovered:
        values |= {"state": SinkState.DELIVERING, "failures": 0, "failing_since": None}
        values |= {"retry_at": None, "last_error": ""}
    with tenant_scope(held.organization_id):
        rows = SinkCursor.objects.filter(pk=held.cursor_id, lease=held.lease)
        # More may have been sealed since: then it stays awake.
        rows.filter(Q(head=held.head) | Q(head__lte=F("next_seq"))).update(waiting_since=waiting_since)
        rows.update(**values)


def fail(held: Claim, *, state: SinkState, reason: str, pause: Callable[[int], timedelta], afresh: bool) -> bool:
    """Note that a delivery failed, and give the cursor back until the next try.

    Args:
        held: the lease.
        state: how it stands now.
        reason: why, for people.
        pause: from the number of failures in a row to how long to wait.
        afresh: whether the receiver acknowledged something in this turn, so that failures before are over.

    Returns:
        Whether it was noted: the lease was still held.
    """
    now = timezone.now()
    with tenant_scope(held.organization_id):
        rows = SinkCursor.objects.filter(pk=held.cursor_id, lease=held.lease)
        cursor = rows.select_for_update().first()
        if cursor is None:
            return False
        cursor.failures = 1 if afresh else cursor.failures + 1
        cursor.failing_since = now if afresh else cursor.failing_since or now
        cursor.state, cursor.last_error = state, reason
        if cursor.replay_from is not None:
            cursor.next_seq = min(cursor.replay_from, cursor.next_seq)
        cursor.retry_at, cursor.lease, cursor.leased_until = Now() + pause(cursor.failures), None, None
        cursor.save(update_fields=_FAILURE)
        _count(held, failures=1)
    return True


def _missed(held: Claim, gone: Sequence[int]) -> dict[str, Any]:
    """Return what is noted of events that were gone; nothing of those that were delivered once."""
    cursor = SinkCursor.objects.filter(pk=held.cursor_id, lease=held.lease).first()
    if cursor is None:
        raise LeaseLost
    new = [seq for seq in gone if seq >= cursor.farthest]
    if not new:
        return {}
    first = new[0] if cursor.missed_told == cursor.missed_events else cursor.missed_first
    return {"missed_events": cursor.missed_events + len(new), "missed_first": first, "missed_last": new[-1]}


def _write(held: Claim, values: dict[str, Any]) -> None:
    mine = Q(pk=held.cursor_id, lease=held.lease)
    if not SinkCursor.objects.filter(mine).update(**values):
        raise LeaseLost


def _count(held: Claim, *, delivered: int = 0, refused: int = 0, failures: int = 0) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    rows: models.QuerySet[Any] = SinkHour.objects.filter(sink_id=held.sink_id, hour=hour)
    added = {"delivered": F("delivered") + delivered, "refused": F("refused") + refused}
    if not rows.update(failures=F("failures") + failures, **added):
        new = SinkHour(organization_id=held.organization_id, sink_id=held.sink_id, hour=hour)
        SinkHour.objects.bulk_create([new], ignore_conflicts=True)
        rows.update(failures=F("failures") + failures, **added)
