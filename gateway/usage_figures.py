"""Figures of usage: sums over a period by whatever people ask, within what an actor may see."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncDay
from django.utils import timezone

from accounts.models import ApiKey
from gateway.counting import Counted
from gateway.hotpath.usage import PASSED
from gateway.models import LimitSubject, UsageHour, UsageLimit
from isolation.actor import Actor
from tenants.models import Project
from tenants.permissions import P

LONGEST_PERIOD = timedelta(days=400)
DIMENSIONS = ("project", "api_key", "actor", "model", "provider", "outcome")
"""By what figures are summed up."""
_COLUMNS = {"project": "project_id", "api_key": "api_key_id", "actor": "actor_id"}
_SUMS: dict[str, Any] = {
    "calls": Sum("requests"),
    "passed": Sum("requests", filter=Q(outcome__in=PASSED), default=0),
    "input": Sum("input_tokens"),
    "cached": Sum("cached_tokens"),
    "output": Sum("output_tokens"),
    "spent": Sum("cost"),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums.

    Attributes:
        requests: all of them.
        denied: those that were refused.
        input_tokens, cached_tokens, output_tokens: of those that were not; the cached ones are among the input.
        cost: millionths of a US dollar.
    """

    requests: int = 0
    denied: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0

    @property
    def tokens(self) -> int:
        """Return all tokens."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Period:
    """A time that figures are about.

    Attributes:
        since: its begin.
        until: its end, not included.
    """

    since: datetime
    until: datetime

    @classmethod
    def of_days(cls, days: int) -> "Period":
        """Return the last days, today included (UTC)."""
        tomorrow = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return cls(tomorrow - timedelta(days=days), tomorrow)

    @property
    def days(self) -> list[datetime]:
        """Return when its days begin."""
        first = self.since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        number = max((self.until - first + timedelta(days=1) - timedelta(microseconds=1)).days, 1)
        return [first + timedelta(days=day) for day in range(number)]


def visible_hours(actor: Actor) -> "QuerySet[Any]":
    """Return the hours that an actor may see: the organization's, or those of projects where they may see usage."""
    rows: QuerySet[Any] = UsageHour.objects.filter(actor.authority.projects_where(P.USAGE_READ, column="project_id"))
    return rows


def visible_limits(actor: Actor) -> "QuerySet[Any]":
    """Return the limits that an actor may see: all, or those of projects where they may see usage.

    A role in a project replaces the organization's: who may see usage everywhere else sees no limit of that project,
    nor of its keys.
    """
    rows: QuerySet[Any] = UsageLimit.objects.all()
    if actor.can(P.USAGE_LIMITS_MANAGE):
        return rows
    projects = Project.objects.visible_to(actor, P.USAGE_READ).values_list("pk", flat=True)
    own = Q(subject_kind=LimitSubject.PROJECT, subject__in=[str(pk) for pk in projects])
    if actor.can(P.USAGE_READ):
        foreign = Q(subject_kind=LimitSubject.API_KEY, subject__in=_hidden(actor, LimitSubject.API_KEY))
        return rows.filter(own | ~Q(subject_kind=LimitSubject.PROJECT) | Q(subject="")).exclude(foreign)
    return rows.filter(own)


def visible_counts(
    actor: Actor, limits: Iterable[UsageLimit], found: Mapping[UUID, list[Counted]]
) -> dict[UUID, list[Counted]]:
    """Return what is used of limits without the projects, and the keys of projects, whose usage an actor may not see.

    Args:
        actor: who may see the limits.
        limits: those of `visible_limits`.
        found: what `gateway.counting.counted` says of them.
    """
    shown = dict(found)
    if actor.can(P.USAGE_LIMITS_MANAGE):
        return shown
    each = [limit for limit in limits if not limit.subject]
    for kind in (LimitSubject.PROJECT, LimitSubject.API_KEY):
        if of_kind := [limit.pk for limit in each if limit.subject_kind == kind]:
            hidden = _hidden(actor, kind)
            shown |= {pk: [one for one in found.get(pk, []) if one.subject not in hidden] for pk in of_kind}
    return shown


def _hidden(actor: Actor, kind: LimitSubject) -> set[str]:
    """Return the projects whose usage an actor may not see, or the keys of these."""
    projects = Project.objects.exclude(pk__in=Project.objects.visible_to(actor, P.USAGE_READ).values("pk"))
    rows = projects if kind == LimitSubject.PROJECT else ApiKey.objects.filter(project__in=projects.values("pk"))
    return {str(pk) for pk in rows.values_list("pk", flat=True)}


def hours_in(
    actor: Actor, period: Period, *, project_id: UUID | None = None, key_id: UUID | None = None, model: str = ""
) -> "QuerySet[Any]":
    """Return the hours of a period that an actor may see, of one project, key or model when asked."""
    rows = visible_hours(actor).filter(hour__gte=period.since, hour__lt=period.until)
    if project_id is not None:
        rows = rows.filter(project_id=project_id)
    if key_id is not None:
        rows = rows.filter(api_key_id=key_id)
    return rows.filter(model=model) if model else rows


def total(hours: "QuerySet[Any]") -> Figures:
    """Return the sum of everything."""
    return _figures(hours.order_by().aggregate(**_SUMS))


def by_day(hours: "QuerySet[Any]", period: Period) -> list[tuple[datetime, Figures]]:
    """Return the sums of each day of a period (UTC), those without anything too."""
    rows = hours.order_by().annotate(day=TruncDay("hour", tzinfo=UTC)).values("day").annotate(**_SUMS)
    found = {row["day"]: _figures(row) for row in rows}
    return [(day, found.get(day, Figures())) for day in period.days]


def by(hours: "QuerySet[Any]", dimension: str, *, most: int = 100) -> list[tuple[Any, Figures]]:
    """Return sums by a dimension, the most expensive first.

    Args:
        hours: which.
        dimension: one of `DIMENSIONS`.
        most: how many at most.

    Returns:
        pairs of an id (None for nobody) or a name, and the figures.
    """
    column = _COLUMNS.get(dimension, dimension)
    rows = hours.order_by().values(column).annotate(**_SUMS)
    ordered = rows.order_by(F("spent").desc(), F("calls").desc(), column)[:most]
    return [(row[column], _figures(row)) for row in ordered]


def unpriced_models(hours: "QuerySet[Any]") -> list[tuple[str, str]]:
    """Return provider and name of models whose tokens cost nothing: nobody has named a price."""
    rows = hours.filter(outcome__in=PASSED, cost=0).exclude(input_tokens=0, output_tokens=0).order_by()
    found = rows.values("provider", "model").annotate(number=Count("id")).order_by("provider", "model")[:10]
    return [(row["provider"], row["model"]) for row in found]


def batches(hours: "QuerySet[Any]", run: Any, *, most: int, size: int = 1_000) -> Iterator[Sequence[Any]]:
    """Yield hours, oldest first, in lists; each list is one short query.

    Args:
        hours: which.
        run: `isolation.scope.continuation()`: the response outlives its request's scope.
        most: how many at most.
        size: of a list.
    """
    rows = hours.order_by("hour", "id")
    last: Any = None
    while most > 0:
        after = rows if last is None else rows.filter(Q(hour__gt=last.hour) | Q(hour=last.hour, id__gt=last.id))
        page = after[: min(size, most)]
        found = run(lambda page=page: list(page))
        if not found:
            return
        yield found
        most -= len(found)
        last = found[-1]


def _figures(row: dict[str, Any]) -> Figures:
    calls = row["calls"] or 0
    return Figures(
        requests=int(calls),
        denied=int(calls) - int(row["passed"] or 0),
        input_tokens=int(row["input"] or 0),
        cached_tokens=int(row["cached"] or 0),
        output_tokens=int(row["output"] or 0),
        cost=int(row["spent"] or 0),
    )
