"""Who could read an event when it happened; apps above register what they know, as in `readers`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from uuid import UUID

from django.db.models import Q

from isolation.identifiers import parse_uuid

from .models import Event, Outcome, RetirementReceipt, UnattributedChange
from .patience import LIST, TookTooLong, patience
from .readers import MOST, Readers

MOST_CHANGES = 5_000
"""Changes since an event that are undone; beyond that nothing is said."""

Ask = Callable[[Event, str, Sequence[Event]], Readers]


@dataclass(frozen=True, slots=True)
class PastSource:
    """What one app knows.

    Attributes:
        actions: the changes that it undoes.
        tables: the tables whose rows decide.
        ask: takes (event, permission, those changes since, newest first); the organization's scope is open.
    """

    actions: frozenset[str]
    tables: frozenset[str]
    ask: Ask


sources: list[PastSource] = []


def readers_when(event: Event, permission: str) -> Readers:
    """Return who held a permission where and when an event happened, with what the log cannot tell of it."""
    actions = frozenset[str]().union(*(source.actions for source in sources))
    try:
        with patience(LIST):
            changes = list(_since(event).filter(action__in=actions)[: MOST_CHANGES + 1])
    except TookTooLong:
        return Readers((), doubts=("It took too long to look through what changed since.",))
    if len(changes) > MOST_CHANGES:
        return Readers((), doubts=(f"More than {MOST_CHANGES:,} changes since then would have to be undone.",))
    parts = [
        source.ask(event, permission, [one for one in changes if one.action in source.actions]) for source in sources
    ]
    doubts = (*_holes(event), *(doubt for part in parts for doubt in part.doubts))
    named = tuple(reader for part in parts for reader in part.named)
    return Readers(named, any(part.more for part in parts), doubts)


def targets(changes: Sequence[Event], kind: str) -> set[UUID]:
    """Return the ids of the rows of one type that changes tell of."""
    texts = {change.target_id for change in changes if change.target_type == kind}
    return {pk for pk in map(parse_uuid, texts) if pk}


def doubt_about(what: str, names: Iterable[str]) -> str:
    """Return a sentence about what is not known of some, as many as are named; "" without any."""
    ordered = sorted(names)
    others = f" and {len(ordered) - MOST} more" if len(ordered) > MOST else ""
    return f"{what}: {', '.join(ordered[:MOST])}{others}." if ordered else ""


def _since(event: Event) -> Any:
    later = Q(time__gte=event.time) & (Q(time__gt=event.time) | Q(pk__gt=event.pk))
    told = Event.objects.filter(later, organization_id=event.organization_id, outcome=Outcome.SUCCESS)
    names = ("action", "target_type", "target_id", "target_label", "project_id", "before", "after")
    return told.only(*names).order_by("-time", "-pk")


def _holes(event: Event) -> list[str]:
    """Return what the log lacks of the time since the event."""
    tables = frozenset[str]().union(*(source.tables for source in sources))
    holes = []
    month = event.time.astimezone(UTC).date().replace(day=1)
    if RetirementReceipt.objects.filter(organization_id=event.organization_id, month__gte=month).exists():
        holes.append("Events since then were retired: what they changed is not undone here.")
    # Emptying a table belongs to no organization; operators alone see that.
    here = Q(organization_id=event.organization_id) | Q(organization_id=None)
    bypassing = UnattributedChange.objects.filter(here, time__gte=event.time, table_name__in=tables)
    if bypassing.exists():
        holes.append("Roles, members or keys were changed past the log since then: that is not undone here.")
    return holes
