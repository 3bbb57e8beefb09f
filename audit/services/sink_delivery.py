"""What people do to delivery: send events again, test a sink, settle what was refused."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from audit import signals
from audit.models import DeadLetter, DeadLetterState, Sink, SinkCursor
from audit.querysets import SINKS_MANAGE
from audit.sinks.base import Item
from audit.sinks.exceptions import DeliveryError
from audit.sinks.records import first_sealed_since, head
from isolation.actor import Actor
from isolation.exceptions import DomainError

from .sinks import known, locked, require_both, wake_up


@transaction.atomic
def try_sink_now(*, sink: Sink, actor: Actor) -> None:
    """Let a sink that waits after a failure try again at once.

    Raises:
        MissingPermission: without ``sinks:manage``.
    """
    actor.require(SINKS_MANAGE)
    wake_up(locked(sink))


@transaction.atomic
def replay_sink(
    *, sink: Sink, actor: Actor, seq: int | None = None, since: datetime | None = None, log: UUID | None = None
) -> int:
    """Let a sink receive events again, from a number or a time on; it receives each again after that.

    Args:
        sink: the sink.
        actor: who wants it.
        seq: the first event's number.
        since: or when it was sealed; one of the two.
        log: of a sink of the installation: which log; None for the sink's own organization.

    Returns:
        How many events it will receive again.

    Raises:
        MissingPermission: without ``sinks:manage`` and ``audit_log:export``.
        DomainError: neither or both were given, or there is no such event.
    """
    require_both(actor)
    stored = locked(sink)
    if (seq is None) == (since is None):
        raise DomainError("Give a number or a time from which events are sent again.", field="seq", code="invalid")
    cursor = SinkCursor.objects.select_for_update().filter(sink=stored, log=log or stored.organization_id).first()
    if cursor is None:
        raise DomainError("This sink does not receive that log.", field="log", code="invalid")
    sealed = head(cursor.log)
    start = first_sealed_since(cursor.log, since) if since is not None else int(seq or 0)
    if not 0 <= start <= sealed:
        raise DomainError(f"The log has {sealed:,} sealed events: choose a number below.", field="seq", code="range")
    cursor.next_seq, cursor.head, cursor.lease, cursor.leased_until = start, sealed, None, None
    cursor.waiting_since = timezone.now() if start < sealed else None
    cursor.retry_at = cursor.replay_from = cursor.sent_lately = None
    cursor.save()
    told = {"from": start, "events": sealed - start}
    signals.sink_replayed.announce(stored, actor=actor, before={}, after=told)
    return sealed - start


def test_sink(*, sink: Sink, actor: Actor) -> str:
    """Send one event that says it is a test, and wait for the answer.

    Returns:
        "" when it was accepted, otherwise why not.

    Raises:
        MissingPermission: without ``sinks:manage``.
    """
    actor.require(SINKS_MANAGE)
    receiver = known(sink.kind)({**sink.options, **sink.revealed()}, sink.pk)
    try:
        rejections = receiver.send([_test_item(sink)])
        receiver.settle()
        reason = rejections[0].reason if rejections else ""
    except DeliveryError as error:
        reason = error.reason
    finally:
        receiver.close()
    signals.sink_tested.announce(sink, actor=actor, before={}, after={"answer": reason or "accepted"})
    return reason


test_sink.__test__ = False  # type: ignore[attr-defined] # pytest takes it for one of its own


@transaction.atomic
def retry_dead_letters(*, sink: Sink, letters: Iterable[UUID], actor: Actor) -> int:
    """Let refused events be sent again; return how many.

    Raises:
        MissingPermission: without ``sinks:manage`` and ``audit_log:export``.
    """
    require_both(actor)
    stored = locked(sink)
    changed: int = _open(stored, letters).update(state=DeadLetterState.RETRY)
    if changed:
        wake_up(stored, always=True)
        signals.dead_letters_retried.announce(stored, actor=actor, before={}, after={"events": changed})
    return changed


@transaction.atomic
def dismiss_dead_letters(*, sink: Sink, letters: Iterable[UUID], actor: Actor) -> int:
    """Mark refused events as settled: they will not be delivered; return how many.

    Raises:
        MissingPermission: without ``sinks:manage``.
    """
    actor.require(SINKS_MANAGE)
    stored = locked(sink)
    numbers = list(_open(stored, letters).values_list("seq", flat=True)[:1_000])
    changed: int = _open(stored, letters).update(state=DeadLetterState.DISMISSED)
    if changed:
        told = {"events": changed, "numbers": ", ".join(map(str, numbers))}
        signals.dead_letters_dismissed.announce(stored, actor=actor, before={}, after=told)
    return changed


def _open(sink: Sink, letters: Iterable[UUID]) -> Any:
    return DeadLetter.objects.filter(sink=sink, pk__in=list(letters), state=DeadLetterState.OPEN)


def _test_item(sink: Sink) -> Item:
    now = timezone.now()
    identifier = str(uuid4())
    event = {
        "id": identifier,
        "time": now.isoformat(),
        "organization_id": str(sink.organization_id),
        "action": "sink.tested",
        "target_type": "sink",
        "target_label": sink.name,
        "reason": "This is a test event. It is in no log.",
    }
    text = json.dumps({"test": True, "event": event}, ensure_ascii=False, separators=(",", ":"))
    return Item(0, identifier, sink.organization_id, now, "sink.tested", text)
