"""ArcSight's Common Event Format, version 0: a header with bars, then ``key=value``."""

from typing import Any

from audit.catalogue import catalogue
from audit.sealing.reading import SealedEvent

from .base import Format
from .ocsf_classes import severity_of
from .record import milliseconds, sealed_record

_HEADER = ("CEF:0", "Gatehouse", "Gatehouse", "1")
_SEVERITIES = {1: 2, 2: 4, 3: 6, 4: 8, 5: 10}
_LONGEST = 1_023
"""Characters of a value; the dictionary of CEF's keys allows most of them that many."""


def record(event: SealedEvent) -> dict[str, Any] | None:
    """Return the extension of a sealed event by its keys; None when the event itself is gone."""
    found = sealed_record(event)
    if found is None:
        return None
    keys = {
        "rt": milliseconds(found["time"]),
        "externalId": found["id"],
        "act": found["action"],
        "outcome": found["outcome"],
        "suser": found["actor_label"],
        "suid": found["actor_id"],
        "src": found["ip"],
        "requestClientApplication": found["user_agent"],
        "duser": found["target_label"],
        "duid": found["target_id"],
        "reason": found["reason"],
        "cat": found["action"].partition(".")[0],
        "cn1Label": "seq",
        "cn1": event.seq,
        "cs1Label": "organization",
        "cs1": found["organization_id"],
        "cs2Label": "project",
        "cs2": found["project_label"] or found["project_id"],
        "cs3Label": "targetType",
        "cs3": found["target_type"],
        "cs4Label": "requestId",
        "cs4": found["request_id"],
        "cs5Label": "leafHash",
        "cs5": event.hash.hex(),
        "cs6Label": "via",
        "cs6": found["via"],
    }
    return {name: value for name, value in keys.items() if value not in (None, "") and _labelled(name, keys)}


def encode(event: SealedEvent) -> bytes:
    """Return the line of a sealed event, nothing for one that is gone."""
    keys = record(event)
    if keys is None:
        return b""
    action, outcome = keys["act"], keys["outcome"]
    severity = _SEVERITIES[severity_of(action, outcome)[0]]
    header = "|".join([*_HEADER, _in_header(action), _in_header(catalogue.label(action)), str(severity)])
    extension = " ".join(f"{name}={_in_extension(str(value))}" for name, value in keys.items())
    return f"{header}|{extension}\n".encode()


def _labelled(name: str, keys: dict[str, Any]) -> bool:
    """Return whether a label has something to label."""
    return not name.endswith("Label") or keys[name.removesuffix("Label")] not in (None, "")


def _in_header(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\r", " ").replace("\n", " ")


def _in_extension(text: str) -> str:
    escaped = text[:_LONGEST].replace("\\", "\\\\").replace("=", "\\=")
    return escaped.replace("\r\n", "\\n").replace("\r", "\\r").replace("\n", "\\n")


CEF = Format(
    name="cef",
    label="CEF (ArcSight)",
    content_type="text/plain; charset=utf-8",
    extension="cef",
    record=record,
    encode=encode,
)
