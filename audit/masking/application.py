"""Redacts a sealed event: its values change, its salts for them go, its leaf and hash stay.

Who holds the copy sees that a value was withheld (its commitment has no opening), and can prove everything else. Who
holds the original can open the commitment later.
"""

import json
from collections.abc import Callable
from typing import Any

from audit.canonical import sorted_names
from audit.leaf import CHANGES, ERASED, PERSONAL, SALT_BYTES, parsed
from audit.sealing.reading import SealedEvent

from .rules import Rules


def redacted(event: SealedEvent, rules: Rules) -> SealedEvent:
    """Return an event as it may leave.

    Args:
        event: with its row.
        rules: what becomes of what.
    """
    found = event.row if rules else None
    if found is None:
        return event
    row = dict(found)
    withheld: set[str] = set()
    for name in PERSONAL:
        value = row[name]
        if value and (sent := rules.text(name, value)) != value:
            row[name] = sent
            withheld.add(name)
    for column in CHANGES:
        row[column], changed = _changes(column, row[column], rules)
        withheld |= changed
    if not withheld:
        return event
    return event.showing(row, withholding(event, withheld.__contains__))


def withholding(event: SealedEvent, is_withheld: Callable[[str], bool]) -> bytes:
    """Return an event's salts with those of withheld commitments taken out.

    Args:
        event: with its leaf.
        is_withheld: whether a commitment, by its name, opens no more.
    """
    if event.body is None:
        return b""
    salts = bytearray(event.salts)
    for number, name in enumerate(sorted_names(json.loads(event.body).get("commitments", {}))):
        if is_withheld(name):
            salts[number * SALT_BYTES : (number + 1) * SALT_BYTES] = ERASED
    return bytes(salts)


def _changes(column: str, text: str | None, rules: Rules) -> tuple[str | None, set[str]]:
    """Return before or after as it is sent, and the names of the commitments that are withheld."""
    values = parsed(text or "{}")
    if not isinstance(values, dict):
        sent = rules.value(values)
        return (text, set()) if sent == values else (json.dumps(sent, ensure_ascii=False), {column})
    changed: dict[str, Any] = {}
    withheld = set()
    for name, value in values.items():
        sent = rules.value(value)
        if sent != value:
            withheld.add(f"{column}.{name}")
        if sent is not None or value is None:
            changed[name] = sent
    return (json.dumps(changed, ensure_ascii=False), withheld) if withheld else (text, withheld)
