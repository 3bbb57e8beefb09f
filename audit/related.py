"""What happened around an event: in the same request, in the same session, to the same target."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from .models import Event
from .query import Query

FEW = 5


@dataclass(frozen=True, slots=True)
class Kin:
    """Events that have something in common with one.

    Attributes:
        title: what.
        events: a few, newest first; the event itself stands among them.
        query: finds all of them.
    """

    title: str
    events: list[Event]
    query: str


def kin_of(event: Event, events: "QuerySet[Any]") -> list[Kin]:
    """Return the kinds of kin that an event has, none of which is only the event itself.

    Args:
        event: the event.
        events: the events that the actor may see.
    """
    found = []
    for title, name, value, condition in (
        ("In the same request", "request", event.request_id, Q(request_id=event.request_id)),
        ("In the same session", "session", event.session, Q(session=event.session)),
        ("To the same target, before and after", "target", event.target_id, Q(target_id=event.target_id)),
    ):
        if value:
            rows = _around(event, events.filter(condition, organization_id=event.organization_id))
            if len(rows) > 1:
                found.append(Kin(title, rows, str(Query().having(name, value))))
    return found


def _around(event: Event, events: "QuerySet[Any]") -> list[Event]:
    later = Q(time__gte=event.time) & (Q(time__gt=event.time) | Q(pk__gt=event.pk))
    earlier = Q(time__lte=event.time) & (Q(time__lt=event.time) | Q(pk__lt=event.pk))
    after = list(events.filter(later).order_by("time", "pk")[:FEW])
    before = list(events.filter(earlier).order_by("-time", "-pk")[:FEW])
    return [*reversed(after), event, *before]
