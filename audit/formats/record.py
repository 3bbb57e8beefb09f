"""An event as plain values: the columns that every format shows, whether it was read as a model or sealed."""

import json
from datetime import UTC, datetime
from typing import Any

from audit.models import Event
from audit.sealing.reading import SealedEvent

COLUMNS = (
    "id",
    "time",
    "organization_id",
    "actor_kind",
    "actor_id",
    "actor_label",
    "via",
    "action",
    "outcome",
    "target_type",
    "target_id",
    "target_label",
    "project_id",
    "project_label",
    "before",
    "after",
    "reason",
    "request_id",
    "session",
    "ip",
    "user_agent",
)
CHANGES = ("before", "after")


def as_record(event: Event) -> dict[str, Any]:
    """Return an event as JSON values, in the order of `COLUMNS`; times are UTC in ISO 8601."""
    return {name: _plain(getattr(event, name)) for name in COLUMNS}


def sealed_record(event: SealedEvent) -> dict[str, Any] | None:
    """Return a sealed event as JSON values, in the order of `COLUMNS`; None when the event itself is gone."""
    row = event.row
    if row is None:
        return None
    record: dict[str, Any] = {name: row[name] for name in COLUMNS}
    for name in CHANGES:
        record[name] = json.loads(record[name] or "{}")
    return record


def milliseconds(time: str) -> int:
    """Return a record's time in milliseconds since 1970."""
    return int(datetime.fromisoformat(time).astimezone(UTC).timestamp() * 1000)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | dict | list):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
