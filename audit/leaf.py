"""The leaf: the canonical text of an event that is hashed, and the salts that open its commitments.

The text says plainly what names nobody. What people typed, and what names a person or shows where they were, stands in
it as a salted commitment; value and salt lie beside the text and can be deleted without touching the tree. The format
is docs/audit/format.md; `VERSION` grows with every change of it, and old leaves stay as they are.
"""

import hashlib
import json
import math
import os
from base64 import b64encode
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from .canonical import LARGEST_INTEGER, canonical, canonical_object, quoted, sorted_names

VERSION = 1
SALT_BYTES = 16
ERASED = bytes(SALT_BYTES)
"""In place of a salt: the value was erased, its commitment opens no more."""

PLAIN = (
    "action",
    "actor_id",
    "actor_kind",
    "id",
    "organization_id",
    "outcome",
    "project_id",
    "request_id",
    "target_id",
    "target_type",
    "time",
    "via",
)
"""Columns that stand in the text as they are. Empty ones are left out."""

PERSONAL = ("actor_label", "ip", "project_label", "reason", "session", "target_label", "user_agent")
"""Columns that are committed: this is where a new column is declared personal. Empty ones are left out."""

CHANGES = ("before", "after")
"""Objects whose members are committed one by one: texts, lists and objects. Numbers, booleans and null stay plain."""

SELECT = """
    e.id::text AS id, e.organization_id::text AS organization_id,
    to_char(e.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time,
    e.action, e.actor_id::text AS actor_id, e.actor_kind, e.outcome, e.project_id::text AS project_id, e.request_id,
    e.target_id, e.target_type, e.via, e.actor_label, host(e.ip) AS ip, e.project_label, e.reason, e.session,
    e.target_label, e.user_agent, e.before::text AS before, e.after::text AS after
"""
"""The columns of `audit_event e` as texts, in the order of `FIELDS`."""

FIELDS = (
    "id",
    "organization_id",
    "time",
    *("action", "actor_id", "actor_kind", "outcome", "project_id", "request_id", "target_id", "target_type", "via"),
    *PERSONAL,
    *CHANGES,
)

Row = Mapping[str, str | None]
"""An event's columns as texts, by their names."""

_sha256 = hashlib.sha256
_VERSION = f'"v":{VERSION}'
_PLACES = {name: place for place, name in enumerate(FIELDS)}
_BEFORE, _AFTER = _PLACES["before"], _PLACES["after"]
# The members of a leaf in their order: these, then `after`, `before` and `commitments`, then the others.
_FIRST, _MIDDLE, _LAST = (
    tuple((_PLACES[name], f'"{name}":') for name in PLAIN if low <= name < high)
    for low, high in (("", "after"), ("commitments", "v"), ("v", "w"))
)
# What is committed in the order of its names: these before the changed values, the others behind them.
_LABELS_BEFORE, _LABELS_BEHIND = (
    tuple((_PLACES[name], f'"{name}":"', f'["{name}",'.encode()) for name in PERSONAL if low <= name < high)
    for low, high in (("", "after"), ("before", "\uffff"))
)
_OFTEN = 256
"""Changed values up to this length come again and again: what is made of them is remembered."""


def commitment(salt: bytes, name: str, value: Any) -> str:
    """Return the base64 of SHA-256 over the salt and the canonical JSON of ``[name, value]``."""
    return b64encode(_sha256(salt + canonical([name, value]).encode()).digest()).decode()


def compose(row: Row, salts: bytes | None = None) -> tuple[str, bytes]:
    """Return the text of an event's leaf, and the salts of its commitments, joined in the order of their names.

    Args:
        row: the event.
        salts: those of an earlier call, for the same text again; None makes new ones.
    """
    return compose_values([row[name] for name in FIELDS], salts)


def compose_values(values: Sequence[str | None], salts: bytes | None = None) -> tuple[str, bytes]:
    """Return the same of an event whose columns are given in the order of `FIELDS`: the sealer's inner loop.

    Args:
        values: the columns.
        salts: as for `compose`.
    """
    after, committed_after = _changed("after", values[_AFTER])
    before, committed_before = _changed("before", values[_BEFORE])
    committed = [
        *[(key, opener + quoted(value).encode() + b"]") for at, key, opener in _LABELS_BEFORE if (value := values[at])],
        *committed_after,
        *committed_before,
        *[(key, opener + quoted(value).encode() + b"]") for at, key, opener in _LABELS_BEHIND if (value := values[at])],
    ]
    salts = os.urandom(SALT_BYTES * len(committed)) if salts is None else salts
    digests, at = [], 0
    for key, opened in committed:
        digest = _sha256(salts[at : at + SALT_BYTES] + opened).digest()
        digests.append(f'{key}{b2a_base64(digest, newline=False).decode()}"')
        at += SALT_BYTES
    members = [key + quoted(value) for at, key in _FIRST if (value := values[at])]
    if after:
        members.append(f'"after":{after}')
    if before:
        members.append(f'"before":{before}')
    if digests:
        members.append(f'"commitments":{{{",".join(digests)}}}')
    members += [key + quoted(value) for at, key in _MIDDLE if (value := values[at])]
    members.append(_VERSION)
    members += [key + quoted(value) for at, key in _LAST if (value := values[at])]
    return f"{{{','.join(members)}}}", salts


def values_of(row: Row) -> dict[str, Any]:
    """Return what an event's commitments are about, by their names: ``actor_label``, ``after.role``."""
    found: dict[str, Any] = {name: value for name in PERSONAL if (value := row[name])}
    for column in CHANGES:
        values = parsed(row[column] or "{}")
        if not isinstance(values, dict):
            found[column] = values
            continue
        found |= {f"{column}.{name}": value for name, value in values.items() if _is_committed(value)}
    return found


def openings(text: str, salts: bytes, values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return (salt in base64, value) of each commitment of a leaf that still opens, by its name.

    Args:
        text: the leaf.
        salts: as `compose` returned them; erased ones are zero.
        values: as `values_of` returns them.
    """
    found = {}
    for number, name in enumerate(sorted_names(json.loads(text).get("commitments", {}))):
        salt = salts[number * SALT_BYTES : (number + 1) * SALT_BYTES]
        if len(salt) == SALT_BYTES and salt != ERASED and name in values:
            found[name] = [b64encode(salt).decode(), values[name]]
    return found


def differences(text: str, salts: bytes, row: Row) -> list[str]:
    """Return the names of the fields in which an event differs from its leaf; none when it is what was sealed.

    A field whose salt was erased is compared no more: it has to be empty.
    """
    if compose(row, salts)[0] == text:
        return []
    leaf = json.loads(text)
    plain = {name: each for name in CHANGES if (each := _changed(name, row[name])[0])}
    now = {name: row[name] for name in PLAIN if row[name]} | {name: json.loads(each) for name, each in plain.items()}
    sealed = {name: leaf[name] for name in (*PLAIN, *CHANGES) if name in leaf}
    wrong = {name for name in {*now, *sealed} if now.get(name) != sealed.get(name)}
    values, commitments = values_of(row), leaf.get("commitments", {})
    for number, name in enumerate(sorted_names(commitments)):
        salt = salts[number * SALT_BYTES : (number + 1) * SALT_BYTES]
        if salt == ERASED:
            if name in values and values[name] not in ERASED_VALUES:
                wrong.add(name)
        elif name not in values or commitment(salt, name, values[name]) != commitments[name]:
            wrong.add(name)
    return sorted(wrong | (values.keys() - commitments.keys()))


ERASED_VALUES = ("", "[erased]")
"""What may stand in an event's column once its salt is gone."""


def erased_in(salts: bytes) -> int:
    """Return how many of an event's salts were erased."""
    if ERASED not in salts:
        return 0
    return sum(salts[at : at + SALT_BYTES] == ERASED for at in range(0, len(salts), SALT_BYTES))


def erased_names(text: str, salts: bytes) -> list[str]:
    """Return the names of a leaf's commitments whose salts were erased."""
    if not erased_in(salts):
        return []
    names = sorted_names(json.loads(text).get("commitments", {}))
    return [name for at, name in enumerate(names) if salts[at * SALT_BYTES : (at + 1) * SALT_BYTES] == ERASED]


def parsed(text: str) -> Any:
    """Return a JSON text's value as it is committed: a number that a double does not hold is its text."""
    try:
        return _decoder.decode(text)
    except (RecursionError, ValueError):
        return text  # deeper than this interpreter reads: the text itself is the value


def _changed(column: str, text: str | None) -> tuple[str, Sequence[tuple[str, bytes]]]:
    """Return the plain members of one of `CHANGES` as a canonical object, "" without any, and what is committed of it.

    What is committed comes in the order of its names: the name as it stands in the leaf, and what is hashed.
    """
    if not text or text == "{}":
        return "", ()
    return _remembered(column, text) if len(text) <= _OFTEN else _taken_apart(column, text)


def _taken_apart(column: str, text: str) -> tuple[str, tuple[tuple[str, bytes], ...]]:
    values = parsed(text)
    if not isinstance(values, dict):
        return "", ((f'"{column}":"', _opened(column, values)),)
    kept, committed = {}, {}
    for name, value in values.items():
        if _is_committed(value):
            committed[f"{column}.{name}"] = value
        else:
            kept[name] = canonical(value)
    opened = tuple((f'{quoted(name)}:"', _opened(name, committed[name])) for name in sorted_names(committed))
    return canonical_object(kept) if kept else "", opened


_remembered = lru_cache(4_096)(_taken_apart)


def _opened(name: str, value: Any) -> bytes:
    return f"[{quoted(name)},{quoted(value) if isinstance(value, str) else canonical(value)}]".encode()


def _is_committed(value: Any) -> bool:
    return isinstance(value, str | list | dict)


def _integer(digits: str) -> int | str:
    if len(digits) > len(str(-LARGEST_INTEGER)):
        return digits
    value = int(digits)
    return value if abs(value) <= LARGEST_INTEGER else digits


def _float(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else digits


_decoder = json.JSONDecoder(parse_int=_integer, parse_float=_float)


def as_row(values: tuple[Any, ...]) -> dict[str, str | None]:
    """Return a row of `SELECT` by the names of its columns."""
    return dict(zip(FIELDS, values, strict=True))
