"""The newest keys of a project or service account, on its page."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from .common import environment_badge, expiry, known_of, last_use, state_badge

MOST_ROWS = 10


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key, as its row shows it."""

    key: Any
    known: str
    environment: str
    used: str
    expires: str
    state: str


@dataclass(frozen=True, slots=True)
class KeyTable:
    """The newest keys, and whether there are more."""

    rows: list[KeyRow]
    has_more: bool


def key_table(keys: "QuerySet[Any]") -> KeyTable:
    """Return the table of the first keys of a list."""
    found = list(keys[: MOST_ROWS + 1])
    rows = [
        KeyRow(key, known_of(key), environment_badge(key.environment), last_use(key), expiry(key), state_badge(key))
        for key in found[:MOST_ROWS]
    ]
    return KeyTable(rows, len(found) > MOST_ROWS)
