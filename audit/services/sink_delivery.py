"""What people do to delivery: send events again, test a sink, settle what was refused."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from audit import signals
from audit.models import DeadLetter, DeadLetterState, Sink, SinkCursor
from audit.sealing.logs import first_sealed_since, head
from audit.sinks.base import Item
from audit.sinks.exceptions import DeliveryError
from isolation.actor import Actor
from isolation.exceptions import DomainError

from .sinks import known, locked, require_both, require_manage, wake_up


@transaction.atomic
def try_sink_now(*, sink: Sink, actor: Actor) -> None:
    """Let a sink that waits after a failure try again at once.

    Raises:
        MissingPermission: without ``sinks:manage``.
    """
    require_manage(actor, sink)
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
        log: of a sink of the installation: which log; None: with a time every log, with a number the installation's.

    Returns:
        How many events it will receive again.

    Raises:
        MissingPermission: without ``sinks:manage`` and ``audit_log:export``.
        DomainError: neither or both were given, or there is no such event.
    """
    require_both(actor, sink)
    stored = locked(sink)
    count = 0
    places = list(_replayed(stored, seq, since, log, for_update=True))
    for cursor, start, sealed in places:
        count += sealed - start
        cursor.farthest = max(cursor.farthest, cursor.next_seq)
        cursor.next_seq, cursor.head, cursor.lease, cursor.leased_until = start, sealed, None, None
        cursor.waiting_since = Now() if start < sealed else None
        cursor.retry_at = cursor.replay_from = cursor.sent_lately = None
        cursor.save()
    told: dict[str, Any] = {"from": places[0][1] if seq is not None else str(since), "events": count}
    if stored.receives_every_log:
        told["log"] = str(places[0][0].log) if len(places) == 1 else f"{len(places)} logs"
    signals.sink_replayed.announce(stored, actor=actor, before={}, after=told)
    return count


def count_replayed(
    *, sink: Sink, seq: int | None = None, since: datetime | None = None, log: UUID | None = None
) -> int:
    """Return how many events `replay_sink` would send again, without doing it.

    Raises:
        DomainError: neither or both were given, or there is no such event.
    """
    return sum(sealed - start for _cursor, start, sealed in _replayed(sink, seq, since, log))


def _replayed(
    sink: Sink, seq: int | None, since: datetime | None, log: UUID | None, *, for_update: bool = False
) -> Iterator[tuple[SinkCursor, int, int]]:
    """Yield each cursor that is set back, the number that it is set to, and how many events its log has."""
    if (seq is None) == (since is None):
        raise DomainError("Give a number or a time from which events are sent again.", field="seq", code="invalid")
    rows = SinkCursor.objects.select_for_update() if for_update else SinkCursor.objects
    rows = rows.filter(sink=sink).order_by("log")
    if log is not None or since is None:
        rows = rows.filter(log=log or sink.organization_id)
    cursors = list(rows)
    if not cursors:
        raise DomainError("This sink does not receive that log.", field="log", code="invalid")
    for cursor in cursors:
        sealed = head(cursor.log)
        start = first_sealed_since(cursor.log, since) if since is not None else int(seq or 0)
        if not 0 <= start <= sealed:
            raise DomainError(
                f"The log has {sealed:,} sealed events: choose a number below.", field="seq", code="range"
            )
        yield cursor, start, sealed


def test_sink(*, sink: Sink, actor: Actor) -> str:
    """Send one event that says it is a test, and wait for the answer.

    Returns:
        "" when it was accepted, otherwise why not.

    Raises:
        MissingPermission: without ``sinks:manage``.
    """
    require_manage(actor, sink)
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
def retry_dead_letters(*, sink: Sink, letters: Iterable[UUID] | None, actor: Actor) -> int:
    """Let refused events be sent again; return how many.

    Args:
        sink: whose they are.
        letters: which ones; None: all that are set aside.
        actor: who wants it.

    Raises:
        MissingPermission: without ``sinks:manage`` and ``audit_log:export``.
    """
    require_both(actor, sink)
    stored = locked(sink)
    changed: int = _open(stored, letters).update(state=DeadLetterState.RETRY)
    if changed:
        wake_up(stored, always=True)
        signals.dead_letters_retried.announce(stored, actor=actor, before={}, after={"events": changed})
    return changed


@transaction.atomic
def dismiss_dead_letters(*, sink: Sink, letters: Iterable[UUID] | None, actor: Actor) -> int:
    """Mark refused events as settled: they will not be delivered; return how many.

    Args:
        sink: whose they are.
        letters: which ones; None: all that are set aside.
        actor: who says so.

    Raises:
        MissingPermission: without ``sinks:manage``.
    """
    require_manage(actor, sink)
    stored = locked(sink)
    numbers = list(_open(stored, letters).values_list("seq", flat=True)[:1_000])
    changed: int = _open(stored, letters).update(state=DeadLetterState.DISMISSED)
    if changed:
        told = {"events": changed, "numbers": ", ".join(map(str, numbers))}
        signals.dead_letters_dismissed.announce(stored, actor=actor, before={}, after=told)
    return changed


def _open(sink: Sink, letters: Iterable[UUID] | None) -> Any:
    rows = DeadLetter.objects.filter(sink=sink, state=DeadLetterState.OPEN)
    return rows if letters is None else rows.filter(pk__in=list(letters))


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
