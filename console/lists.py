"""Change lists that stay fast on big tables."""

from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from unfold.views import ChangeList

COUNT_CAP = 10_000
"""Counting stops here: a full count of a million rows costs thirty times as much and helps nobody."""


def capped_count(rows: "QuerySet[Any]", cap: int = COUNT_CAP) -> tuple[int, bool]:
    """Return (how many rows, at most `cap`; whether there are more)."""
    found = rows.order_by()[: cap + 1].count()
    return min(found, cap), found > cap


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not subscriptable at run time
    """Counts up to `COUNT_CAP` rows and pages no further."""

    template_name = "console/includes/pagination.html"

    @cached_property
    def found(self) -> int:
        """Rows found, at most `COUNT_CAP` + 1."""
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[: COUNT_CAP + 1].count()
        return len(rows[: COUNT_CAP + 1])

    @cached_property
    def count(self) -> int:
        """Rows that can be paged through."""
        return min(self.found, COUNT_CAP)

    @property
    def capped(self) -> bool:
        """Whether there are more rows than were counted."""
        return self.found > COUNT_CAP


class ScopedChangeList(ChangeList):  # type: ignore[misc]  # unfold has no type hints
    """A list named after what it lists, that never counts twice."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        if not self.is_popup:
            self.title = capfirst(str(self.opts.verbose_name_plural))

    def get_results(self, request: HttpRequest) -> None:
        """Fetch one page; the header's "n results (show all)" appears only when something narrowed the list."""
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count
