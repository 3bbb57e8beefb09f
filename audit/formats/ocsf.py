"""OCSF, the schema that SIEMs share: a JSON object a line, in the classes of its identity and application categories.

Which class an action is of stands in `ocsf_classes`. The schema: https://schema.ocsf.io/1.7.0/.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from audit.catalogue import catalogue
from audit.sealing.reading import SealedEvent

from .base import Format
from .ocsf_classes import (
    ACCOUNT_CHANGE,
    API_ACTIVITY,
    AUTHENTICATION,
    ENTITY_MANAGEMENT,
    GROUP_MANAGEMENT,
    OTHER,
    USER_ACCESS,
    Class,
    Kind,
    kind_of,
    severity_of,
)
from .record import sealed_record

VERSION = "1.7.0"
PRODUCT = {"name": "Gatehouse", "vendor_name": "Gatehouse", "feature": {"name": "Audit log"}}

_STATUSES = {"success": (1, "Success"), "denied": (2, "Failure"), "failed": (2, "Failure")}
_USER_TYPES = {
    "user": (1, "User"),
    "operator": (2, "Admin"),
    "system": (3, "System"),
    "service_account": (4, "Service"),
}
_ENTITY_TYPES = {"user": (2, "User"), "group": (3, "Group"), "organization": (4, "Organization"), "role": (5, "Policy")}
_PEOPLE = ("user", "member", "membership", "service account", "provisioned user", "second factor", "login")
_PRIVILEGES = ("role", "roles", "project_role", "permission", "permissions", "scopes")
_UNKNOWN = "unknown"  # a name that was erased


def record(event: SealedEvent) -> dict[str, Any] | None:
    """Return a sealed event as an OCSF event; None when the event itself is gone."""
    found = sealed_record(event)
    if found is None:
        return None
    kind = kind_of(found["action"]) or Kind(ENTITY_MANAGEMENT, OTHER, "Other")
    severity, severity_name = severity_of(found["action"], found["outcome"])
    status, status_name = _STATUSES.get(found["outcome"], (99, found["outcome"]))
    one = kind.of
    event_of = {
        "activity_id": kind.activity,
        "activity_name": kind.activity_name,
        "category_uid": one.category,
        "category_name": one.category_name,
        "class_uid": one.uid,
        "class_name": one.name,
        "type_uid": one.uid * 100 + kind.activity,
        "type_name": f"{one.name}: {kind.activity_name}",
        "severity_id": severity,
        "severity": severity_name,
        "status_id": status,
        "status": status_name,
        "time": _milliseconds(found["time"]),
        "message": _message(found),
        "metadata": _metadata(event, found),
        "actor": _actor(found),
        "unmapped": _unmapped(event, found),
        **_about(one, found),
    }
    if found["reason"]:
        event_of["status_detail"] = found["reason"]
    if found["ip"]:
        event_of["src_endpoint"] = {"ip": found["ip"]}
    if found["user_agent"] or found["request_id"]:
        request = {"user_agent": found["user_agent"], "uid": found["request_id"]}
        event_of["http_request"] = {name: value for name, value in request.items() if value}
    return event_of


def encode(event: SealedEvent) -> bytes:
    """Return the line of a sealed event, nothing for one that is gone."""
    found = record(event)
    if found is None:
        return b""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _metadata(event: SealedEvent, found: Mapping[str, Any]) -> dict[str, Any]:
    values = {
        "version": VERSION,
        "product": PRODUCT,
        "uid": found["id"],
        "sequence": event.seq,
        "event_code": found["action"],
        "log_name": "audit",
        "original_time": found["time"],
        "correlation_uid": found["request_id"],
        "tenant_uid": found["organization_id"],
    }
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _actor(found: Mapping[str, Any]) -> dict[str, Any]:
    actor: dict[str, Any] = {"user": _user_of_actor(found), "invoked_by": found["via"]}
    if found["session"]:
        actor["session"] = {"uid": found["session"]}
    return actor


def _user_of_actor(found: Mapping[str, Any]) -> dict[str, Any]:
    kind = found["actor_kind"]
    type_id, type_name = _USER_TYPES.get(kind, (99, kind))
    return _person(found["actor_label"], found["actor_id"], type_id=type_id, type=type_name)


def _about(one: Class, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the class wants to know of the event's target."""
    if one is API_ACTIVITY:
        return {
            "api": {"operation": found["action"], "service": {"name": "Gatehouse"}},
            "src_endpoint": {"name": found["via"]},
            "resources": [
                _named(found["target_label"] or found["action"], found["target_id"], type=found["target_type"])
            ],
        }
    if one is GROUP_MANAGEMENT:
        about: dict[str, Any] = {"group": _named(found["target_label"], found["target_id"])}
        return about | ({"privileges": given} if (given := _privileges(found)) else {})
    if one is ENTITY_MANAGEMENT:
        type_id, type_name = _ENTITY_TYPES.get(found["target_type"], (99, found["target_type"] or "Other"))
        entity = _named(found["target_label"], found["target_id"], type_id=type_id, type=type_name)
        return {"entity": entity}
    about = {"user": _user(found)}
    if one is USER_ACCESS:
        about["privileges"] = _privileges(found) or [found["action"]]
    return about


def _user(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the person that an event is about: its target, or who acted, when the target is none."""
    if found["target_type"] in _PEOPLE and (found["target_label"] or found["target_id"]):
        return _person(found["target_label"], found["target_id"])
    return _user_of_actor(found)


def _person(label: str | None, uid: str | None, **more: Any) -> dict[str, Any]:
    named = _named(label, uid, **more)
    return named | ({"email_addr": label} if label and "@" in label else {})


def _named(label: str | None, uid: str | None, **more: Any) -> dict[str, Any]:
    """Return an object that has a name or an id, as the schema wants it."""
    named = {name: value for name, value in {"name": label, "uid": uid}.items() if value} or {"name": _UNKNOWN}
    return named | {name: value for name, value in more.items() if value not in (None, "")}


def _privileges(found: Mapping[str, Any]) -> list[str]:
    given = []
    for changes in (found["after"], found["before"]):
        for name in _PRIVILEGES:
            value = changes.get(name) if isinstance(changes, dict) else None
            given += [str(each) for each in value] if isinstance(value, list) else [str(value)] if value else []
        if given:
            break
    return given


def _unmapped(event: SealedEvent, found: Mapping[str, Any]) -> dict[str, Any]:
    values = {
        "leaf_hash": b64encode(event.hash).decode(),
        "outcome": found["outcome"],
        "target_type": found["target_type"],
        "target_id": found["target_id"],
        "target_label": found["target_label"],
        "project_id": found["project_id"],
        "project_label": found["project_label"],
        "before": found["before"],
        "after": found["after"],
    }
    return {name: value for name, value in values.items() if value not in (None, "", {})}


def _message(found: Mapping[str, Any]) -> str:
    about = f": {found['target_label']}" if found["target_label"] else ""
    return f"{found['actor_label'] or _UNKNOWN}: {catalogue.label(found['action'])}{about}"


def _milliseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).astimezone(UTC).timestamp() * 1000)


OCSF = Format(
    name="ocsf",
    label=f"OCSF {VERSION} JSON lines, for SIEMs",
    content_type="application/x-ndjson",
    extension="ocsf.ndjson",
    record=record,
    encode=encode,
)

__all__ = ["ACCOUNT_CHANGE", "AUTHENTICATION", "OCSF", "VERSION", "encode", "record"]
