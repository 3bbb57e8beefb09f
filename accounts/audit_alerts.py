"""Mails owners and operators when the background finds that a log is not what was sealed."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver

from audit.signals import verification_failed

from .mails import audit_log_alerts


@receiver(verification_failed, dispatch_uid="accounts:audit_log_alert")
def tell_owners_and_operators(
    sender: object, *, organization_id: UUID | None, problems: list[str], **kwargs: Any
) -> None:
    """Send the mails once the event that tells of it is committed."""
    for message in audit_log_alerts(organization_id, problems):
        transaction.on_commit(message.send, robust=True)
