"""Keyset pages in any order of an allow-list: a page costs the same wherever it lies.

The cursor is signed, so that what it says is what this list wrote; it is bound to the operation and the order.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core import signing
from django.db.models import F, Q, QuerySet

from .operation import Operation
from .problems import FieldError, Problem
from .query import CURSOR, DEFAULT_LIMIT, LIMIT, ORDERING

_FORWARD, _BACK = "f", "b"
_PLACE = "page_place"


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        rows: in the order that was asked for.
        next: the cursor of the page after, or None on the last one.
        previous: the cursor of the page before, or None on the first one.
    """

    rows: Sequence[Any]
    next: str | None
    previous: str | None


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where a page begins, and which way it is read.

    Attributes:
        column: what the rows are ordered by, before their key.
        descending: whether they are read downwards; a page before the place is read against the order.
        back: whether the page lies before the place.
        place: (value, key) of the row beside the page; None: the page is at the end of the list.
        limit: rows on the page.
    """

    column: str
    descending: bool
    back: bool
    place: tuple[Any, Any] | None
    limit: int

    def of_queryset(self, rows: "QuerySet[Any]") -> list[tuple[Any, Any, Any]]:
        """Return (value, key, row) of the page's rows and one more, in one statement."""
        sign, side = ("-", "lt") if self.descending else ("", "gt")
        rows = rows.annotate(**{_PLACE: F(self.column)}).order_by(f"{sign}{self.column}", f"{sign}pk")
        if self.place is not None:
            value, pk = self.place
            # The plain bound lets the index find the start; the rest breaks ties.
            rows = rows.filter(
                Q(**{f"{self.column}__{side}e": value}),
                Q(**{f"{self.column}__{side}": value}) | Q(**{f"pk__{side}": pk}),
            )
        return [(getattr(row, _PLACE), row.pk, row) for row in rows[: self.limit + 1]]

    def of_list(self, rows: Sequence[Any]) -> list[tuple[Any, Any, Any]]:
        """Return the same from rows in memory, whose values are texts; the value is their key as well."""
        keyed = sorted(((getattr(row, self.column), "", row) for row in rows), key=lambda one: one[0])
        ordered = keyed[::-1] if self.descending else keyed
        if self.place is not None:
            value = self.place[0]
            ordered = [one for one in ordered if (one[0] < value if self.descending else one[0] > value)]
        return ordered[: self.limit + 1]


def page_of(rows: Any, operation: Operation, query: Mapping[str, Any]) -> Page:
    """Return the page that the query asks for.

    Args:
        rows: a queryset, or a short list whose ordering columns are unique texts.
        operation: the listing.
        query: its checked query parameters.

    Raises:
        Problem: 400, the cursor is not of this list and order.
    """
    ordering = str(query.get(ORDERING, operation.default_ordering))
    salt = f"api.page:{operation.id}:{ordering}"
    back, place = _read(query.get(CURSOR), salt)
    column = operation.ordering[ordering.removeprefix("-")]
    limit = int(query.get(LIMIT, DEFAULT_LIMIT))
    cut = _Cut(column, ordering.startswith("-") != back, back, place, limit)
    found = cut.of_queryset(rows) if isinstance(rows, QuerySet) else cut.of_list(rows)
    more, found = len(found) > limit, found[:limit]
    if back:
        found.reverse()
    has_next, has_previous = (True, more) if back else (more, place is not None)
    return Page(
        rows=[row for _, _, row in found],
        next=_cursor(_FORWARD, found[-1], salt) if found and has_next else None,
        previous=_cursor(_BACK, found[0], salt) if found and has_previous else None,
    )


class _Serializer:
    """Compact JSON of texts, numbers, times to the microsecond, and UUIDs."""

    def dumps(self, obj: Any) -> bytes:
        """Return the bytes that are signed."""
        return json.dumps(obj, separators=(",", ":"), default=_as_text).encode()

    def loads(self, data: bytes) -> Any:
        """Return what `dumps` was given, times and UUIDs as text."""
        return json.loads(data)


def _as_text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _cursor(way: str, place: tuple[Any, Any, Any], salt: str) -> str:
    value, pk, _ = place
    return signing.dumps([way, value, pk], salt=salt, serializer=_Serializer)


def _read(cursor: str | None, salt: str) -> tuple[bool, tuple[Any, Any] | None]:
    """Return (whether the page lies before the place, the place)."""
    if not cursor:
        return False, None
    try:
        way, value, pk = signing.loads(cursor, salt=salt, serializer=_Serializer)
    except (signing.BadSignature, ValueError) as error:
        detail = "This cursor is not of this list in this order. Begin without one, and follow “next”."
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "invalid_cursor",
            detail,
            errors=[FieldError(detail, "invalid_cursor", parameter=CURSOR)],
        ) from error
    return way == _BACK, (value, pk)
