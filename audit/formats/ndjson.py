"""NDJSON with everything that verifies it: the lines of docs/audit/format.md.

Lines are put together from texts that are JSON already, as the database holds them: the leaf is canonical, the changes
are what PostgreSQL prints. Only what a commitment opens is read.
"""

import json
import re
from binascii import b2a_base64
from typing import Any

from audit.canonical import quoted
from audit.leaf import CHANGES, ERASED, PERSONAL, SALT_BYTES, Row, parsed
from audit.sealing.reading import SealedEvent

from .base import Format
from .record import COLUMNS

_COMMITMENTS = '"commitments":{'
# Names and digests stand in a canonical text without spaces; a digest is 32 bytes.
_COMMITMENT = re.compile(r'"((?:[^"\\]|\\.)*)":"[A-Za-z0-9+/]{43}="')
_PERSONAL = frozenset(PERSONAL)
_NULLABLE = frozenset({"actor_id", "ip", "organization_id", "project_id"})
_TEXTS = tuple(
    (name, f',"{name}":', "null" if name in _NULLABLE else '""') for name in COLUMNS if name not in {"id", *CHANGES}
)


def line(event: SealedEvent, extra: str = "", *, unproven: bool = False) -> bytes:
    """Return a sealed event as a line.

    Args:
        event: the event.
        extra: further members, each with a comma before it.
        unproven: whether the plain copy keeps what stands in the place of values that were withheld.
    """
    digest = b2a_base64(event.hash, newline=False).decode()
    row, body = event.row, event.body
    if body is None or row is None:
        leaf = "null" if body is None else quoted(body)
        return f'{{"seq":{event.seq},"hash":"{digest}","leaf":{leaf}{extra}}}\n'.encode()
    opened, erased = _openings(body, event.salts, row)
    if erased and not unproven:
        row = _without(row, erased)
    return (
        f'{{"seq":{event.seq},"hash":"{digest}","leaf":{quoted(body)},"openings":{{{",".join(opened)}}},"event":{_event(row)}'
        f"{extra}}}\n"
    ).encode()


def plain_line(event: SealedEvent) -> bytes:
    """Return a sealed event as a short line: number, hash and plain copy, without what proves it."""
    digest = b2a_base64(event.hash, newline=False).decode()
    copy = "null" if event.row is None else _event(event.row)
    return f'{{"seq":{event.seq},"hash":"{digest}","event":{copy}}}\n'.encode()


def record(event: SealedEvent) -> dict[str, Any]:
    """Return the values of an event's line."""
    found: dict[str, Any] = json.loads(line(event))
    return found


def _event(row: Row) -> str:
    texts = "".join([key + (quoted(value) if (value := row[name]) else empty) for name, key, empty in _TEXTS])
    return f'{{"id":"{row["id"]}"{texts},"before":{row["before"] or "{}"},"after":{row["after"] or "{}"}}}'


def _openings(body: str, salts: bytes, row: Row) -> tuple[list[str], list[str]]:
    """Return the members of ``openings``, and the names of the commitments that open no more."""
    start = body.find(_COMMITMENTS)
    if start < 0:
        return [], []
    names = _COMMITMENT.findall(body, start + len(_COMMITMENTS))[: len(salts) // SALT_BYTES]
    changes: dict[str, Any] = {}
    opened, erased = [], []
    for number, name in enumerate(names):
        at = number * SALT_BYTES
        salt = salts[at : at + SALT_BYTES]
        if salt == ERASED:
            text = None
        elif name in _PERSONAL:
            text = quoted(value) if (value := row[name]) else None
        else:
            text = _changed(name, row, changes)
        if text is None:
            erased.append(name)
        else:
            opened.append(f'"{name}":["{b2a_base64(salt, newline=False).decode()}",{text}]')
    return opened, erased


def _without(row: Row, erased: list[str]) -> Row:
    """Return an event without what nothing proves any more, whatever stands in its place."""
    values = dict(row)
    for escaped in erased:
        name = _unescaped(escaped)
        column, _, field = name.partition(".")
        if name in _PERSONAL:
            values[name] = None
        elif column in CHANGES:
            changed = parsed(values[column] or "{}")
            kept = {key: value for key, value in changed.items() if key != field} if isinstance(changed, dict) else {}
            values[column] = json.dumps(kept, ensure_ascii=False)
    return values


def _changed(escaped: str, row: Row, changes: dict[str, Any]) -> str | None:
    """Return the JSON of a changed field (``after.role``); None when it is not there any more.

    Args:
        escaped: its name as it stands in the leaf.
        row: the event.
        changes: what was read of the event before; filled here.
    """
    name = _unescaped(escaped)
    column, _, field = name.partition(".")
    if column not in CHANGES:
        return None
    if column not in changes:
        changes[column] = parsed(row[column] or "{}")
    values = changes[column]
    if name == column:
        return None if isinstance(values, dict) else _text(values)
    if not isinstance(values, dict) or field not in values:
        return None
    return _text(values[field])


def _unescaped(name: str) -> str:
    return name if "\\" not in name else str(json.loads(f'"{name}"'))


def _text(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


NDJSON = Format(
    name="ndjson",
    label="NDJSON, with leaves and checkpoints, for programs and SIEMs",
    content_type="application/x-ndjson",
    extension="ndjson",
    record=record,
    encode=line,
    proves=True,
)
