"""IBM QRadar's Log Event Extended Format, version 2.0: a header with bars, then attributes with a tab between them."""

from typing import Any

from audit.sealing.reading import SealedEvent

from .base import Format
from .ocsf_classes import severity_of
from .record import sealed_record

_HEADER = "LEEF:2.0|Gatehouse|Gatehouse|1"
_SEVERITIES = {1: 2, 2: 4, 3: 6, 4: 8, 5: 10}
_BREAKS = str.maketrans({"\t": " ", "\r": " ", "\n": " "})


def record(event: SealedEvent) -> dict[str, Any] | None:
    """Return the attributes of a sealed event; None when the event itself is gone."""
    found = sealed_record(event)
    if found is None:
        return None
    attributes = {
        "devTime": found["time"],
        "devTimeFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
        "cat": found["action"].partition(".")[0],
        "sev": _SEVERITIES[severity_of(found["action"], found["outcome"])[0]],
        "usrName": found["actor_label"],
        "src": found["ip"],
        "eventId": found["id"],
        "seq": event.seq,
        "outcome": found["outcome"],
        "actorId": found["actor_id"],
        "organizationId": found["organization_id"],
        "projectId": found["project_id"],
        "projectName": found["project_label"],
        "targetType": found["target_type"],
        "targetId": found["target_id"],
        "targetName": found["target_label"],
        "reason": found["reason"],
        "requestId": found["request_id"],
        "via": found["via"],
        "userAgent": found["user_agent"],
        "leafHash": event.hash.hex(),
    }
    return {name: value for name, value in attributes.items() if value not in (None, "")}


def encode(event: SealedEvent) -> bytes:
    """Return the line of a sealed event, nothing for one that is gone."""
    attributes = record(event)
    if attributes is None or event.row is None:
        return b""
    action = str(event.row["action"]).replace("|", "-")
    line = "\t".join(f"{name}={str(value).translate(_BREAKS)}" for name, value in attributes.items())
    return f"{_HEADER}|{action}|x09|{line}\n".encode()


LEEF = Format(
    name="leef",
    label="LEEF (QRadar)",
    content_type="text/plain; charset=utf-8",
    extension="leef",
    record=record,
    encode=encode,
)
