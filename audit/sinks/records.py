"""What is sent: the sealed events of a stretch of a log, as a sink wants them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.utils import timezone

from audit.formats import RECORD_FORMATS, ndjson
from audit.masking.application import redacted
from audit.masking.policies import rules_for
from audit.masking.rules import Rules
from audit.models import Event, Outcome
from audit.package import edge_texts
from audit.places import LogPlaces
from audit.query import conditions_of, parse
from audit.query.qualifiers import names
from audit.sealing.reading import SealedEvent, sealed_events
from isolation import context
from isolation.actor import SYSTEM
from isolation.scope import APP, INSTALLATION, OPERATOR, tenant_scope

from .base import Item, Limits
from .models import RecordFormat, Sink

_CHECKPOINTS = """
SELECT size, note, edge FROM audit_checkpoint WHERE organization_id = %s AND size > %s AND size <= %s
"""
_SEALED_SINCE = "SELECT min(start) FROM audit_checkpoint WHERE organization_id = %s AND time >= %s"
_SEALED_AT = "SELECT time FROM audit_checkpoint WHERE organization_id = %s AND size > %s ORDER BY size LIMIT 1"
_HEAD = "SELECT coalesce(max(size), 0) FROM audit_checkpoint WHERE organization_id = %s"


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


@contextmanager
def reading(log: UUID) -> Iterator[Any]:
    """Open a cursor that one log may be read through.

    An organization's log is read as the runtime role inside of its scope; the installation's, which row-level security
    hides from that role, as the operator's.
    """
    if log == INSTALLATION:
        with (
            transaction.atomic(using=OPERATOR),
            context.scoped_to(None, operator_reason="Deliver the installation's log to its sinks"),
            connections[OPERATOR].cursor() as cursor,
        ):
            yield cursor
        return
    with tenant_scope(log), connections[APP].cursor() as cursor:
        yield cursor


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
        sink: whose format counts.
        rules: of redaction.
        checkpoint: of the log up to and with this event, if there is one; only lines of docs/audit/format.md have them.
    """
    sent = redacted(event, rules)
    if sink.format != RecordFormat.NATIVE:
        return RECORD_FORMATS[sink.format].encode(sent).decode().rstrip("\n")
    if not sink.has_proofs:
        return ndjson.plain_line(sent).decode().rstrip("\n")
    extra = "" if checkpoint is None else f',"checkpoint":{json.dumps(checkpoint)}'
    return ndjson.line(sent, extra, unproven=sent is not event).decode().rstrip("\n")


def newest(log: UUID) -> SealedEvent | None:
    """Return the newest sealed event of a log that is still there, of the last hundred; None when there is none."""
    end = head(log)
    with reading(log) as cursor:
        found = [event for event in sealed_events(cursor, log, max(0, end - 100), end) if event.is_there]
    return found[-1] if found else None


def head(log: UUID) -> int:
    """Return how many events of a log are sealed."""
    with reading(log) as cursor:
        cursor.execute(_HEAD, [log])
        return int(cursor.fetchone()[0])


def first_sealed_since(log: UUID, moment: datetime) -> int:
    """Return the number of the first event that was sealed at a moment or later; the head when there is none."""
    with reading(log) as cursor:
        cursor.execute(_SEALED_SINCE, [log, moment])
        (found,) = cursor.fetchone()
    return head(log) if found is None else int(found)


def waiting_since(log: UUID, seq: int) -> datetime | None:
    """Return when an event was sealed; None when it is not."""
    with reading(log) as cursor:
        cursor.execute(_SEALED_AT, [log, seq])
        row = cursor.fetchone()
    return row[0] if row else None


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
