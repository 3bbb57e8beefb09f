"""Logins that an organization holds to single sign-on: it has verified the domain of their address, and requires it.

Holding reaches beyond the organization: whoever has a domain decides about its mailboxes, and so about password resets.
Operators are held by nobody, or an organization could keep them out of the installation.
"""

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.lookups import sso_doors_required
from accounts.models import User
from accounts.sso_door import SsoDoor
from tenants.domain_names import mail_domain

_MARK = "by_single_sign_on"


def doors_for_login(user: User) -> list[SsoDoor]:
    """Return the connections one of which a login has to come through; none: nobody holds it."""
    domain = mail_domain(user.email)
    return sso_doors_required(domain, user.pk) if domain and not user.is_operator else []


def doors_for_address(email: str) -> list[SsoDoor]:
    """Return the connections through which somebody new with this address has to come; none: nobody asks for it."""
    domain = mail_domain(email.strip().lower())
    return sso_doors_required(domain, None) if domain else []


def came_by_single_sign_on(request: HttpRequest) -> bool:
    """Return whether the sign-in that is running in this request is a provider's."""
    return getattr(request, _MARK, False)


def mark_single_sign_on(request: HttpRequest) -> None:
    """Note that the sign-in that follows in this request is a provider's."""
    setattr(request, _MARK, True)


def lead_to_provider(request: HttpRequest, doors: Sequence[SsoDoor], *, email: str) -> HttpResponse:
    """Say that an organization requires single sign-on, and lead there (403)."""
    context = {"doors": doors, "email": email, "next": request.POST.get("next") or request.GET.get("next", "")}
    return render(request, "accounts/sso/required.html", context, status=403)


def refuse_held_address(email: str) -> None:
    """Refuse an address for a new login, or for another one of a login, whose people come by single sign-on.

    Raises:
        ValidationError: saying through which organization.
    """
    if doors := doors_for_address(email):
        raise ValidationError(
            f"People with this address sign in through {doors[0].organization}. Choose “Single sign-on” on the sign-in "
            "page.",
            code="sso_required",
        )
