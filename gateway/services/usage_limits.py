"""Changes to the limits of an organization's use of LLMs."""

import re
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import ApiKey, ServiceAccount
from audit.redaction import snapshot
from gateway import signals
from gateway.counting import Counted, counted, window_start
from gateway.models import LimitMetric, LimitSubject, LimitWindow, UsageLimit, UsageNotice
from gateway.usage_names import subject_label
from isolation.actor import SYSTEM, Actor
from isolation.exceptions import DomainError
from tenants.models import Membership, Organization, Project
from tenants.permissions import P
from tenants.services.rules import lock_organization, one_of_a_kind, own_row

MOST_LIMITS = 100
MOST_AMOUNT = 9_000_000_000_000_000
"""Counters are exact up to here: Redis computes in doubles."""
MOST_AT_ONCE = 10_000
TOLD_PERCENT = (80, 100)
_MODEL = re.compile(r"[A-Za-z0-9._:/@+*-]{1,120}")


@transaction.atomic
def create_usage_limit(
    *,
    organization: Organization,
    subject_kind: str,
    metric: str,
    window: str,
    amount: int,
    actor: Actor,
    subject: str = "",
    is_enabled: bool = True,
) -> UsageLimit:
    """Add a limit; it counts within a second, and a day or month with what was used of it already.

    Args:
        organization: whose.
        subject_kind: whose use is counted (`LimitSubject`).
        metric: what is counted (`LimitMetric`).
        window: for how long (`LimitWindow`).
        amount: requests, tokens or millionths of a US dollar.
        actor: who adds it.
        subject: the id of a project, key, user or service account, or a model's name or pattern; "" for each of them.
        is_enabled: whether it is in force.

    Raises:
        MissingPermission: without ``usage_limits:manage``.
        DomainError: a value is refused, there is such a limit already, or there are too many.
    """
    actor.require(P.USAGE_LIMITS_MANAGE, organization)
    lock_organization(organization.pk)
    if UsageLimit.objects.count() >= MOST_LIMITS:
        raise DomainError(f"There are {MOST_LIMITS} limits already. Delete one that is not needed.", code="too_many")
    subject = check_subject(subject_kind, subject)
    check_amount(metric, window, amount)
    limit = UsageLimit(
        organization=organization,
        subject_kind=subject_kind,
        subject=subject,
        metric=metric,
        window=window,
        amount=amount,
        is_enabled=is_enabled,
        created_by=actor.label[:320],
    )
    with one_of_a_kind(UsageLimit, field="metric"):
        limit.save(force_insert=True)
    signals.usage_limit_created.announce(limit, actor=actor, after=snapshot(limit), project=_project(limit))
    return limit


@transaction.atomic
def update_usage_limit(
    *, limit: UsageLimit, actor: Actor, amount: int | None = None, is_enabled: bool | None = None
) -> UsageLimit:
    """Change how much a limit allows, or switch it on or off; whose use it counts never changes.

    Raises:
        MissingPermission: without ``usage_limits:manage``.
        DomainError: the amount is refused, or the limit is gone.
    """
    actor.require(P.USAGE_LIMITS_MANAGE, limit)
    stored: UsageLimit = own_row(UsageLimit, limit.pk)
    before = snapshot(stored)
    if amount is not None:
        check_amount(stored.metric, stored.window, amount)
        stored.amount = amount
    if is_enabled is not None:
        stored.is_enabled = is_enabled
    after = snapshot(stored)
    if after != before:
        stored.save()
        signals.usage_limit_updated.announce(stored, actor=actor, before=before, after=after, project=_project(stored))
    return stored


@transaction.atomic
def delete_usage_limit(*, limit: UsageLimit, actor: Actor) -> None:
    """Delete a limit; what it counted is forgotten.

    Raises:
        MissingPermission: without ``usage_limits:manage``.
        DomainError: it is gone already.
    """
    actor.require(P.USAGE_LIMITS_MANAGE, limit)
    stored: UsageLimit = own_row(UsageLimit, limit.pk)
    signals.usage_limit_deleted.announce(stored, actor=actor, before=snapshot(stored), project=_project(stored))
    stored.delete()


def tell_of_reached_limits(organization_id: UUID) -> int:
    """Write an event for each budget that has come to 80 or 100 percent, once in its window; the scope must be open.

    Returns:
        how many events these are.
    """
    budgets = list(UsageLimit.objects.filter(is_enabled=True, window__in=[LimitWindow.DAY, LimitWindow.MONTH]))
    found = counted(organization_id, budgets) or {}
    told = 0
    for limit in budgets:
        for each in found.get(limit.pk, ()):
            reached = [percent for percent in TOLD_PERCENT if each.percent >= percent]
            told += _tell(organization_id, limit, each, reached)
    return told


def check_subject(kind: str, subject: str) -> str:
    """Return a limit's subject as it is stored; the scope must be open.

    Raises:
        DomainError: there is none such here.
    """
    subject = subject.strip()
    if kind not in LimitSubject.values:
        raise DomainError("Choose whose use is counted.", field="subject_kind", code="invalid")
    if kind == LimitSubject.ORGANIZATION and subject:
        raise DomainError("A limit of the organization names nobody.", field="subject", code="invalid")
    if not subject:
        return ""
    if kind == LimitSubject.MODEL:
        return check_model(subject, field="subject")
    try:
        pk = UUID(subject)
    except ValueError:
        pk = None
    if pk is None or not _exists(kind, pk):
        nouns = {LimitSubject.PROJECT: "project", LimitSubject.API_KEY: "API key"}
        noun = nouns.get(LimitSubject(kind), "member or service account")
        raise DomainError(f"There is no such {noun} in this organization.", field="subject", code="invalid")
    return str(pk)


def check_model(name: str, *, field: str) -> str:
    """Return a model's name or pattern without blanks around it.

    Raises:
        DomainError: it has other signs.
    """
    name = name.strip()
    if not _MODEL.fullmatch(name):
        raise DomainError(
            "A model's name has letters, digits and . _ : / @ + -; a * stands for anything, as in gpt-4o*.",
            field=field,
            code="invalid",
        )
    return name


def check_amount(metric: str, window: str, amount: int) -> None:
    """Refuse what cannot be counted.

    Raises:
        DomainError: the metric has no such window, or the amount is out of range.
    """
    if metric not in LimitMetric.values:
        raise DomainError("Choose what is counted.", field="metric", code="invalid")
    windows = {
        LimitMetric.CONCURRENCY: {LimitWindow.NONE},
        LimitMetric.COST: {LimitWindow.DAY, LimitWindow.MONTH},
    }.get(LimitMetric(metric), {LimitWindow.MINUTE, LimitWindow.DAY, LimitWindow.MONTH})
    if window not in windows:
        said = {
            LimitMetric.CONCURRENCY: "Requests at the same time have no window.",
            LimitMetric.COST: "A budget in money is for a day or a month.",
        }.get(LimitMetric(metric), "Choose a minute, a day or a month.")
        raise DomainError(said, field="window", code="invalid")
    most = MOST_AT_ONCE if metric == LimitMetric.CONCURRENCY else MOST_AMOUNT
    if not 0 <= amount <= most:
        raise DomainError(f"The amount is a number from 0 to {most:,}.", field="amount", code="invalid")


def _exists(kind: str, pk: UUID) -> bool:
    if kind == LimitSubject.PROJECT:
        return bool(Project.objects.filter(pk=pk).exists())
    if kind == LimitSubject.API_KEY:
        return bool(ApiKey.objects.filter(pk=pk).exists())
    return bool(
        Membership.objects.filter(user_id=pk).exists()
        or ServiceAccount.objects.filter(pk=pk).exists()
        or ApiKey.objects.filter(pk=pk).exists()
    )


def _project(limit: UsageLimit) -> Project | None:
    if limit.subject_kind != LimitSubject.PROJECT or not limit.subject:
        return None
    found: Project | None = Project.objects.filter(pk=limit.subject).first()
    return found


def _tell(organization_id: UUID, limit: UsageLimit, found: Counted, reached: list[int]) -> int:
    told = 0
    started = window_start(limit.window)
    for percent in reached:
        with transaction.atomic():
            _, is_new = UsageNotice.objects.get_or_create(
                organization_id=organization_id,
                limit_id=limit.pk,
                subject=found.subject,
                started_at=started,
                percent=percent,
            )
            # Who comes to the end within a minute hears of the end alone.
            if is_new and percent == reached[-1]:
                told += 1
                after: dict[str, Any] = {
                    "percent": percent,
                    "used": found.used,
                    "amount": found.amount,
                    "metric": limit.metric,
                    "window": limit.window,
                    "subject": subject_label(limit.subject_kind, found.subject),
                }
                signals.usage_limit_reached.announce(limit, actor=SYSTEM, after=after, project=_project(limit))
    return told
