"""Rows about members below the form of something else: a project, a group."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from console.inlines import ScopedTabularInline


class PeopleInline(ScopedTabularInline):
    """Rows with a `membership`, ordered by the person's address."""

    autocomplete_fields = ("membership",)
    per_page = 50
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows with their people."""
        rows = super().get_queryset(request).select_related("membership__user")
        return rows.order_by("membership__user__email")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Return the form set, its column called what people call it."""
        return super().get_formset(request, obj, **{**kwargs, "labels": {"membership": "Member"}})
