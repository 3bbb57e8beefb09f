"""Rows as they were at a time: today's rows, with what the log says has changed since undone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .leaf import ERASED_VALUES

Key = tuple[str, str]
"""The type of a row, as events name it ("group member"), and its id."""
Row = dict[str, Any]
"""A row's snapshot without its empty fields, and `project_id`."""
_ERASED = ERASED_VALUES[-1]
_PLACES = frozenset({"organization", "project"})


@dataclass(frozen=True, slots=True)
class Shape:
    """What a type of row holds.

    Attributes:
        needed: the fields without which a row says nothing.
        names: the fields that hold another row's name, and that row's type.
    """

    needed: frozenset[str]
    names: Mapping[str, str] = field(default_factory=dict)


class Told(Protocol):
    """What is read of an event."""

    target_type: str
    target_id: str
    target_label: str
    project_id: Any
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(slots=True)
class Past:
    """Rows at a time.

    Attributes:
        rows: those that the log and today's rows tell.
        unknown: the names of those that existed, or may have, without anything telling what they said.
    """

    rows: dict[Key, Row]
    unknown: dict[Key, str] = field(default_factory=dict)

    def of(self, kind: str) -> dict[str, Row]:
        """Return the rows of a type, by their ids."""
        return {pk: row for (each, pk), row in self.rows.items() if each == kind}


def as_row(values: Mapping[str, Any], project_id: Any = None) -> Row:
    """Return a snapshot in the form that is compared, without names that are not unique: a project's goes by its id."""
    row = {name: value for name, value in values.items() if value is not None and name not in _PLACES}
    return row | {"project_id": str(project_id)} if project_id else row


def rewound(rows: Mapping[Key, Row], events: Iterable[Told], shapes: Mapping[str, Shape]) -> Past:
    """Return the rows as they were before the events.

    A snapshot names other rows by their text; when the renaming of one is undone, those that name it follow.

    Args:
        rows: today's; of the types that events tell of, all that an event changed and did not end.
        events: successful changes of such rows since, newest first.
        shapes: of each type.
    """
    past = Past(dict(rows))
    for event in events:
        key = (event.target_type, event.target_id)
        if event.target_type not in shapes:
            past.unknown[key] = event.target_label or event.target_id
            continue
        if event.before or event.after:
            _undo(past, key, event, shapes[event.target_type].needed)
        old, new = event.before.get("name"), event.after.get("name")
        if old is not None and new is not None:
            _rename(past, event.target_type, new, old, shapes)
    return past


def _undo(past: Past, key: Key, event: Told, needed: frozenset[str]) -> None:
    row = past.rows.pop(key, None)
    past.unknown.pop(key, None)
    if not event.before:  # it was made then
        return
    kept = {name: value for name, value in (row or {}).items() if name not in event.after}
    restored = as_row(kept | event.before, event.project_id if row is None else None)
    if _ERASED in restored.values() or not needed <= restored.keys():
        past.unknown[key] = event.target_label or event.target_id
    else:
        past.rows[key] = restored


def _rename(past: Past, kind: str, new: str, old: str, shapes: Mapping[str, Shape]) -> None:
    for key, row in past.rows.items():
        for name, named in shapes[key[0]].names.items():
            if named == kind and row.get(name) == new:
                past.rows[key] = row | {name: old}
