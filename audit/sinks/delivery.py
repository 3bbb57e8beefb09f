"""A turn of one sink in one log: batches until it has everything, something fails, or its time is over.

An event is delivered when the receiver has acknowledged it, not before; what happens in between makes it come again,
with the same id. An event that the receiver refuses is set aside only after the receiver has accepted another one: a
receiver that refuses everything is misconfigured, and keeps its place.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from audit.leases import LeaseLost, wait
from audit.masking.presidio import DetectorMissing
from audit.sealing.logs import sealed_at
from isolation.scope import tenant_scope

from .alerts import tell_how_it_went
from .base import Destination, Item, Limits
from .checkpoints import note_checkpoint, refusal_of, unsent_checkpoint
from .claims import Claim, advance, claim, fail, open_window, release, sink_of
from .exceptions import Blocked, DeliveryError, Later, Refused
from .models import DeadLetter, DeadLetterState, Sink, SinkState
from .records import Feed, Stretch, one
from .registry import destination

logger = logging.getLogger("gatehouse.audit")

TURN_SECONDS = 10
"""After it the next sink has its turn."""

BLOCKED_WAIT = timedelta(minutes=5)
"""Somebody may have mended it meanwhile."""

SUSPECTS = 10
"""Events that a receiver refuses one by one without accepting any: then it is not the events."""

LETTERS = 100
"""Events that are sent again in one turn, for people who asked."""


def deliver(seconds: float) -> int:
    """Give turns to sinks until nothing is due or the time is over.

    Args:
        seconds: how long a new turn may begin.

    Returns:
        How many turns there were.
    """
    end, turns = time.monotonic() + seconds, 0
    while time.monotonic() < end and (held := claim()) is not None:
        Turn(held).run()
        turns += 1
    return turns


@dataclass
class _Progress:
    """What became of a batch.

    Attributes:
        accepted: events that were acknowledged.
        newest: the time of the last one of them.
        until: the number after the last event that has its answer; none before it is without one.
        suspects: events that were refused by themselves, and why.
        rejected: events that the receiver took out of a batch that it accepted, and why.
    """

    accepted: int = 0
    newest: datetime | None = None
    until: int = 0
    suspects: list[tuple[Item, str]] = field(default_factory=list)
    rejected: list[tuple[Item, str]] = field(default_factory=list)


class Turn:
    """One turn.

    Args:
        held: the lease.
    """

    def __init__(self, held: Claim) -> None:
        self._held = held
        self._acknowledged = False
        self._has_window = False

    def run(self) -> None:
        """Deliver; whatever goes wrong is noted at the cursor."""
        held = self._held
        receiver: Destination | None = None
        try:
            with tenant_scope(held.organization_id):
                sink = sink_of(held)
                options = {**sink.options, **sink.revealed()}
            receiver = destination(sink.kind)(options, sink.pk)
            if receiver.window:
                self._has_window = True
                open_window(held, receiver.window)
            self._send_letters(sink, receiver)
            self._send_batches(sink, receiver)
            checkpoint, refusal = unsent_checkpoint(sink, held), ""
            if checkpoint is not None:
                refusal = refusal_of(receiver, checkpoint)
                self._acknowledged = self._acknowledged or not refusal
            receiver.settle()
            if checkpoint is not None:
                note_checkpoint(held, checkpoint, refusal)
            since = sealed_at(held.log, held.next_seq) if held.next_seq < held.head else None
            release(held, recovered=self._acknowledged, waiting_since=since)
            tell_how_it_went(held)
        except LeaseLost:
            return
        except Blocked as error:
            self._fail(error.reason, lambda _failures: BLOCKED_WAIT, state=SinkState.BLOCKED)
        except Later as error:
            after = error.after
            self._fail(error.reason, lambda failures: wait(failures, after))
        except DetectorMissing as error:
            logger.warning("The sink %s waits: %s", held.sink_id, error.__cause__ or error.message)
            self._fail(error.message, lambda _failures: BLOCKED_WAIT, state=SinkState.BLOCKED)
        except Exception:
            logger.exception("A turn of the sink %s ended unexpectedly", held.sink_id)
            self._fail("Something went wrong in Gatehouse itself; its own log says what.", wait)
        finally:
            if receiver is not None:
                receiver.close()

    def _send_batches(self, sink: Sink, receiver: Destination) -> None:
        held, end = self._held, time.monotonic() + TURN_SECONDS
        most = receiver.limits
        limits = replace(most, events=min(sink.batch_events, most.events), bytes=min(sink.batch_bytes, most.bytes))
        feed = Feed(sink, held.log, held.next_seq, held.head)
        while held.next_seq < held.head and time.monotonic() < end:
            self._send_batch(feed.next(limits), receiver, limits)

    def _send_batch(self, found: Stretch, receiver: Destination, limits: Limits) -> None:
        done = _Progress()
        try:
            self._send(receiver, found.items, done)
        except DeliveryError:
            if done.accepted:
                self._settle(done, done.until)
            raise
        if done.suspects and not self._acknowledged:
            raise Later(
                f"It refuses the event, and there is no other to see whether it accepts any. {done.suspects[0][1]}"
            )
        too_large = [
            (item, f"The event is larger than the {limits.item:,} bytes that it takes.") for item in found.too_large
        ]
        self._settle(done, found.end, too_large)

    def _settle(self, done: _Progress, end: int, more: Sequence[tuple[Item, str]] = ()) -> None:
        """Set aside what was refused, and go on behind it."""
        held = self._held
        refused = [*done.suspects, *done.rejected, *more]
        letters = [
            DeadLetter(
                organization_id=held.organization_id,
                sink_id=held.sink_id,
                log=held.log,
                seq=item.seq,
                event_id=item.id,
                action=item.action,
                reason=reason,
            )
            for item, reason in refused
        ]
        with tenant_scope(held.organization_id):
            DeadLetter.objects.bulk_create(letters, ignore_conflicts=True)
            advance(held, end=end, delivered=done.accepted, refused=len(refused), newest=done.newest)

    def _send(self, receiver: Destination, items: Sequence[Item], done: _Progress) -> None:
        """Send items; a batch that is refused is halved until the events are found that it is refused for.

        Raises:
            DeliveryError: the receiver takes nothing now.
        """
        if not items:
            return
        try:
            rejections = receiver.send(items)
        except Refused as error:
            if len(items) > 1:
                middle = len(items) // 2
                self._send(receiver, items[:middle], done)
                self._send(receiver, items[middle:], done)
                return
            self._suspect([(items[0], error.reason)], done)
        else:
            refused = [(items[each.position], each.reason) for each in rejections]
            if len(refused) == len(items):
                self._suspect(refused, done)
            else:
                done.accepted += len(items) - len(refused)
                done.rejected += refused
                done.newest = items[-1].time
                self._acknowledged = True
        done.until = items[-1].seq + 1

    def _suspect(self, refused: Sequence[tuple[Item, str]], done: _Progress) -> None:
        """Note events that were refused with none beside them that was accepted.

        Raises:
            Blocked: there are so many that it is not the events.
        """
        done.suspects += refused
        if len(done.suspects) >= SUSPECTS and not self._acknowledged:
            raise Blocked(f"It refuses every event. {refused[-1][1]}")

    def _send_letters(self, sink: Sink, receiver: Destination) -> None:
        """Send the events again for which somebody asked; each by itself."""
        held = self._held
        with tenant_scope(held.organization_id):
            letters = list(DeadLetter.objects.filter(sink=sink, log=held.log, state=DeadLetterState.RETRY)[:LETTERS])
        for letter in letters:
            refusal = self._refusal_of(letter, sink, receiver)
            values = {"state": DeadLetterState.OPEN, "reason": refusal}
            if refusal is None:
                self._acknowledged, values = True, {"state": DeadLetterState.DELIVERED}
            with tenant_scope(held.organization_id):
                DeadLetter.objects.filter(pk=letter.pk).update(**values)

    def _refusal_of(self, letter: DeadLetter, sink: Sink, receiver: Destination) -> str | None:
        """Send one event again; return why it was refused, None when it was accepted."""
        item = one(sink, letter.log, letter.seq)
        if item is None:
            return "The event is not in the log any more."
        try:
            rejections = receiver.send([item])
        except Refused as error:
            return error.reason
        return rejections[0].reason if rejections else None

    def _fail(self, reason: str, pause: Callable[[int], timedelta], *, state: SinkState = SinkState.RETRYING) -> None:
        held = self._held
        afresh = self._acknowledged and not self._has_window  # without an acknowledgement only whole turns count
        if fail(held, state=state, reason=reason, pause=pause, afresh=afresh):
            tell_how_it_went(held)
