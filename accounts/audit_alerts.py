"""Tells owners and operators that something changed without an audit event; once an hour for each log."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db import transaction
from django.dispatch import receiver

from accounts.mails import unattributed_change_alerts
from audit.reconciliation import Finding
from audit.signals import unattributed_changes_found

_AGAIN_AFTER = 3600  # seconds


@receiver(unattributed_changes_found, dispatch_uid="accounts:unattributed_changes")
def alert(sender: object, *, organization_id: UUID | None, findings: Sequence[Finding], **kwargs: Any) -> None:
    """Mail the organization's owners and the operators, unless they had a mail about this log within the hour."""
    if cache.add(f"unattributed-changes:{organization_id}", 1, _AGAIN_AFTER):
        for message in unattributed_change_alerts(organization_id, findings):
            transaction.on_commit(message.send, robust=True)
