"""The Elastic Common Schema: https://www.elastic.co/docs/reference/ecs."""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from audit.catalogue import catalogue
from audit.sealing.reading import SealedEvent

from .base import Format
from .ocsf_classes import ACCOUNT_CHANGE, AUTHENTICATION, GROUP_MANAGEMENT, USER_ACCESS, Class, kind_of, severity_of
from .record import sealed_record

VERSION = "8.17.0"

_OUTCOMES = {"success": "success", "denied": "failure", "failed": "failure"}
_TYPES = {
    "created": "creation",
    "added": "creation",
    "deleted": "deletion",
    "removed": "deletion",
    "purged": "deletion",
    "destroyed": "deletion",
    "signed_in": "start",
    "signed_out": "end",
}
_IAM: dict[int, str] = {ACCOUNT_CHANGE.uid: "user", USER_ACCESS.uid: "user", GROUP_MANAGEMENT.uid: "group"}
_REST = (
    "actor_kind",
    "target_type",
    "target_id",
    "target_label",
    "project_id",
    "project_label",
    "before",
    "after",
    "via",
)


def record(event: SealedEvent) -> dict[str, Any] | None:
    """Return a sealed event as an ECS document; None when the event itself is gone."""
    found = sealed_record(event)
    if found is None:
        return None
    action = found["action"]
    kind = kind_of(action)
    category, types = _categorized(kind.of if kind else None, action.rpartition(".")[2])
    if found["outcome"] == "denied":
        types = [*types, "denied"]
    document = {
        "@timestamp": found["time"],
        "ecs": {"version": VERSION},
        "message": f"{found['actor_label'] or 'unknown'}: {catalogue.label(action)}",
        "event": {
            "id": found["id"],
            "kind": "event",
            "provider": "gatehouse",
            "dataset": "gatehouse.audit",
            "action": action,
            "category": category,
            "type": types,
            "outcome": _OUTCOMES.get(found["outcome"], "unknown"),
            "sequence": event.seq,
            "severity": severity_of(action, found["outcome"])[0],
            "hash": b64encode(event.hash).decode(),
            "reason": found["reason"],
        },
        "user": {"id": found["actor_id"], "name": found["actor_label"], "email": _address(found["actor_label"])},
        "source": {"ip": found["ip"]},
        "user_agent": {"original": found["user_agent"]},
        "organization": {"id": found["organization_id"]},
        "http": {"request": {"id": found["request_id"]}},
        "related": {
            "user": sorted({name for name in (found["actor_label"], _person(found)) if name}),
            "ip": [found["ip"]] if found["ip"] else [],
        },
        "gatehouse": {name: found[name] for name in _REST} | {"session": found["session"]},
    }
    if category == ["iam"] and types[0] == "group":
        document["group"] = {"id": found["target_id"], "name": found["target_label"]}
    elif person := _person(found):
        document["user"]["target"] = {"id": found["target_id"], "name": person, "email": _address(person)}
    return _filled(document)


def encode(event: SealedEvent) -> bytes:
    """Return the line of a sealed event, nothing for one that is gone."""
    found = record(event)
    return b"" if found is None else json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _categorized(one: Class | None, verb: str) -> tuple[list[str], list[str]]:
    """Return (category, types): what ECS expects to find together."""
    type_of = _TYPES.get(verb, "change")
    if one is AUTHENTICATION:
        return ["authentication"], [type_of if type_of in {"start", "end"} else "info"]
    if one is not None and one.uid in _IAM:
        return ["iam"], [_IAM[one.uid], type_of if type_of in {"creation", "deletion"} else "change"]
    return ["configuration"], [type_of if type_of in {"creation", "deletion"} else "change"]


def _person(found: Mapping[str, Any]) -> str | None:
    label = found["target_label"]
    return str(label) if label and "@" in label else None


def _address(label: str | None) -> str | None:
    return label if label and "@" in label else None


def _filled(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without what is empty."""
    kept = {name: _filled(each) if isinstance(each, dict) else each for name, each in value.items()}
    return {name: each for name, each in kept.items() if each not in (None, "", {}, [])}


ECS = Format(
    name="ecs",
    label="Elastic Common Schema",
    content_type="application/x-ndjson",
    extension="ecs.ndjson",
    record=record,
    encode=encode,
)
