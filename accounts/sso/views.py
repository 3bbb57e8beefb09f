"""Signing in through an organization's identity provider: from an address to its door, and out."""

from http import HTTPStatus
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms.sso import FindProviderForm
from accounts.lookups import sso_door, sso_doors_of_domain
from accounts.models import SsoConnection, SsoProtocol
from accounts.models.provisioned import LONGEST_EMAIL
from accounts.sign_in_limit import seconds_to_wait
from console.links import root_url
from isolation.scope import tenant_scope
from tenants.domain_names import mail_domain

from .oidc import views as oidc
from .pages import NO_DOOR, refused, too_many
from .saml import views as saml

LONGEST_NEXT = 2_000
_LEAVE = {SsoProtocol.OIDC.value: oidc.leave, SsoProtocol.SAML.value: saml.leave}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: HttpRequest) -> HttpResponse:
    """Lead from an e-mail address to the identity provider of whoever has its domain."""
    form = FindProviderForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "accounts/sso/find.html", {"form": form, "next": request.GET.get("next", "")})
    if wait := seconds_to_wait():
        return too_many(request, wait)
    email = form.cleaned_data["email"].lower()
    domain = mail_domain(email)
    doors = sso_doors_of_domain(domain) if domain else []
    if not doors:
        form.add_error(
            "email", f"Nobody signs in with single sign-on at {domain or 'this address'}. Use your password."
        )
        return render(request, "accounts/sso/find.html", {"form": form, "next": request.POST.get("next", "")})
    if len(doors) > 1:
        return render(
            request,
            "accounts/sso/choose.html",
            {"doors": doors, "email": email, "next": request.POST.get("next", "")},
        )
    query = urlencode({"login_hint": email, "next": request.POST.get("next", "")})
    start_url = f"{root_url(f'sso/{doors[0].connection_id}/start/')}?{query}"
    return render(request, "accounts/sso/leaving.html", {"door": doors[0], "start_url": start_url, "at_once": True})


@never_cache
@transaction.non_atomic_requests
@require_safe
def start(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """Send somebody to their identity provider."""
    door = sso_door(connection_id)
    if door is None or not door.is_open:
        return refused(request, NO_DOOR, HTTPStatus.NOT_FOUND)
    if wait := seconds_to_wait():
        return too_many(request, wait)
    if request.user.is_authenticated and request.headers.get("Sec-Fetch-Site") == "cross-site":
        # Another site may have sent the browser here: it ends no session without a word of its person.
        return render(request, "accounts/sso/leaving.html", {"door": door, "start_url": request.get_full_path()})
    hint = request.GET.get("login_hint", "")[:LONGEST_EMAIL]
    next_url = request.GET.get("next", "")[:LONGEST_NEXT]
    with tenant_scope(door.organization_id):
        connection = SsoConnection.objects.filter(pk=door.connection_id).first()
        if connection is None:  # deleted since it was looked up
            return refused(request, NO_DOOR, HTTPStatus.NOT_FOUND)
        leave = _LEAVE[connection.protocol]
        return leave(request, connection, next_url=next_url, login_hint=hint, again="again" in request.GET)


def begin_test(request: HttpRequest, connection: SsoConnection, *, setup_link: str = "") -> HttpResponse:
    """Send somebody who manages a connection on a real sign-in that changes nothing; its scope is open.

    Args:
        request: the running request.
        connection: which is tested.
        setup_link: by which set-up link, "" for somebody in the console.
    """
    return _LEAVE[connection.protocol](request, connection, is_test=True, setup_link=setup_link)


def test_url(connection: SsoConnection) -> str:
    """Return where somebody who manages a connection begins its test."""
    return f"{settings.PUBLIC_URL}{root_url(f'o/{connection.organization.slug}/sso/{connection.pk}/test/')}"
