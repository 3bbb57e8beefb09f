"""List filters that offer only rows of the scoped list, and the parameter names that they own."""

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Exists, Model, OuterRef
from django.http import HttpRequest
from unfold.contrib.filters.admin import RelatedDropdownFilter

from .fields import selectable

MAX_CHOICES = 200
"""A dropdown longer than this is no help; such a list needs a search field."""

_SUFFIXES = ("", "__exact", "__isnull", "__in", "__gt", "__gte", "__lt", "__lte", "_from", "_to")
_DATETIME_PARTS = ("_from_0", "_from_1", "_to_0", "_to_1")


class ScopedRelatedFilter(RelatedDropdownFilter):  # type: ignore[misc]  # unfold has no type hints
    """A dropdown over a relation: rows that occur in the list and that the actor may see."""

    def has_output(self) -> bool:
        """Return whether the filter is shown, and so applied: also for one choice, also for a value of no choice."""
        return bool(self.lookup_choices or self.used_parameters)

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        """Return (pk, label) of the rows offered.

        Raises:
            ImproperlyConfigured: the related model is not registered on the site.
        """
        used = model_admin.get_queryset(request).order_by().filter(**{self.field_path: OuterRef("pk")})
        rows = selectable(model_admin.admin_site, field, request).filter(Exists(used))
        return [(row.pk, str(row)) for row in rows[:MAX_CHOICES]]


def relation(model: type[Model], name: str) -> Any | None:
    """Return the model's relation field of that name, or None when it is no relation or no field."""
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if field.is_relation else None


def closed_filters(model: type[Model], declared: Iterable[Any]) -> list[Any]:
    """Return the declared filters with every bare relation turned into a `ScopedRelatedFilter`."""
    return [
        (item, ScopedRelatedFilter) if isinstance(item, str) and relation(model, item) is not None else item
        for item in declared
    ]


def parameters(model: type[Model], declared: Iterable[Any]) -> set[str]:
    """Return every query parameter that the declared filters own; no other lookup is answered.

    A stock admin answers ``?secret_hash__startswith=a`` for any column, shown or not, and so spells it out.
    """
    names: set[str] = set()
    for item in declared:
        if isinstance(item, type) and issubclass(item, SimpleListFilter):
            base = str(item.parameter_name)
        else:
            base = str(item[0] if isinstance(item, (tuple, list)) else item)
            field = relation(model, base)
            if field is not None:
                names.add(f"{base}__{field.target_field.name}__exact")
                names.add(f"{base}__isnull")
                continue
        names.update(f"{base}{suffix}" for suffix in (*_SUFFIXES, *_DATETIME_PARTS))
    return names
