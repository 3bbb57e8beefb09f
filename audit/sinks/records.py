"""What is sent: the sealed events of a stretch of a log, as a sink wants them."""

import json
from collections import deque
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone

from audit.formats import PROVABLE_FORMATS, RECORD_FORMATS, ndjson
from audit.formats.cloudevents import enveloped
from audit.masking.application import redacted
from audit.masking.policies import rules_for
from audit.masking.rules import Rules
from audit.masking.selection import left_out, selected
from audit.models import Event, Outcome
from audit.package import edge_texts
from audit.places import LogPlaces
from audit.query import conditions_of, parse
from audit.query.qualifiers import names
from audit.sealing.logs import reading
from audit.sealing.reading import AT_ONCE, SealedEvent, sealed_events
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope

from .base import Item, Limits
from .missed import missed
from .models import RecordFormat, Sink

_CHECKPOINTS = """
SELECT size, note, edge FROM audit_checkpoint WHERE organization_id = %s AND size > %s AND size <= %s
"""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events of a log, ready to be sent.

    Attributes:
        items: those that the sink wants, in order.
        end: the number after the last event that was looked at.
        too_large: those that no batch of the receiver's holds.
        missed: the numbers of those that are gone from the log, and were there when the sink was made.
    """

    items: list[Item]
    end: int
    too_large: list[Item]
    missed: list[int]


class Feed:
    """What a sink receives of a log, in order; it reads ahead, so that many batches take few statements.

    Args:
        sink: whose filter, fields and format count.
        log: the log.
        start: the first number.
        end: the number after the last sealed event.
        at_once: how many events are read at a time.
    """

    def __init__(self, sink: Sink, log: UUID, start: int, end: int, *, at_once: int = AT_ONCE) -> None:
        self._sink, self._log = sink, log
        self._at, self._end, self._at_once = start, end, at_once
        self._read_until = start
        self._events: deque[SealedEvent] = deque()
        self._checkpoints: dict[int, Any] = {}
        self._ahead: tuple[Rules, Item] | None = None
        self._missed: deque[int] = deque()

    @property
    def at(self) -> int:
        """Return the number after the last event that was looked at."""
        return self._at

    def next(self, limits: Limits) -> Stretch:
        """Return what comes next, cut where a batch is full; redacted as it has to be now.

        Args:
            limits: of the receiver, or less.
        """
        while self._read_until < self._end and self._read_until - self._at < limits.events:
            self._read()
        rules = _rules(self._sink)
        end = min(self._read_until, self._at + limits.events)
        items: list[Item] = []
        too_large: list[Item] = []
        filled = 0
        while self._events and self._events[0].seq < end:
            event = self._events[0]
            item = self._formatted(event, rules)
            if limits.item is not None and len(item.text.encode()) > limits.item:
                too_large.append(item)
                self._events.popleft()
                continue
            filled += item.size
            if items and filled > limits.bytes:
                end = event.seq
                self._ahead = (rules, item)
                break
            items.append(item)
            self._events.popleft()
        self._at = end
        gone = []
        while self._missed and self._missed[0] < end:
            gone.append(self._missed.popleft())
        return Stretch(items, end, too_large, gone)

    def _formatted(self, event: SealedEvent, rules: Rules) -> Item:
        """Return an event as it is sent; one that did not fit into the batch before is formatted already."""
        if self._ahead is not None and self._ahead[0] == rules and self._ahead[1].seq == event.seq:
            return self._ahead[1]
        text = record(event, self._sink, rules, self._checkpoints.get(event.seq + 1))
        return _item(event, self._log, text)

    def _read(self) -> None:
        start, end = self._read_until, min(self._end, self._read_until + self._at_once)
        with reading(self._log) as cursor:
            events = list(sealed_events(cursor, self._log, start, end))
            cursor.execute(_CHECKPOINTS, [self._log, start, end])
            found = {size: {"note": note, "edge": edge_texts(bytes(edge), size)} for size, note, edge in cursor}
            self._missed += missed(cursor, self._log, events, self._sink.created_at)
            wanted = _wanted(self._sink, events)
        self._checkpoints = {size: each for size, each in self._checkpoints.items() if size > self._at} | found
        self._events += [each for each in events if each.is_there and (wanted is None or each.event_id in wanted)]
        self._read_until = end


def stretch(sink: Sink, log: UUID, start: int, end: int, limits: Limits) -> Stretch:
    """Return what comes next of a log, cut where a batch is full.

    Args:
        sink: whose filter, fields and format count.
        log: the log.
        start: the first number.
        end: the number after the last sealed event.
        limits: of the receiver, or less.
    """
    return Feed(sink, log, start, end, at_once=limits.events).next(limits)


def one(sink: Sink, log: UUID, seq: int) -> Item | None:
    """Return one event as it is sent; None when it is not in the log any more."""
    with reading(log) as cursor:
        for event in sealed_events(cursor, log, seq, seq + 1):
            if event.is_there:
                return _item(event, log, record(event, sink, _rules(sink)))
    return None


def record(event: SealedEvent, sink: Sink, rules: Rules, checkpoint: dict[str, Any] | None = None) -> str:
    """Return a sealed event as a sink wants it, on one line.

    Args:
        event: with its row.
        sink: whose format and fields count.
        rules: of redaction.
        checkpoint: of the log up to and with this event, if there is one; only lines of docs/audit/format.md have
            them, also those inside of CloudEvents.
    """
    names = left_out(sink.sent_fields)
    sent = selected(redacted(event, rules), names)
    if sink.format not in PROVABLE_FORMATS:
        return RECORD_FORMATS[sink.format].encode(sent).decode().rstrip("\n")
    if sink.has_proofs:
        extra = "" if checkpoint is None else f',"checkpoint":{json.dumps(checkpoint)}'
        text = ndjson.text(sent, extra, unproven=sent is not event, left_out=names)
    else:
        text = ndjson.plain_text(sent, left_out=names)
    return enveloped(sent, text) if sink.format == RecordFormat.CLOUDEVENTS else text


def _item(event: SealedEvent, log: UUID, text: str) -> Item:
    fine = event.value("outcome") == Outcome.SUCCESS
    return Item(event.seq, event.event_id, log, event.event_time, str(event.value("action")), text, fine)


def _rules(sink: Sink) -> Rules:
    with tenant_scope(sink.organization_id):
        return rules_for(sink.organization_id, sink.redaction)


def _wanted(sink: Sink, events: list[SealedEvent]) -> set[str] | None:
    """Return the ids of the events that the sink's filter finds; None when it has none. The log's scope is open."""
    if not sink.query or not events:
        return None
    query = parse(sink.query, names(across=False))
    times = [event.event_time for event in events]
    found = Event.objects.filter(
        conditions_of(query, LogPlaces(SYSTEM), timezone.now(), spanned=True).condition,
        pk__in=[event.event_id for event in events],
        time__gte=min(times),
        time__lte=max(times),
    )
    return {str(pk) for pk in found.values_list("pk", flat=True)}
