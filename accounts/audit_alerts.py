"""Mails people what the background finds: a log that is not what was sealed, and alerts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.db import transaction
from django.dispatch import receiver

from audit.alerts import mailer
from audit.alerts.messages import Message
from audit.models import Alert
from audit.signals import verification_failed
from isolation.scope import INSTALLATION

from .mails import alert_mails, audit_log_alerts, deliver


@receiver(verification_failed, dispatch_uid="accounts:audit_log_alert")
def tell_owners_and_operators(
    sender: object, *, organization_id: UUID | None, problems: list[str], **kwargs: Any
) -> None:
    """Send the mails once the event that tells of it is committed."""
    for message in audit_log_alerts(organization_id, problems):
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
