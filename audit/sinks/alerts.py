"""Tells people when a sink fails, lags or missed events, and when that is over: events, and signals for mails."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from audit import signals
from audit.models import Outcome, Sink, SinkCursor, SinkState
from audit.recorder import record
from isolation.actor import SYSTEM
from isolation.scope import INSTALLATION, tenant_scope

from .actions import SINK_FAILING, SINK_MISSED_EVENTS, SINK_RECOVERED
from .claims import Claim
from .missed import WARNED_BEFORE, explained, taken_soon

PATIENCE = timedelta(minutes=10)
"""How long a sink may fail, or an event wait, before people are told; what only a person can mend is told at once."""


def tell_how_it_went(held: Claim) -> None:
    """Tell of a sink that has begun to need people, or needs them no more; once each. Tell of events that it missed.

    Args:
        held: the turn that has just ended.
    """
    with tenant_scope(held.organization_id):
        cursor = SinkCursor.objects.select_for_update().select_related("sink").filter(pk=held.cursor_id).first()
        if cursor is None:
            return
        _tell_of_missed(cursor)
        _tell_of_trouble(cursor)


def _tell_of_trouble(cursor: SinkCursor) -> None:
    reason = trouble(cursor)
    at = taken_soon([cursor]) if reason else None
    told_since = at - WARNED_BEFORE if at else None
    is_warning = bool(told_since and cursor.alerted_at and cursor.alerted_at < told_since)
    if bool(reason) == (cursor.alerted_at is not None) and not is_warning:
        return
    Sink.objects.select_for_update().get(pk=cursor.sink_id)
    # A sink of the installation has a cursor for each log: people are told by the first, and by the last.
    others = SinkCursor.objects.filter(sink=cursor.sink_id, alerted_at__isnull=False).exclude(pk=cursor.pk)
    if is_warning:
        others = others.filter(alerted_at__gte=told_since)
    told = others.exists()
    SinkCursor.objects.filter(pk=cursor.pk).update(alerted_at=timezone.now() if reason else None)
    if told:
        return
    if not reason:
        _record(SINK_RECOVERED, cursor, Outcome.SUCCESS, {"waiting": cursor.lag_events})
        return
    if at is not None:
        reason += f" From {at:%-d %B %Y} on retention takes events that wait out of the log: the sink would miss them."
    _record(SINK_FAILING, cursor, Outcome.FAILED, {"reason": reason, "waiting": cursor.lag_events})
    signals.sink_failing.send(sender=SinkCursor, cursor=cursor, reason=reason)


def _tell_of_missed(cursor: SinkCursor) -> None:
    count, first, last = cursor.missed_events - cursor.missed_told, cursor.missed_first, cursor.missed_last
    if not count or first is None or last is None:
        return
    if last == cursor.next_seq - 1 and cursor.lag_events and cursor.failing_since is None:
        return  # the next turn may miss more
    SinkCursor.objects.filter(pk=cursor.pk).update(missed_told=cursor.missed_events)
    reason = f"{count:,} events, numbers {first:,} to {last:,}, were retired from the log before they could be sent. "
    if explained(cursor.log, first, last) >= count:
        reason += "A signed receipt explains the gap."
    else:
        reason += "No signed receipt explains all of it: look at the verification of the log."
    _record(
        SINK_MISSED_EVENTS, cursor, Outcome.FAILED, {"events": count, "first": first, "last": last, "reason": reason}
    )
    signals.sink_missed_events.send(sender=SinkCursor, cursor=cursor, reason=reason)


def trouble(cursor: SinkCursor) -> str:
    """Return what people should know of a sink in one log; "" when all is well."""
    failing = cursor.failing_since is not None and timezone.now() - cursor.failing_since > PATIENCE
    if cursor.state == SinkState.BLOCKED or (cursor.state == SinkState.RETRYING and failing):
        return cursor.last_error
    if cursor.lag > PATIENCE + timedelta(seconds=cursor.sink.batch_seconds):
        return f"It takes events more slowly than they come: {cursor.lag_events:,} wait."
    return ""


def _record(action: Any, cursor: SinkCursor, outcome: str, told: dict[str, Any]) -> None:
    record(
        action,
        actor=SYSTEM,
        organization_id=None if cursor.organization_id == INSTALLATION else cursor.organization_id,
        outcome=outcome,
        target_type="sink",
        target_id=str(cursor.sink_id),
        target_label=cursor.sink.name,
        after=told,
    )
