"""What is sent: the sealed events of a stretch of a log, as a sink wants them."""

import json
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
from audit.sealing.reading import SealedEvent, sealed_events
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope

from .base import Item, Limits
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
    """

    items: list[Item]
    end: int
    too_large: list[Item]


def stretch(sink: Sink, log: UUID, start: int, end: int, limits: Limits) -> Stretch:
    """Return what comes next of a log, cut where a batch is full.

    Args:
        sink: whose filter and format count.
        log: the log.
        start: the first number.
        end: the number after the last sealed event.
        limits: of the receiver, or less.
    """
    end = min(end, start + limits.events)
    items: list[Item] = []
    too_large: list[Item] = []
    filled = 0
    with reading(log) as cursor:
        events = list(sealed_events(cursor, log, start, end))
        cursor.execute(_CHECKPOINTS, [log, start, end])
        checkpoints = {
            size: {"note": note, "edge": edge_texts(bytes(edge), size)} for size, note, edge in cursor.fetchall()
        }
        wanted = _wanted(sink, events)
    rules = _rules(sink)
    for event in events:
        if not event.is_there or (wanted is not None and event.event_id not in wanted):
            continue
        text = record(event, sink, rules, checkpoints.get(event.seq + 1))
        item = _item(event, log, text)
        if limits.item is not None and len(text.encode()) > limits.item:
            too_large.append(item)
            continue
        filled += item.size
        if items and filled > limits.bytes:
            return Stretch(items, event.seq, too_large)
        items.append(item)
    return Stretch(items, end, too_large)


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
        line = ndjson.line(sent, extra, unproven=sent is not event, left_out=names)
    else:
        line = ndjson.plain_line(sent, left_out=names)
    text = line.decode().rstrip("\n")
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
