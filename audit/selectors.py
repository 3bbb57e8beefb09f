"""What the viewer and the export ask of the log: a filter, and the events that pass it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from isolation.identifiers import is_uuid
from isolation.scope import INSTALLATION

from .catalogue import catalogue
from .query import Conditions, Query
from .query.conditions import begins, equals
from .query.times import Span


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; None or empty: all of them.

    Each condition is an equality or a range on an indexed column: row-level security keeps PostgreSQL from using an
    index for anything else (ILIKE, a search inside JSON).

    Attributes:
        since, until: the time range, until not included.
        actor: the beginning of the actor's text.
        actor_id: the actor, exactly.
        action: an action's name, or a resource followed by ``.*``.
        target: the target's id, or its whole text.
        outcome: one of `Outcome`.
        project_id: the project it happened in.
        request_id: the request it happened in.
        organization_id: one organization's log (operators).
        installation: only the installation's own log (operators).
        except_action: an action's name that is left out.
        query: what was typed into the search field.
        conditions: what that means.
    """

    since: datetime | None = None
    until: datetime | None = None
    actor: str = ""
    actor_id: UUID | None = None
    action: str = ""
    target: str = ""
    outcome: str = ""
    project_id: UUID | None = None
    request_id: str = ""
    organization_id: UUID | None = None
    installation: bool = False
    except_action: str = ""
    query: Query = field(default_factory=Query)
    conditions: Conditions | None = None

    @property
    def span(self) -> Span:
        """Return the time that is asked for."""
        span = Span(self.since, self.until)
        return span.within(self.conditions.span) if self.conditions else span

    @property
    def limited(self) -> bool:
        """Return whether only the newest events are looked at, because no index answers the query."""
        return self.conditions is not None and self.conditions.limited

    def apply(self, events: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the events of the queryset that pass."""
        for condition in (*self._conditions(), *self._typed()):
            events = events.filter(condition)
        return events

    def described(self) -> dict[str, str]:
        """Return the conditions as words, for the event that records an export."""
        names = (each.name for each in fields(self) if each.name != "conditions")
        return {name: str(value) for name in names if (value := getattr(self, name))}

    def _conditions(self) -> Iterator[Q]:
        for name, column in _EXACT.items():
            if value := getattr(self, name):
                yield Q(**{column: value})
        if self.actor:
            yield begins("actor_label", self.actor)
        if self.action.endswith(".*"):
            resource = self.action.removesuffix(".*")
            yield Q(action__in=[action.name for action in catalogue if action.resource == resource])
        elif self.action:
            yield Q(action=self.action)
        if self.except_action:
            yield ~Q(action=self.except_action)
        if self.target:
            yield Q(target_id=self.target) if is_uuid(self.target) else _named(self.target)
        if self.installation:
            yield in_log(INSTALLATION)

    def _typed(self) -> Iterator[Q]:
        """Yield what was typed, and the time, which both can narrow."""
        if self.conditions:
            yield self.conditions.condition
        if self.span.since:
            yield Q(time__gte=self.span.since)
        if self.span.until:
            yield Q(time__lt=self.span.until)


_EXACT = {
    "actor_id": "actor_id",
    "outcome": "outcome",
    "project_id": "project_id",
    "request_id": "request_id",
    "organization_id": "organization_id",
}


def in_log(log: UUID) -> Q:
    """Return the condition that an event is of a log; what the installation's own tables tell names the nil UUID."""
    return Q(organization_id=log) | Q(organization_id=None) if log == INSTALLATION else Q(organization_id=log)


def _named(text: str) -> Q:
    return equals("target_label", text) | Q(target_id=text)
