"""What a member is shown who may not enter an organization yet."""

from http import HTTPStatus
from typing import Any, cast

from django.contrib.auth import logout
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.entry import Ask, Asked
from accounts.lookups import sso_doors_of_domain
from accounts.models import SsoConnection, User
from accounts.second_factor import step_up_url
from tenants.domain_names import mail_domain
from tenants.models import Organization

_TITLES = {
    Ask.NETWORK: "Not from this network",
    Ask.SIGN_IN_AGAIN: "Sign in again",
    Ask.SINGLE_SIGN_ON: "Sign in through your organization",
}


def not_yet(request: HttpRequest, organization: Organization, asked: Asked) -> HttpResponse:
    """Say what the organization's sign-in policy asks, and lead there (403). Its scope is open.

    A session that is over by the policy ends here.
    """
    wanted = request.get_full_path()
    if asked.what is Ask.SECOND_FACTOR:
        return redirect(step_up_url(request, wanted))
    connections = [] if asked.what is Ask.NETWORK else _ways(request, organization)
    if asked.what is Ask.SIGN_IN_AGAIN:
        logout(request)
    context = {
        "asked": asked,
        "title": _TITLES[asked.what],
        "organization": organization,
        "connections": connections,
        "takes_password": asked.what is Ask.SIGN_IN_AGAIN,
        "wanted": wanted,
    }
    return render(request, "portal/entry.html", context, status=HTTPStatus.FORBIDDEN)


def _ways(request: HttpRequest, organization: Organization) -> list[Any]:
    """Return the connections that speak for the person's address; for a guest, all that are on."""
    domain = mail_domain(cast("User", request.user).email)
    doors = sso_doors_of_domain(domain) if domain else []
    theirs = [door for door in doors if door.organization_id == organization.pk]
    return theirs or list(SsoConnection.objects.filter(is_enabled=True).values("name", connection_id=F("pk")))
