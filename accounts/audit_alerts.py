"""Tells people what the background finds: altered logs, changes without an event, sinks that fail, alerts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.db import transaction
from django.dispatch import receiver

from audit.alerts import mailer
from audit.alerts.messages import Message
from audit.models import Alert, SinkCursor
from audit.reconciliation import Finding
from audit.signals import sink_failing, sink_missed_events, unattributed_changes_found, verification_failed
from isolation.scope import INSTALLATION

from .audit_mails import alert_mails, audit_log_alerts, sink_alerts, unattributed_change_alerts
from .mailing import deliver

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


@receiver(sink_missed_events, dispatch_uid="accounts:sink_missed_events")
def tell_what_a_sink_missed(sender: object, *, cursor: SinkCursor, reason: str, **kwargs: Any) -> None:
    """Send the mails once the event that tells of it is committed."""
    for message in sink_alerts(cursor, reason, template="sink_missed_events"):
        transaction.on_commit(message.send, robust=True)


class AlertMailer:
    """Writes to those who hold ``alerts:manage``, or to the operators."""

    def mails_about(self, alert: Alert, message: Message) -> Sequence[EmailMultiAlternatives]:
        """Return one mail for each of them; the alert's scope is open."""
        organization_id = None if alert.organization_id == INSTALLATION else alert.organization_id
        return alert_mails(organization_id, {"alert": message})

    def deliver(self, mails: Sequence[EmailMessage]) -> None:
        """Send mails now.

        Raises:
            Exception: what the mail server said, when it took not one of them.
        """
        deliver(mails)


mailer.register(AlertMailer())
