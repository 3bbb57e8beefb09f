"""The filter by whether a login has a second factor, for both consoles."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest


class SecondStepFilter(SimpleListFilter):
    """By whether a login has a second factor; for an admin whose rows are annotated with `has_second_factor`."""

    title = "second step"
    parameter_name = "second_step"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the two choices."""
        return [("on", "On"), ("off", "Off")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return those with one, or without."""
        chosen = self.value()
        return queryset.filter(has_second_factor=chosen == "on") if chosen in {"on", "off"} else queryset
