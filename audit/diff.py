"""What an event changed, made ready to be shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .models import Event


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a value.

    Attributes:
        value: the piece.
        mark: "del" when it is gone, "ins" when it is new, "" when it stayed.
    """

    value: Any
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One changed field: the parts of its value before and after; None where the field did not exist."""

    field: str
    before: tuple[Part, ...] | None
    after: tuple[Part, ...] | None


def changes_of(event: Event) -> Iterator[Change]:
    """Yield the changed fields of an event; of lists only the items that came or went are marked."""
    for name, old, new in event.diff:
        yield Change(
            field=name.replace("_", " "),
            before=_parts(old, new, "del") if name in event.before else None,
            after=_parts(new, old, "ins") if name in event.after else None,
        )


def _parts(value: Any, other: Any, mark: str) -> tuple[Part, ...]:
    if isinstance(value, list) and (isinstance(other, list) or other is None):
        rest = other or []
        return tuple(Part(item, "" if item in rest else mark) for item in value)
    return (Part(value, mark),)
