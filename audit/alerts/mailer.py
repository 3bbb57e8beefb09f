"""Who mails an alert: an app above this one, which knows people's addresses; it registers itself here."""

from collections.abc import Sequence
from typing import Protocol

from django.core.mail import EmailMessage

from .messages import Message
from .models import Alert


class Mailer(Protocol):
    """Writes mails and sends them."""

    def mails_about(self, alert: Alert, message: Message) -> Sequence[EmailMessage]:
        """Return one mail for each person who is told; the alert's scope is open."""

    def deliver(self, mails: Sequence[EmailMessage]) -> None:
        """Send mails now, outside any scope.

        Raises:
            Exception: what the mail server said, when it took not one of them.
        """


class NoMailer:
    """Knows nobody."""

    def mails_about(self, alert: Alert, message: Message) -> Sequence[EmailMessage]:
        """Return nothing."""
        return []

    def deliver(self, mails: Sequence[EmailMessage]) -> None:
        """Send nothing."""


_registered: list[Mailer] = [NoMailer()]


def register(mailer: Mailer) -> None:
    """Make `mailer` the one that is asked from now on."""
    _registered[-1] = mailer


def mailer() -> Mailer:
    """Return the registered mailer."""
    return _registered[-1]
