"""The mails about domains, to the organization's owners; rendered inside the scope, sent after the commit."""

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string

from console.links import root_url

from .models import Domain, Membership


def send_domain_failing(domain: Domain, *, days: int) -> None:
    """Tell the owners that a verified domain's record is gone.

    Args:
        domain: the domain; its organization's scope must be open.
        days: how many are left until it is lost.
    """
    _send("domain_failing", domain, days=days)


def send_domain_lost(domain: Domain, *, reason: str = "") -> None:
    """Tell the owners that a domain is not verified any more.

    Args:
        domain: the domain; its organization's scope must be open.
        reason: an operator's words, "" when the record was missing for too long.
    """
    _send("domain_lost", domain, reason=reason)


def _send(template: str, domain: Domain, **more: object) -> None:
    """Send one mail to each owner: not everybody may see who the others are."""
    organization = domain.organization
    path = root_url(f"o/{organization.slug}/tenants/domain/{domain.pk}/change/")
    context = {
        "organization": organization.name,
        "domain": domain,
        "link": f"{settings.PUBLIC_URL}{path}",
        **more,
    }
    subject = " ".join(render_to_string(f"emails/{template}_subject.txt", context).split())
    text, html = (render_to_string(f"emails/{template}.{form}", context) for form in ("txt", "html"))
    owners = Membership.objects.active_owners().order_by("user__email").values_list("user__email", flat=True)
    for address in owners:
        message = EmailMultiAlternatives(subject, text, to=[address])
        message.attach_alternative(html, "text/html")
        transaction.on_commit(message.send, robust=True)
