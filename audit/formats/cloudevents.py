"""CloudEvents 1.0 in JSON (https://github.com/cloudevents/spec), with the extension attribute `sequence`."""

import json
from typing import Any

from audit.sealing.reading import SealedEvent

from . import ndjson
from .base import Format

TYPE = "io.gatehouse.audit."


def record(event: SealedEvent) -> dict[str, Any] | None:
    """Return a sealed event as a CloudEvent whose data are its NDJSON line; None when the event itself is gone."""
    if event.row is None:
        return None
    log = event.row["organization_id"]
    made = {
        "specversion": "1.0",
        "id": event.row["id"],
        "source": f"urn:gatehouse:organization:{log}" if log else "urn:gatehouse:installation",
        "type": f"{TYPE}{event.row['action']}",
        "time": event.row["time"],
        "datacontenttype": "application/json",
        "sequence": str(event.seq),
        "data": ndjson.record(event),
    }
    return made | ({"subject": event.row["target_id"]} if event.row["target_id"] else {})


def encode(event: SealedEvent) -> bytes:
    """Return the line of a sealed event, nothing for one that is gone."""
    found = record(event)
    return b"" if found is None else json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


CLOUDEVENTS = Format(
    name="cloudevents",
    label="CloudEvents 1.0",
    content_type="application/cloudevents+json",
    extension="cloudevents.ndjson",
    record=record,
    encode=encode,
)
