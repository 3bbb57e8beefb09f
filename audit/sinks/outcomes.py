"""How grave an event is, for receivers whose protocol wants to be told (no models)."""

import json

from .base import Item

_NOT_WELL = frozenset({"denied", "failed"})


def went_well(item: Item) -> bool:
    """Return whether what the event tells of succeeded; also where its format does not say."""
    try:
        record = json.loads(item.text)
    except ValueError:
        return True
    event = record.get("event") if isinstance(record, dict) else None
    return not (isinstance(event, dict) and event.get("outcome") in _NOT_WELL)
