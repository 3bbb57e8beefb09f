"""Changes to alert rules: an organization's own thresholds, windows, channels and silences."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import signals
from audit.alerts.dry_run import DryRun, dry_run
from audit.alerts.models import EMAIL
from audit.alerts.registry import RULES
from audit.alerts.rules import Kind, Rule
from audit.alerts.tuning import Tuning, tuning_of
from audit.models import AlertChannel, AlertRule
from audit.querysets import ALERTS_MANAGE, READ
from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError

LONGEST_WINDOW = 24 * 60
"""Minutes."""
LONGEST_MUTING = timedelta(days=30)

_VALUES = frozenset({"is_active", "threshold", "window_minutes", "channels"})


def rule_named(key: str) -> Rule:
    """Return a rule.

    Raises:
        DomainError: there is none of that name.
    """
    found = RULES.get(key)
    if found is None:
        raise DomainError(f"There is no alert rule {key!r}.", field="rule", code="not_found")
    return found


def tuning_in(log: UUID, rule: Rule) -> Tuning:
    """Return how a rule is set in a log, whose scope is open."""
    return tuning_of(rule, log, AlertRule.objects.filter(rule=rule.key).first())


@transaction.atomic
def update_rule(*, organization_id: UUID, rule: Rule, actor: Actor, **values: Any) -> Tuning:
    """Change how a rule is set; what is sealed from now on follows.

    Args:
        organization_id: where; its scope is open.
        rule: the rule.
        actor: who changes it.
        values: is_active, threshold, window_minutes and channels; None means the default again.

    Raises:
        MissingPermission: without ``alerts:manage``.
        FreshSignInNeeded: the session's person showed long ago who they are.
        DomainError: a value is refused.
    """
    require_to_tune(actor)
    if unknown := values.keys() - _VALUES:
        raise TypeError(f"an alert rule has no {', '.join(sorted(unknown))}")
    row, before = _locked(organization_id, rule)
    for name, value in _checked(rule, values).items():
        setattr(row, name, value)
    if snapshot(row) != before:
        row.save()
        signals.alert_rule_updated.announce(row, actor=actor, before=before, after=snapshot(row))
    return tuning_of(rule, organization_id, row)


@transaction.atomic
def reset_rule(*, organization_id: UUID, rule: Rule, actor: Actor) -> Tuning:
    """Set a rule back to its defaults; it is muted no more.

    Raises:
        MissingPermission: without ``alerts:manage``.
        FreshSignInNeeded: the session's person showed long ago who they are.
    """
    require_to_tune(actor)
    row = AlertRule.objects.select_for_update().filter(rule=rule.key).first()
    if row is not None:
        after = snapshot(_default(organization_id, rule))
        signals.alert_rule_reset.announce(row, actor=actor, before=snapshot(row), after=after)
        row.delete()
    return tuning_of(rule, organization_id, None)


@transaction.atomic
def mute_rule(*, organization_id: UUID, rule: Rule, until: datetime | None, actor: Actor) -> Tuning:
    """Let a rule tell nobody for a time: what it finds is kept on the page, muted.

    Args:
        organization_id: where; its scope is open.
        rule: the rule.
        until: when it tells again; None: now.
        actor: who wants it.

    Raises:
        MissingPermission: without ``alerts:manage``.
        FreshSignInNeeded: the session's person showed long ago who they are.
        DomainError: the time is past, or more than 30 days away.
    """
    require_to_tune(actor)
    now = timezone.now()
    if until is not None and not now < until <= now + LONGEST_MUTING:
        raise DomainError("Choose a time within the next 30 days.", field="until", code="out_of_range")
    row, before = _locked(organization_id, rule)
    row.muted_until = until
    if snapshot(row) != before:
        row.save()
        signal = signals.alert_rule_muted if until is not None else signals.alert_rule_unmuted
        signal.announce(row, actor=actor, before=before, after=snapshot(row))
    return tuning_of(rule, organization_id, row)


def try_rule(
    *,
    organization_id: UUID,
    rule: Rule,
    actor: Actor,
    threshold: int | None = None,
    window_minutes: int | None = None,
) -> DryRun:
    """Return what a rule would have raised in the last 30 days; nothing is stored and nobody is told.

    Args:
        organization_id: where; its scope is open.
        rule: the rule.
        actor: who asks.
        threshold: instead of the one that is set.
        window_minutes: the same.

    Raises:
        MissingPermission: without ``audit_log:read`` on the whole log.
        DomainError: a value is refused.
    """
    actor.require(READ)
    given = {"threshold": threshold, "window_minutes": window_minutes}
    values = _checked(rule, {name: value for name, value in given.items() if value is not None})
    tuning = replace(tuning_in(organization_id, rule), is_active=True, muted_until=None)
    if "threshold" in values:
        tuning = replace(tuning, threshold=values["threshold"])
    if "window_minutes" in values:
        tuning = replace(tuning, window=timedelta(minutes=values["window_minutes"]))
    return dry_run(tuning, organization_id)


def require_to_tune(actor: Actor) -> None:
    """Refuse whoever may not change what is watched: an intruder's first wish is that nobody is told.

    Raises:
        MissingPermission: without ``alerts:manage``.
        FreshSignInNeeded: the session's person showed long ago who they are.
    """
    actor.require(ALERTS_MANAGE)
    actor.require_fresh_sign_in()


def _locked(organization_id: UUID, rule: Rule) -> tuple[AlertRule, dict[str, Any]]:
    """Return the row, a new one where nothing was changed yet, and what it says before the change."""
    row = AlertRule.objects.select_for_update().filter(rule=rule.key).first()
    if row is None:
        row = _default(organization_id, rule)
    return row, snapshot(row)


def _default(organization_id: UUID, rule: Rule) -> AlertRule:
    return AlertRule(organization_id=organization_id, rule=rule.key, is_active=rule.watches(organization_id))


def _checked(rule: Rule, values: dict[str, Any]) -> dict[str, Any]:
    threshold, minutes = values.get("threshold"), values.get("window_minutes")
    if threshold is not None:
        if rule.kind is Kind.EACH:
            raise DomainError("Every single event counts here.", field="threshold", code="invalid")
        if not 1 <= threshold <= rule.kind.most:
            text = f"Choose a number from 1 to {rule.kind.most:,} ({rule.counts})."
            raise DomainError(text, field="threshold", code="out_of_range")
    if minutes is not None:
        if not rule.kind.has_window:
            raise DomainError("This rule counts in no window.", field="window_minutes", code="invalid")
        if not 1 <= minutes <= LONGEST_WINDOW:
            text = f"A window has 1 to {LONGEST_WINDOW:,} minutes: a day at most."
            raise DomainError(text, field="window_minutes", code="out_of_range")
    if values.get("channels") is not None:
        values = {**values, "channels": _channels(values["channels"])}
    return values


def _channels(names: Collection[Any]) -> list[str]:
    chosen = {str(name) for name in names}
    there = {str(pk) for pk in AlertChannel.objects.values_list("pk", flat=True)}
    if unknown := chosen - there - {EMAIL}:
        raise DomainError(f"There is no channel {min(unknown)}.", field="channels", code="invalid")
    return sorted(chosen)
