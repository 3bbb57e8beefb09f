"""Tells people when a sink fails or lags, and when that is over: an event, and a signal for those who can mail."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from audit import signals
from audit.models import Outcome, Sink, SinkCursor, SinkState
from audit.recorder import record
from isolation.actor import SYSTEM
from isolation.scope import INSTALLATION, tenant_scope

from .actions import SINK_FAILING, SINK_RECOVERED
from .claims import Claim

PATIENCE = timedelta(minutes=10)
"""How long a sink may fail, or an event wait, before people are told; what only a person can mend is told at once."""


def tell_how_it_went(held: Claim) -> None:
    """Tell of a sink that has begun to need people, or needs them no more; once each.

    Args:
        held: the turn that has just ended.
    """
    with tenant_scope(held.organization_id):
        cursor = SinkCursor.objects.select_for_update().select_related("sink").filter(pk=held.cursor_id).first()
        if cursor is None:
            return
        reason = trouble(cursor)
        if bool(reason) == (cursor.alerted_at is not None):
            return
        Sink.objects.select_for_update().get(pk=cursor.sink_id)
        # A sink of the installation has a cursor for each log: people are told by the first, and by the last.
        others = SinkCursor.objects.filter(sink=cursor.sink_id, alerted_at__isnull=False).exclude(pk=cursor.pk).exists()
        SinkCursor.objects.filter(pk=cursor.pk).update(alerted_at=timezone.now() if reason else None)
        if others:
            return
        if reason:
            _record(SINK_FAILING, cursor, Outcome.FAILED, {"reason": reason, "waiting": cursor.lag_events})
            signals.sink_failing.send(sender=SinkCursor, cursor=cursor, reason=reason)
        else:
            _record(SINK_RECOVERED, cursor, Outcome.SUCCESS, {"waiting": cursor.lag_events})


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
