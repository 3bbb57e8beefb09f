"""What people do about alerts."""

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import signals
from audit.models import (
    Alert,
    AlertChannel,
    AlertCursor,
    AlertNotice,
    AlertRule,
    AlertState,
    Sighting,
)
from audit.querysets import ALERTS_MANAGE
from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError

LONGEST_NOTE = 500


@transaction.atomic
def acknowledge_alert(*, alert: Alert, actor: Actor, note: str = "") -> Alert:
    """Note that somebody has looked into an alert; what happens after this begins a new one.

    Args:
        alert: the alert.
        actor: who looked.
        note: what they found, for the others.

    Raises:
        MissingPermission: without ``alerts:manage``.
        DomainError: the note is too long, or somebody has acknowledged it before.
    """
    actor.require(ALERTS_MANAGE)
    note = note.strip()
    if len(note) > LONGEST_NOTE or "\0" in note:
        raise DomainError(f"A note has {LONGEST_NOTE} characters at most.", field="note", code="too_long")
    stored: Alert = Alert.objects.select_for_update().get(pk=alert.pk)
    if stored.state == AlertState.ACKNOWLEDGED:
        raise DomainError(f"{stored.settled_by} has acknowledged this alert already.", code="acknowledged")
    _acknowledge(stored, note, actor)
    return stored


@transaction.atomic
def acknowledge_alerts(*, alerts: Iterable[UUID], actor: Actor) -> int:
    """Acknowledge those of several alerts that are open; return how many were.

    Raises:
        MissingPermission: without ``alerts:manage``.
    """
    actor.require(ALERTS_MANAGE)
    rows = Alert.objects.select_for_update().filter(pk__in=list(alerts), state=AlertState.OPEN).order_by("pk")
    found = list(rows)
    for alert in found:
        _acknowledge(alert, "", actor)
    return len(found)


def delete_alerts() -> None:
    """Delete everything about alerts of the open scope, whose organization is deleted for good.

    The caller's transaction writes the event that tells of it.
    """
    for model in (AlertNotice, Alert, AlertChannel, AlertRule, AlertCursor, Sighting):
        model.objects.all().delete()


def _acknowledge(alert: Alert, note: str, actor: Actor) -> None:
    before = snapshot(alert)
    alert.state, alert.note = AlertState.ACKNOWLEDGED, note
    alert.settled_at, alert.settled_by = timezone.now(), actor.label[:320]
    alert.save(update_fields=["state", "note", "settled_at", "settled_by"])
    signals.alert_acknowledged.announce(alert, actor=actor, before=before, after=snapshot(alert), reason=note)
