"""Everything that somebody or something did, and everything done to it, in order."""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from console.keyset import Cursor, KeysetPaginator

from .models import Event
from .query.conditions import begins, equals
from .subjects import Subject


class MergedPaginator(KeysetPaginator):
    """Pages through several querysets as if they were one.

    Each is read from an index of its own in order; their union in one statement would be read whole and sorted.
    """

    def __init__(self, querysets: Sequence[QuerySet[Any]], *, time_field: str, per_page: int) -> None:
        super().__init__(querysets[0], time_field=time_field, per_page=per_page)
        self.querysets = querysets

    def _rows(self, place: Cursor | None) -> list[Any]:
        found = {}
        for queryset in self.querysets:
            part = KeysetPaginator(queryset, time_field=self.time_field, per_page=self.per_page)
            found.update({row.pk: row for row in part._rows(place)})
        newest_first = place is None or place.older
        return sorted(found.values(), key=self._key, reverse=newest_first)[: self.per_page + 1]

    def _key(self, row: Any) -> tuple[Any, UUID]:
        return getattr(row, self.time_field), row.pk


def parts_of(subject: Subject, events: "QuerySet[Any]") -> list["QuerySet[Any]"]:
    """Return the events of a timeline, by the way in which they belong to it.

    Args:
        subject: whom it is about.
        events: the events that the actor may see.
    """
    conditions = [Q(target_id__in=[str(pk) for pk in subject.ids])]
    if subject.acting:
        conditions.append(Q(actor_id__in=subject.acting))
    if subject.labels:
        conditions.append(reduce(or_, (equals("target_label", label) for label in subject.labels)))
    if subject.parts:
        conditions.append(reduce(or_, (begins("target_label", f"{part} in ") for part in subject.parts)))
    if subject.is_project:
        conditions.append(Q(project_id__in=subject.ids))
    return [events.filter(condition) for condition in conditions]


def subject_in(events: Iterable[Event], pk: UUID) -> Subject | None:
    """Return what the log itself says about an id whose row is gone; None when none of the events names it."""
    for event in events:
        if event.actor_id == pk:
            return Subject(event.get_actor_kind_display(), event.actor_label, (pk,), (pk,))
        if event.target_id == str(pk):
            return Subject(event.target_type, event.target_label, (pk,), (pk,))
        if event.project_id == pk:
            return Subject("project", event.project_label, (pk,), is_project=True)
    return None
