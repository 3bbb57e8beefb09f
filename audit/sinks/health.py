"""How a sink stands, in words: from what its receiver acknowledged, never from what was sent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.utils import timezone

from .models import Sink, SinkCursor, SinkState

UNSERVED = timedelta(minutes=2)
"""How long a sink may be due before we say that no worker delivers."""

LATE = timedelta(minutes=5)
"""How long an event may wait, besides for its batch, before a sink is behind."""


class Standing(StrEnum):
    """How a sink stands; the later, the worse."""

    UP_TO_DATE = "up_to_date"
    DELIVERING = "delivering"
    PAUSED = "paused"
    BEHIND = "behind"
    RETRYING = "retrying"
    UNSERVED = "unserved"
    BLOCKED = "blocked"


_ORDER = list(Standing)

LABELS = {
    Standing.UP_TO_DATE: "Up to date",
    Standing.DELIVERING: "Delivering",
    Standing.PAUSED: "Paused",
    Standing.BEHIND: "Behind",
    Standing.RETRYING: "Trying again",
    Standing.UNSERVED: "Nobody delivers",
    Standing.BLOCKED: "Needs you",
}
TONES = {
    Standing.UP_TO_DATE: "good",
    Standing.DELIVERING: "good",
    Standing.PAUSED: "",
    Standing.BEHIND: "warn",
    Standing.RETRYING: "warn",
    Standing.UNSERVED: "bad",
    Standing.BLOCKED: "bad",
}
ADVICE = {
    Standing.UP_TO_DATE: "Every sealed event was acknowledged, or is among those that it refused.",
    Standing.DELIVERING: "Events are on their way.",
    Standing.PAUSED: "Nothing is sent. Resumed, it goes on where it stopped: nothing is lost while the log keeps it.",
    Standing.BEHIND: "Events come faster than the receiver takes them. Let it take larger batches, or ask whoever runs "
    "it why it is slow. Nothing is lost while the log keeps it.",
    Standing.RETRYING: "It is tried again by itself, ever more slowly, at least every five minutes. Nothing is lost "
    "while the log keeps it. When you have mended the receiver, let it try now.",
    Standing.UNSERVED: "No worker has taken it up although events wait. Whoever runs this installation should look "
    "whether the process “delivery” runs.",
    Standing.BLOCKED: "It takes nothing until somebody changes something there or here. Mend it, send a test event, "
    "then let it try now; by itself it tries every five minutes. Nothing is lost while the log keeps it.",
}


@dataclass(frozen=True, slots=True)
class Health:
    """How a sink stands, over all logs that it receives.

    Attributes:
        standing: the worst of its logs.
        next_seq, head: of the log that is worst: the first number that was not dealt with, and the log's size.
        done_events, sealed_events: how many were dealt with, and how many there are, in all logs.
        lag_events: sealed events that wait, in all logs.
        lag: how long the oldest of them has waited.
        delivered_at: when the receiver acknowledged something last.
        delivered_time: when the newest event that it acknowledged had happened.
        failing_since, retry_at, last_error: of the log that is worst.
        checkpoint_size: of the newest checkpoint that was sent as a record of its own, of the log that is worst.
        checkpoint_at: when one was sent last.
        checkpoint_refusal: why the receiver refused one; "" when it took them.
        missed_events: those that were gone from their logs before they could be sent, in all logs.
        missed_log, missed_first, missed_last: in which log the latest of them were, and between which numbers.
        logs: how many it receives.
    """

    standing: Standing
    next_seq: int = 0
    head: int = 0
    done_events: int = 0
    sealed_events: int = 0
    lag_events: int = 0
    lag: timedelta = timedelta()
    delivered_at: datetime | None = None
    delivered_time: datetime | None = None
    failing_since: datetime | None = None
    retry_at: datetime | None = None
    last_error: str = ""
    checkpoint_size: int = 0
    checkpoint_at: datetime | None = None
    checkpoint_refusal: str = ""
    missed_events: int = 0
    missed_log: UUID | None = None
    missed_first: int | None = None
    missed_last: int | None = None
    logs: int = 0

    @property
    def label(self) -> str:
        """Return a word or two."""
        return LABELS[self.standing]

    @property
    def tone(self) -> str:
        """Return how it is painted: good, warn, bad or ""."""
        return TONES[self.standing]

    @property
    def advice(self) -> str:
        """Return what it means and what to do."""
        return ADVICE[self.standing]

    @property
    def lag_seconds(self) -> int:
        """Return how long the oldest event has waited, in whole seconds."""
        return int(self.lag.total_seconds())

    @property
    def lag_words(self) -> str:
        """Return how long the oldest event has waited, for people; "" when none waits."""
        return words_of(self.lag) if self.lag_events else ""

    @property
    def is_moving(self) -> bool:
        """Return whether it will soon look otherwise."""
        return self.lag_events > 0 and self.standing is not Standing.PAUSED


def health_of(sink: Sink, cursors: Iterable[SinkCursor] | None = None) -> Health:
    """Return how a sink stands.

    Args:
        sink: the sink.
        cursors: its cursors, when they are at hand already.
    """
    found = sorted(sink.cursors.all() if cursors is None else cursors, key=lambda each: severity(sink, each))
    if not found:
        return Health(Standing.UP_TO_DATE if sink.is_active else Standing.PAUSED)
    worst = found[-1]
    short = next((each for each in reversed(found) if each.missed_events), None)
    return Health(
        standing=standing_of(sink, worst),
        next_seq=worst.next_seq,
        head=worst.head,
        done_events=sum(each.next_seq for each in found),
        sealed_events=sum(each.head for each in found),
        lag_events=sum(each.lag_events for each in found),
        lag=max(each.lag for each in found),
        delivered_at=max((each.delivered_at for each in found if each.delivered_at), default=None),
        delivered_time=max((each.delivered_time for each in found if each.delivered_time), default=None),
        failing_since=worst.failing_since,
        retry_at=worst.retry_at,
        last_error=worst.last_error,
        checkpoint_size=worst.checkpoint_size,
        checkpoint_at=max((each.checkpoint_at for each in found if each.checkpoint_at), default=None),
        checkpoint_refusal=next((each.checkpoint_refusal for each in reversed(found) if each.checkpoint_refusal), ""),
        missed_events=sum(each.missed_events for each in found),
        missed_log=short.log if short else None,
        missed_first=short.missed_first if short else None,
        missed_last=short.missed_last if short else None,
        logs=len(found),
    )


def severity(sink: Sink, cursor: SinkCursor) -> tuple[int, int, float]:
    """Return by what logs of a sink are ordered: those that need somebody last."""
    return _ORDER.index(standing_of(sink, cursor)), cursor.lag_events, cursor.lag.total_seconds()


def standing_of(sink: Sink, cursor: SinkCursor) -> Standing:
    """Return how a sink stands in one log."""
    if not sink.is_active:
        return Standing.PAUSED
    if cursor.state == SinkState.BLOCKED:
        return Standing.BLOCKED
    batch = timedelta(seconds=sink.batch_seconds)
    if cursor.lag > batch + UNSERVED and _is_due(sink, cursor):
        return Standing.UNSERVED
    if cursor.state == SinkState.RETRYING:
        return Standing.RETRYING
    if cursor.lag > batch + LATE:
        return Standing.BEHIND
    return Standing.DELIVERING if cursor.lag_events else Standing.UP_TO_DATE


def _is_due(sink: Sink, cursor: SinkCursor) -> bool:
    """Return whether a worker should have taken it up some time ago."""
    before = timezone.now() - UNSERVED
    moments = (sink.created_at, cursor.retry_at, cursor.leased_until, cursor.served_at)
    return cursor.lag_events > 0 and all(moment is None or moment < before for moment in moments)


def words_of(span: timedelta) -> str:
    """Return about how long a time is: 12 s, 3 min, 2 h, 4 days."""
    seconds = max(0, int(span.total_seconds()))
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
