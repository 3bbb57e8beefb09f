"""Keyset pagination: a page costs the same wherever it lies, because it starts from a row and not from a count.

``OFFSET 500000`` reads half a million rows to throw them away; ``time <= t`` starts in the index.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime

from .lists import ScopedChangeList

CURSOR_VAR = "cursor"
_MAX_CURSOR = 300
_PARTS = 3


class InvalidCursor(ValueError):  # noqa: N818 - reads as the statement it is
    """The cursor was not made by this list."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two rows.

    Attributes:
        older: True when the page wanted lies on the older side of the row, False for the newer side.
        time: the row's time.
        pk: the row's primary key, as text.
    """

    older: bool
    time: datetime
    pk: str

    def encode(self) -> str:
        """Return the cursor as text for a URL."""
        raw = json.dumps(["o" if self.older else "n", self.time.isoformat(), self.pk], separators=(",", ":"))
        return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Return the cursor that `encode` wrote.

        Raises:
            InvalidCursor: it is something else.
        """
        if len(text) > _MAX_CURSOR:
            raise InvalidCursor("too long")
        try:
            parts = json.loads(base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)))
        except (ValueError, binascii.Error, RecursionError) as error:
            raise InvalidCursor("not a cursor") from error
        if not isinstance(parts, list) or len(parts) != _PARTS or not all(isinstance(part, str) for part in parts):
            raise InvalidCursor("not a cursor")
        side, stamp, pk = parts
        try:
            time = parse_datetime(stamp)
            if time is not None and time.tzinfo is not None:
                time = time.astimezone(UTC)  # as the database will see it: the first and the last day may overflow
        except (ValueError, OverflowError) as error:
            raise InvalidCursor("not a time") from error
        if side not in {"o", "n"} or time is None or time.tzinfo is None or "\x00" in pk:
            raise InvalidCursor("not a cursor")
        return cls(older=side == "o", time=time, pk=pk)


@dataclass(frozen=True, slots=True)
class KeysetPage:
    """One page, newest row first.

    Attributes:
        rows: the rows.
        newer: cursor of the page of newer rows, or None on the first page.
        older: cursor of the page of older rows, or None on the last page.
    """

    rows: Sequence[Any]
    newer: str | None
    older: str | None


class KeysetPaginator:
    """Pages through a queryset by (-time, -pk), which the table should have an index on.

    Args:
        queryset: the scoped, filtered rows; its ordering is replaced.
        time_field: a column that is never NULL.
        per_page: rows on a page.
    """

    def __init__(self, queryset: QuerySet[Any], *, time_field: str, per_page: int = 50) -> None:
        self.queryset = queryset
        self.time_field = time_field
        self.per_page = per_page

    def page(self, cursor: str | None) -> KeysetPage:
        """Return the page at `cursor`; the newest page for None, an empty text or a cursor that is none."""
        try:
            place = self._place(cursor) if cursor else None
        except InvalidCursor:
            place = None
        if place is None or place.older:
            rows = self._rows(place)
            more = len(rows) > self.per_page
            rows = rows[: self.per_page]
            return self._page(rows, newer=place is not None, older=more)
        rows = self._rows(place)
        more = len(rows) > self.per_page
        return self._page(rows[: self.per_page][::-1], newer=more, older=True)

    def _place(self, text: str) -> Cursor:
        cursor = Cursor.decode(text)
        try:
            self.queryset.model._meta.pk.to_python(cursor.pk)
        except (ValidationError, ValueError, OverflowError) as error:
            raise InvalidCursor("not a key") from error
        return cursor

    def _rows(self, place: Cursor | None) -> list[Any]:
        newest_first = place is None or place.older
        sign = "-" if newest_first else ""
        queryset = self.queryset.order_by(f"{sign}{self.time_field}", f"{sign}pk")
        if place is not None:
            side = "lt" if place.older else "gt"
            # The plain bound on time lets the index find the start; the rest breaks ties.
            queryset = queryset.filter(
                Q(**{f"{self.time_field}__{side}e": place.time}),
                Q(**{f"{self.time_field}__{side}": place.time}) | Q(**{f"pk__{side}": place.pk}),
            )
        return list(queryset[: self.per_page + 1])

    def _page(self, rows: list[Any], *, newer: bool, older: bool) -> KeysetPage:
        return KeysetPage(
            rows=rows,
            newer=self._cursor(rows[0], older=False) if newer and rows else None,
            older=self._cursor(rows[-1], older=True) if older and rows else None,
        )

    def _cursor(self, row: Any, *, older: bool) -> str:
        return Cursor(older=older, time=getattr(row, self.time_field), pk=str(row.pk)).encode()


class _Shown:
    """What unfold's list templates ask of a paginator."""

    template_name = "console/includes/keyset_pagination.html"
    capped = False

    def __init__(self, rows: int) -> None:
        self.count = rows


class KeysetChangeList(ScopedChangeList):
    """A change list that pages by cursor: no count, no OFFSET, one fixed order."""

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        """Return the filter parameters without the cursor."""
        filters: dict[str, Any] = super().get_filters_params(params)
        filters.pop(CURSOR_VAR, None)
        return filters

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Return a query string; one that changes a filter starts at the newest page again."""
        return str(super().get_query_string(new_params, [*(remove or []), CURSOR_VAR]))

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        """Return the one order there is; ``?o=`` is ignored."""
        return [f"-{self.model_admin.keyset_field}", "-pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Fetch one page by its cursor."""
        paginator = KeysetPaginator(
            self.queryset, time_field=self.model_admin.keyset_field, per_page=self.list_per_page
        )
        page = paginator.page(request.GET.get(CURSOR_VAR))
        self.newer_url = self.get_query_string({CURSOR_VAR: page.newer}) if page.newer else ""
        self.older_url = self.get_query_string({CURSOR_VAR: page.older}) if page.older else ""
        self.newest_url = self.get_query_string()
        self.result_list = page.rows
        self.result_count = self.full_result_count = len(page.rows)
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = self.multi_page = False
        self.paginator = _Shown(len(page.rows))


class KeysetList:
    """Mixed into an admin before `ScopedModelAdmin`: its list pages by cursor.

    Attributes:
        keyset_field: the time column, never NULL, indexed together with the primary key.
    """

    keyset_field: ClassVar[str] = "created_at"
    sortable_by: ClassVar[tuple[str, ...]] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        """Return the keyset change list."""
        return KeysetChangeList
