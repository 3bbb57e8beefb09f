"""How every mail of this app is made and sent: one for each address, text and HTML from one template's name."""

import logging
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.template.loader import render_to_string

from console.links import root_url
from tenants.models import Membership

from .models import User

logger = logging.getLogger("gatehouse.mail")


def to_each(addresses: Iterable[str], template: str, context: dict[str, Any]) -> list[EmailMultiAlternatives]:
    """Return one mail for each address: not everybody may see who the others are."""
    subject = " ".join(render_to_string(f"emails/{template}_subject.txt", context).split())
    text, html = (render_to_string(f"emails/{template}.{form}", context) for form in ("txt", "html"))
    messages = []
    for address in addresses:
        message = EmailMultiAlternatives(subject, text, to=[address])
        message.attach_alternative(html, "text/html")
        messages.append(message)
    return messages


def owners() -> list[str]:
    """Return the addresses of the owners of the open scope."""
    return sorted(set(Membership.objects.active_owners().values_list("user__email", flat=True)))


def operators() -> list[str]:
    """Return the addresses of the operators who can sign in."""
    return sorted(User.objects.filter(is_operator=True, is_active=True).values_list("email", flat=True))


def portal_link(path: str) -> str:
    """Return the whole address of a page."""
    return f"{settings.PUBLIC_URL}{root_url(path)}"


def deliver(messages: Iterable[EmailMessage]) -> None:
    """Send several mails now; one address that is refused keeps no other waiting.

    Raises:
        Exception: what the mail server said, when it took not one of them.
    """
    sent, failure = 0, None
    for message in messages:
        try:
            message.send()
            sent += 1
        except Exception as error:  # noqa: BLE001 - backends raise what they like
            logger.warning("A mail was not sent: %s", error)
            failure = error
    if failure is not None and not sent:
        raise failure
