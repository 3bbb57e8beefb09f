"""NDJSON with everything that verifies it: the lines of docs/audit/format.md.

Lines are put together from texts that are JSON already, as the database holds them: the leaf is canonical, the changes
are what PostgreSQL prints. Only what a commitment opens is read.
"""

import json
from binascii import b2a_base64
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from audit.canonical import escaped
from audit.leaf import CHANGES, ERASED, PERSONAL, SALT_BYTES, parsed
from audit.sealing.reading import COLUMNS_FROM, PLACES, SealedEvent

from .base import Format
from .record import COLUMNS

_COMMITMENTS = '"commitments":{'
_DIGEST = len('":"') + 44 + len('",')
"""From the end of a name to the quote before the next one: a digest has 44 characters in base64."""
_ID = PLACES["id"]
_PERSONAL = {name: PLACES[name] for name in PERSONAL}
_CHANGES = {name: PLACES[name] for name in CHANGES}
# PostgreSQL's own types have nothing that has to be escaped.
_BARE = frozenset({"actor_id", "ip", "organization_id", "project_id", "time"})
_TEXTS = tuple(
    (PLACES[name], f',"{name}":', ',"{}":{}'.format(name, "null" if name in _BARE else '""'), name in _BARE)
    for name in COLUMNS
    if name not in {"id", *CHANGES}
)
_NOTHING: frozenset[str] = frozenset()


def line(event: SealedEvent, extra: str = "") -> bytes:
    """Return a sealed event as a line.

    Args:
        event: the event.
        extra: further members, each with a comma before it.
    """
    return f"{text(event, extra)}\n".encode()


def text(event: SealedEvent, extra: str = "", *, unproven: bool = False, left_out: frozenset[str] = _NOTHING) -> str:
    """Return a sealed event as a line without its end.

    Args:
        event: the event.
        extra: further members, each with a comma before it.
        unproven: whether the plain copy keeps what stands in the place of values that were withheld.
        left_out: columns that the plain copy does not have.
    """
    seq, digest, _event_id, _time, body, salts, is_there = event[:COLUMNS_FROM]
    head = f'{{"seq":{seq},"hash":"{b2a_base64(digest, newline=False).decode()}","leaf":'
    if body is None:
        return f"{head}null{extra}}}"
    # A canonical text has no other characters that a JSON string escapes.
    leaf = body.replace("\\", "\\\\").replace('"', '\\"')
    if not is_there:
        return f'{head}"{leaf}"{extra}}}'
    opened, erased = _openings(body, salts or b"", event)
    values: Sequence[Any] = event
    if erased and not unproven:
        values = _without(event, erased)
        names = ",".join([f'"{name}"' for name in erased])
        extra = f',"erased":[{names}]{extra}'
    return f'{head}"{leaf}","openings":{{{",".join(opened)}}},"event":{_event(values, left_out)}{extra}}}'


def plain_text(event: SealedEvent, *, left_out: frozenset[str] = _NOTHING) -> str:
    """Return a sealed event as a short line without its end: number, hash and plain copy, nothing that proves it.

    Args:
        event: the event.
        left_out: columns that the copy does not have.
    """
    digest = b2a_base64(event.hash, newline=False).decode()
    copy = _event(event, left_out) if event.is_there else "null"
    return f'{{"seq":{event.seq},"hash":"{digest}","event":{copy}}}'


def record(event: SealedEvent) -> dict[str, Any]:
    """Return the values of an event's line."""
    found: dict[str, Any] = json.loads(line(event))
    return found


def _event(values: Sequence[Any], left_out: frozenset[str]) -> str:
    texts = "".join(
        [
            (f'{key}"{value}"' if bare else key + escaped(value)) if (value := values[place]) else empty
            for place, key, empty, bare in (_some(left_out) if left_out else _TEXTS)
        ]
    )
    changes = "".join(
        [f',"{name}":{values[place] or "{}"}' for name, place in _CHANGES.items() if name not in left_out]
    )
    return f'{{"id":"{values[_ID]}"{texts}{changes}}}'


@lru_cache(maxsize=64)
def _some(left_out: frozenset[str]) -> tuple[tuple[int, str, str, bool], ...]:
    places = {PLACES[name] for name in left_out}
    return tuple(each for each in _TEXTS if each[0] not in places)


def _openings(body: str, salts: bytes, values: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Return the members of ``openings``, and the names of the commitments that open no more."""
    opened: list[str] = []
    erased: list[str] = []
    start = body.find(_COMMITMENTS)
    if start < 0:
        return opened, erased
    changes: dict[str, Any] = {}
    at = start + len(_COMMITMENTS)
    for place in range(0, len(salts), SALT_BYTES):
        if body[at : at + 1] != '"':
            break
        end = body.find('":"', at)
        while body[end - 1 : end] == "\\" and _is_escaped(body, end):
            end = body.find('":"', end + 1)
        if end < 0:
            break  # no leaf of ours: what it is worth, the verifier says
        name = body[at + 1 : end]
        at = end + _DIGEST
        salt = salts[place : place + SALT_BYTES]
        if salt == ERASED:
            text = None
        elif (column := _PERSONAL.get(name)) is not None:
            text = escaped(value) if (value := values[column]) else None
        else:
            text = _changed(name, values, changes)
        if text is None:
            erased.append(name)
        else:
            opened.append(f'"{name}":["{b2a_base64(salt, newline=False).decode()}",{text}]')
    return opened, erased


def _is_escaped(text: str, at: int) -> bool:
    """Return whether the quote at a place is part of a string."""
    before = text[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _without(event: Sequence[Any], erased: list[str]) -> Sequence[Any]:
    """Return an event without what nothing proves any more, whatever stands in its place."""
    values = list(event)
    for escaped_name in erased:
        name = _unescaped(escaped_name)
        column, _, field = name.partition(".")
        if name in _PERSONAL:
            values[_PERSONAL[name]] = None
        elif column in _CHANGES:
            changed = parsed(values[_CHANGES[column]] or "{}")
            kept = {key: value for key, value in changed.items() if key != field} if isinstance(changed, dict) else {}
            values[_CHANGES[column]] = json.dumps(kept, ensure_ascii=False)
    return values


def _changed(name: str, event: Sequence[Any], changes: dict[str, Any]) -> str | None:
    """Return the JSON of a changed field (``after.role``); None when it is not there any more.

    Args:
        name: its name as it stands in the leaf.
        event: its row.
        changes: what was read of the event before; filled here.
    """
    if "\\" in name:
        name = _unescaped(name)
    column, _, field = name.partition(".")
    if column not in _CHANGES:
        return None
    if column not in changes:
        changes[column] = parsed(event[_CHANGES[column]] or "{}")
    values = changes[column]
    if name == column:
        return None if isinstance(values, dict) else _text(values)
    if not isinstance(values, dict) or field not in values:
        return None
    return _text(values[field])


def _unescaped(name: str) -> str:
    return name if "\\" not in name else str(json.loads(f'"{name}"'))


def _text(value: Any) -> str:
    return escaped(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


NDJSON = Format(
    name="ndjson",
    label="NDJSON, with leaves and checkpoints, for programs and SIEMs",
    content_type="application/x-ndjson",
    extension="ndjson",
    record=record,
    encode=line,
    proves=True,
)
