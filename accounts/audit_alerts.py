"""Tells people that a log is not what was sealed, that something changed without an event, or that a sink fails."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db import transaction
from django.dispatch import receiver

from audit.models import SinkCursor
from audit.reconciliation import Finding
from audit.signals import sink_failing, unattributed_changes_found, verification_failed

from .mails import audit_log_alerts, sink_alerts, unattributed_change_alerts

_AGAIN_AFTER = 3600  # seconds


@receiver(verification_failed, dispatch_uid="accounts:audit_log_alert")
def tell_owners_and_operators(
    sender: object, *, organization_id: UUID | None, problems: list[str], **kwargs: Any
) -> None:
    """Send the mails once the event that tells of it is committed."""
    for message in audit_log_alerts(organization_id, problems):
        transaction.on_commit(message.send, robust=True)


@receiver(unattributed_changes_found, dispatch_uid="accounts:unattributed_changes")
def tell_of_unattributed_changes(
    sender: object, *, organization_id: UUID | None, findings: Sequence[Finding], **kwargs: Any
) -> None:
    """Mail the organization's owners and the operators, unless they had a mail about this log within the hour."""
    if cache.add(f"unattributed-changes:{organization_id}", 1, _AGAIN_AFTER):
        for message in unattributed_change_alerts(organization_id, findings):
            transaction.on_commit(message.send, robust=True)


@receiver(sink_failing, dispatch_uid="accounts:sink_alert")
def tell_who_manages_sinks(sender: object, *, cursor: SinkCursor, reason: str, **kwargs: Any) -> None:
    """Send the mails once the event that tells of it is committed."""
    for message in sink_alerts(cursor, reason):
        transaction.on_commit(message.send, robust=True)
