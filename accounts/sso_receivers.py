"""Tells who manages single sign-on that a domain is about to count no more for it, or does not any more."""

from typing import Any

from django.db.models import Q
from django.dispatch import receiver

from accounts.mails import send_sso_domain_notice
from accounts.models import SignInPolicy, SsoConnection, SsoRequired
from tenants import signals
from tenants.models import Domain
from tenants.services.domains import GRACE

MOST_NAMED = 5


@receiver(signals.domain_failing, dispatch_uid="accounts:domain_failing")
def tell_of_failing(sender: object, *, target: Domain, **kwargs: Any) -> None:
    """Tell what rests on a domain whose record was not found."""
    _tell(target, days=GRACE.days)


@receiver(signals.domain_lost, dispatch_uid="accounts:domain_lost")
def tell_of_lost(sender: object, *, target: Domain, **kwargs: Any) -> None:
    """Tell what works no more without the domain."""
    _tell(target, days=0)


def _tell(domain: Domain, *, days: int) -> None:
    speaking = SsoConnection.objects.filter(Q(domains=[]) | Q(domains__contains=[domain.name]), is_enabled=True)
    names = list(speaking.order_by("name").values_list("name", flat=True))
    if len(names) > MOST_NAMED:
        names[MOST_NAMED:] = [f"{len(names) - MOST_NAMED} more"]
    if names:
        holds = SignInPolicy.of(domain.organization_id).sso_required == SsoRequired.DOMAINS
        send_sso_domain_notice(domain, connections=names, holds=holds, days=days)
