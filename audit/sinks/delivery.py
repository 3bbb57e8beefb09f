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
from uuid import UUID

from django.utils import timezone

from audit.leases import LeaseLost, wait
from audit.masking.presidio import DetectorMissing
from audit.sealing.logs import sealed_at
from audit.services.sinks import set_sink_active
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope

from .alerts import tell_how_it_went
from .base import Destination, Item, Limits
from .checkpoints import note_checkpoint, refusal_of, unsent_checkpoint
from .claims import Claim, advance, claim, fail, hold_on, open_window, release, sink_of
from .exceptions import Blocked, DeliveryError, Gone, Later, Refused
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
"""Events that are sent again in one turn, for people who asked; the others have the next one."""


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
    """What became of events since the cursor moved last.

    Attributes:
        accepted: events that were acknowledged.
        newest: the time of the last one of them.
        until: the number after the last event that has its answer; none before it is without one.
        suspects: events that were refused by themselves, and why.
        rejected: events that the receiver took out of a batch that it accepted, and why.
        too_large: events that were not sent at all, and why.
        missed: the numbers of events that are gone from the log.
    """

    accepted: int = 0
    newest: datetime | None = None
    until: int = 0
    suspects: list[tuple[Item, str]] = field(default_factory=list)
    rejected: list[tuple[Item, str]] = field(default_factory=list)
    too_large: list[tuple[Item, str]] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)


class Turn:
    """One turn.

    Args:
        held: the lease.
    """

    def __init__(self, held: Claim) -> None:
        self._held = held
        self._acknowledged = False
        self._has_window = False
        self._unsettled: list[UUID] = []

    def run(self) -> None:
        """Deliver; whatever goes wrong is noted at the cursor."""
        try:
            sink, receiver = self._opened()
            try:
                self._deliver(sink, receiver)
            finally:
                receiver.close()
        except LeaseLost:
            return
        except Blocked as error:
            noted = self._fail(error.reason, lambda _failures: BLOCKED_WAIT, state=SinkState.BLOCKED)
            if noted and isinstance(error, Gone):
                self._pause()
        except Later as error:
            after = error.after
            self._fail(error.reason, lambda failures: wait(failures, after))
        except DetectorMissing as error:
            why = error.__cause__ or error.message
            logger.warning("The sink %s delivers nothing until somebody mends it: %s", self._held.sink_id, why)
            self._fail(error.message, lambda _failures: BLOCKED_WAIT, state=SinkState.BLOCKED)
        except Exception:
            logger.exception("A turn of the sink %s ended unexpectedly", self._held.sink_id)
            self._fail("Something went wrong in Gatehouse itself; its own log says what.", wait)

    def _opened(self) -> tuple[Sink, Destination]:
        held = self._held
        with tenant_scope(held.organization_id):
            sink = sink_of(held)
            options = {**sink.options, **sink.revealed()}
        return sink, destination(sink.kind)(options, sink.pk)

    def _deliver(self, sink: Sink, receiver: Destination) -> None:
        held = self._held
        if receiver.window:
            self._has_window = True
            open_window(held, receiver.window)
        more_letters = self._send_letters(sink, receiver)
        self._send_batches(sink, receiver)
        checkpoint, refusal = unsent_checkpoint(sink, held), ""
        if checkpoint is not None:
            refusal = refusal_of(receiver, checkpoint)
            self._acknowledged = self._acknowledged or not refusal
        receiver.settle()
        self._note_letters()
        if checkpoint is not None:
            note_checkpoint(held, checkpoint, refusal)
        since = sealed_at(held.log, held.next_seq) if held.next_seq < held.head else None
        if more_letters:
            since = since or timezone.now()
        release(held, recovered=self._acknowledged, waiting_since=since)
        tell_how_it_went(held)

    def _send_batches(self, sink: Sink, receiver: Destination) -> None:
        held, end = self._held, time.monotonic() + TURN_SECONDS
        most = receiver.limits
        limits = replace(most, events=min(sink.batch_events, most.events), bytes=min(sink.batch_bytes, most.bytes))
        feed = Feed(sink, held.log, held.next_seq, held.head)
        done = _Progress()
        while feed.at < held.head and time.monotonic() < end:
            done = self._send_batch(feed.next(limits), receiver, limits, done)
        if done.suspects:
            raise Later(
                f"It refuses the event, and there is no other to see whether it accepts any. {done.suspects[0][1]}"
            )

    def _send_batch(self, found: Stretch, receiver: Destination, limits: Limits, done: _Progress) -> _Progress:
        """Send a batch; return what stays open: events that it refused before it accepted any.

        Raises:
            DeliveryError: the receiver takes nothing now; what has its answer is settled.
        """
        done.too_large += [
            (item, f"The event is larger than the {limits.item:,} bytes that it takes.") for item in found.too_large
        ]
        done.missed += found.missed
        try:
            self._send(receiver, found.items, done)
        except DeliveryError:
            if done.accepted:
                self._settle(done, done.until)
            raise
        if done.suspects and not self._acknowledged:
            return done  # the next batch tells whether it is the events
        self._settle(done, found.end)
        return _Progress()

    def _settle(self, done: _Progress, end: int) -> None:
        """Set aside what was refused before a number, and go on from there."""
        held = self._held
        refused = [*done.suspects, *done.rejected, *(each for each in done.too_large if each[0].seq < end)]
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
            advance(
                held,
                end=end,
                delivered=done.accepted,
                refused=len(refused),
                newest=done.newest,
                missed=[seq for seq in done.missed if seq < end],
            )

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
                hold_on(self._held)
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

    def _send_letters(self, sink: Sink, receiver: Destination) -> bool:
        """Send the events again for which somebody asked, each by itself; return whether some are left."""
        held, end = self._held, time.monotonic() + TURN_SECONDS
        with tenant_scope(held.organization_id):
            wanted = DeadLetter.objects.filter(sink=sink, log=held.log, state=DeadLetterState.RETRY).order_by("seq")
            letters = list(wanted[: LETTERS + 1])
        for number, letter in enumerate(letters):
            if number == LETTERS or time.monotonic() > end:
                return True
            refusal = self._refusal_of(letter, sink, receiver)
            if refusal is not None:
                with tenant_scope(held.organization_id):
                    DeadLetter.objects.filter(pk=letter.pk).update(state=DeadLetterState.OPEN, reason=refusal)
                continue
            self._acknowledged = True
            self._unsettled.append(letter.pk)
            if not self._has_window:
                self._note_letters()
        return False

    def _note_letters(self) -> None:
        """Note that events that were sent again have arrived."""
        if self._unsettled:
            with tenant_scope(self._held.organization_id):
                DeadLetter.objects.filter(pk__in=self._unsettled).update(state=DeadLetterState.DELIVERED)
            self._unsettled.clear()

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

    def _fail(self, reason: str, pause: Callable[[int], timedelta], *, state: SinkState = SinkState.RETRYING) -> bool:
        """Note that the turn failed; return whether it could be noted: the lease was still held."""
        held = self._held
        afresh = self._acknowledged and not self._has_window  # without an acknowledgement only whole turns count
        noted = fail(held, state=state, reason=reason, pause=pause, afresh=afresh)
        if noted:
            tell_how_it_went(held)
        return noted

    def _pause(self) -> None:
        """Send nothing any more until somebody resumes it: its receiver wants that."""
        with tenant_scope(self._held.organization_id), acting_as(SYSTEM):
            for sink in Sink.objects.filter(pk=self._held.sink_id):
                set_sink_active(sink=sink, is_active=False, actor=SYSTEM)
