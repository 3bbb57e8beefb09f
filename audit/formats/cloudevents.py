"""CloudEvents 1.0 in JSON (https://github.com/cloudevents/spec), with the extension attribute `sequence`."""

import json
from typing import Any

from audit.sealing.reading import SealedEvent

from . import ndjson
from .base import Format

TYPE = "io.gatehouse.audit."


def record(event: SealedEvent) -> dict[str, Any] | None:
    """Return a sealed event as a CloudEvent whose data are its NDJSON line; None when the event itself is gone."""
    line = encode(event)
    return json.loads(line) if line else None


def encode(event: SealedEvent) -> bytes:
    """Return the line of a sealed event, nothing for one that is gone."""
    return f"{enveloped(event, ndjson.text(event))}\n".encode() if event.is_there else b""


def enveloped(event: SealedEvent, data: str) -> str:
    """Return a sealed event, which is there, as a CloudEvent on one line.

    Args:
        event: what the attributes tell of.
        data: the JSON that it carries.
    """
    log, target = event.value("organization_id"), event.value("target_id")
    attributes = {
        "specversion": "1.0",
        "id": event.event_id,
        "source": f"urn:gatehouse:organization:{log}" if log else "urn:gatehouse:installation",
        "type": f"{TYPE}{event.value('action')}",
        "time": event.value("time"),
        "datacontenttype": "application/json",
        "sequence": str(event.seq),
        **({"subject": target} if target else {}),
    }
    return f'{json.dumps(attributes, ensure_ascii=False, separators=(",", ":"))[:-1]},"data":{data}}}'


CLOUDEVENTS = Format(
    name="cloudevents",
    label="CloudEvents 1.0",
    content_type="application/cloudevents+json",
    extension="cloudevents.ndjson",
    record=record,
    encode=encode,
)
