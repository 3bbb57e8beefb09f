"""What the viewer and the export ask of the log: a filter, and the events that pass it."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Collate

from .catalogue import catalogue

_AFTER_EVERYTHING = "\U0010ffff"


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

    def apply(self, events: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the events of the queryset that pass."""
        for condition in self._conditions():
            events = events.filter(condition)
        if self.actor:
            # Bytewise, as the index is: only there a prefix is a range.
            events = events.alias(actor_bytes=Collate(F("actor_label"), "C")).filter(_begins(self.actor))
        return events

    def described(self) -> dict[str, str]:
        """Return the conditions as words, for the event that records an export."""
        return {field.name: str(value) for field in fields(self) if (value := getattr(self, field.name))}

    def _conditions(self) -> Iterator[Q]:
        for name, column in _EXACT.items():
            if value := getattr(self, name):
                yield Q(**{column: value})
        if self.action.endswith(".*"):
            resource = self.action.removesuffix(".*")
            yield Q(action__in=[action.name for action in catalogue if action.resource == resource])
        elif self.action:
            yield Q(action=self.action)
        if self.except_action:
            yield ~Q(action=self.except_action)
        if self.target:
            yield Q(target_id=self.target) if _is_uuid(self.target) else _named(self.target)
        if self.installation:
            yield Q(organization_id=None)


_EXACT = {
    "since": "time__gte",
    "until": "time__lt",
    "actor_id": "actor_id",
    "outcome": "outcome",
    "project_id": "project_id",
    "request_id": "request_id",
    "organization_id": "organization_id",
}


def _begins(text: str) -> Q:
    condition = Q()
    for prefix in {text, text.lower()}:  # addresses are stored in lower case, other actors are not
        condition |= Q(actor_bytes__gte=prefix, actor_bytes__lt=prefix + _AFTER_EVERYTHING)
    return condition


def _named(text: str) -> Q:
    return Q(target_label=text) | Q(target_id=text)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
