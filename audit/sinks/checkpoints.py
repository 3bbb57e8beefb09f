"""The newest checkpoint of a log as a record of its own: kept by the receiver, it is a witness."""

import json
from base64 import b64encode
from uuid import NAMESPACE_URL, uuid5

from django.utils import timezone

from audit.exports.proving import edge_texts, key_statements
from audit.formats import TEXT_FORMATS
from audit.notes import INSTALLATION
from audit.sealing.logs import reading
from isolation.scope import tenant_scope

from .base import Destination, Item
from .claims import Claim
from .exceptions import Refused
from .models import Sink, SinkCursor
from .registry import DESTINATIONS

ACTION = "audit_log.checkpoint"
"""What receivers that file records by action are told."""

_NEWEST = """
SELECT size, root, edge, note, time FROM audit_checkpoint
WHERE organization_id = %s AND size <= %s ORDER BY size DESC LIMIT 1
"""


def sends_checkpoints(sink: Sink) -> bool:
    """Return whether a sink receives checkpoints: it is wanted, and its records may be any JSON."""
    receiver = DESTINATIONS.get(sink.kind)
    takes = receiver is not None and receiver.takes_checkpoints(sink.options)
    return sink.sends_checkpoints and takes and sink.format not in TEXT_FORMATS


def unsent_checkpoint(sink: Sink, held: Claim) -> Item | None:
    """Return the newest checkpoint of a log that the sink was not sent yet; it covers those before it."""
    if not sends_checkpoints(sink):
        return None
    with tenant_scope(held.organization_id):
        sent = SinkCursor.objects.values_list("checkpoint_size", flat=True).filter(pk=held.cursor_id).first()
    if sent is None or sent >= held.head:
        return None
    with reading(held.log) as cursor:
        cursor.execute(_NEWEST, [held.log, held.head])
        row = cursor.fetchone()
        if row is None or row[0] <= sent:
            return None
        size, root, edge, note, time = row
        record = {
            "kind": "checkpoint",
            "log": "installation" if held.log == INSTALLATION else str(held.log),
            "size": size,
            "root": b64encode(bytes(root)).decode(),
            "time": f"{time:%Y-%m-%dT%H:%M:%SZ}",
            "checkpoint": {"note": note, "edge": edge_texts(bytes(edge), size)},
            "keys": key_statements(cursor),
        }
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    origin = note.partition("\n")[0]
    identifier = str(uuid5(NAMESPACE_URL, f"{origin}/checkpoint/{size}"))
    return Item(size - 1, identifier, held.log, time, ACTION, text, is_checkpoint=True)


def refusal_of(receiver: Destination, checkpoint: Item) -> str:
    """Send a checkpoint; return why the receiver refuses it, "" when it took it.

    Raises:
        Later, Blocked: it takes nothing now.
    """
    try:
        rejections = receiver.send([checkpoint])
    except Refused as error:
        return error.reason
    return rejections[0].reason if rejections else ""


def note_checkpoint(held: Claim, checkpoint: Item, refusal: str) -> None:
    """Note which checkpoint was sent; one that is refused is not sent again, the next one is."""
    values = {"checkpoint_size": checkpoint.seq + 1, "checkpoint_at": timezone.now(), "checkpoint_refusal": refusal}
    with tenant_scope(held.organization_id):
        SinkCursor.objects.filter(pk=held.cursor_id, lease=held.lease).update(**values)
