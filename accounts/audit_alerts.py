"""Mails people when the background finds that a log is not what was sealed, or that a sink receives no events."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver

from audit.models import SinkCursor
from audit.signals import sink_failing, verification_failed

from .mails import audit_log_alerts, sink_alerts


@receiver(verification_failed, dispatch_uid="accounts:audit_log_alert")
def tell_owners_and_operators(
    sender: object, *, organization_id: UUID | None, problems: list[str], **kwargs: Any
) -> None:
    """Send the mails once the event that tells of it is committed."""
    for message in audit_log_alerts(organization_id, problems):
        transaction.on_commit(message.send, robust=True)


@receiver(sink_failing, dispatch_uid="accounts:sink_alert")
def tell_who_manages_sinks(sender: object, *, cursor: SinkCursor, reason: str, **kwargs: Any) -> None:
    """Send the mails once the event that tells of it is committed."""
    for message in sink_alerts(cursor, reason):
        transaction.on_commit(message.send, robust=True)
