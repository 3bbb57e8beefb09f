"""Signing out at the provider: led there by us (RP-Initiated Logout 1.0), and told by it (Back-Channel Logout 1.0).

Our own session ends first, whatever the provider does. No transaction is open while the provider is asked.
"""

import secrets
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from accounts.lookups import sso_door
from accounts.models import SsoConnection, SsoProtocol, User
from accounts.models.provisioned import LONGEST_EMAIL
from accounts.services.sso_logout import end_sessions
from accounts.sign_in_limit import seconds_to_wait
from accounts.sso.confinement import came_through
from accounts.sso.exceptions import SignInRefused
from accounts.sso.noting import note_refused_logout
from accounts.sso_door import SsoDoor
from console.links import login_url, root_url
from isolation.scope import tenant_scope
from outbound.exceptions import OutboundError

from .flow import with_current_keys
from .id_token import key_name
from .logout_token import checked_logout
from .registration import Registration, signed_out_uri

_KEY = "sso_signing_out"


def way_out(request: HttpRequest) -> str:
    """Return where a session that is about to end leads on to its provider, "" when nobody came by one."""
    came = came_through(request)
    if came is None or not isinstance(request.user, User):
        return ""
    connection_id, _ = came
    return f"{root_url(f'sso/{connection_id}/sign-out/')}?{urlencode({'logout_hint': request.user.email})}"


@never_cache
@require_safe
def sign_out(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """Lead somebody whose session has ended here to the end of their session at the provider.

    A page, and no redirect: browsers hold a form's redirects to the form-action of its page (CSP).
    """
    if request.user.is_authenticated:
        return redirect(root_url())
    door = sso_door(connection_id)
    endpoint, client_id = _end_session(door)
    if door is None or not endpoint or seconds_to_wait():
        return redirect(login_url())
    state = secrets.token_urlsafe(32)
    request.session[_KEY] = {"connection": str(connection_id), "state": state}
    asked = {
        "client_id": client_id,
        "post_logout_redirect_uri": signed_out_uri(connection_id),
        "state": state,
    }
    if hint := request.GET.get("logout_hint", "")[:LONGEST_EMAIL]:
        asked["logout_hint"] = hint
    url = f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"
    return render(request, "accounts/sso/signing_out.html", {"door": door, "end_session_url": url})


@never_cache
@require_safe
def signed_out(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """Take back whoever signed out at the provider; the page to sign in again is next in any case."""
    kept = request.session.pop(_KEY, None)
    state = request.GET.get("state", "")
    if (
        kept
        and kept["connection"] == str(connection_id)
        and secrets.compare_digest(kept["state"].encode(), state.encode())
    ):
        messages.success(request, "You are signed out here and at your identity provider.")
    return redirect(login_url())


@csrf_exempt
@never_cache
@transaction.non_atomic_requests
@require_POST
def backchannel_logout(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """End the sessions of somebody of whom the provider says that they signed out there (section 2.8).

    Raises:
        Http404: there is no such connection.
    """
    door = sso_door(connection_id)
    if door is None:
        raise Http404
    if wait := seconds_to_wait():
        response = _error("Too many requests.", status=429)
        response["Retry-After"] = str(wait)
        return response
    try:
        _end(request, door)
    except SignInRefused as refusal:
        note_refused_logout(door, refusal)
        return _error(refusal.reason)
    return HttpResponse(status=200)


def _end(request: HttpRequest, door: SsoDoor) -> None:
    """Check the token and end the sessions.

    Raises:
        SignInRefused: it does not hold, or the provider's keys cannot be fetched.
    """
    given = request.POST.getlist("logout_token")
    if len(given) != 1:
        raise SignInRefused("The request has no logout token, or several.")
    with tenant_scope(door.organization_id):
        known = Registration.of(_connection(door))
    try:
        current = with_current_keys(known, key_name(given[0]))
    except OutboundError as error:
        raise SignInRefused(error.detail) from error
    with tenant_scope(door.organization_id):
        connection = _connection(door)
        if connection.issuer != known.issuer or connection.client_id != known.client_id:
            raise SignInRefused("The connection was changed meanwhile.")
        if current.keys_at != known.keys_at:
            SsoConnection.objects.filter(pk=connection.pk).update(keys=current.keys, keys_at=current.keys_at)
    told = checked_logout(given[0], keys=current.keys, issuer=current.issuer, client_id=current.client_id)
    with tenant_scope(door.organization_id):
        end_sessions(connection=_connection(door), told=told)


def _connection(door: SsoDoor) -> SsoConnection:
    found: SsoConnection | None = SsoConnection.objects.filter(pk=door.connection_id, protocol=SsoProtocol.OIDC).first()
    if found is None:  # deleted since it was looked up, or it speaks SAML
        raise SignInRefused("The connection is gone.")
    return found


def _end_session(door: SsoDoor | None) -> tuple[str, str]:
    """Return where sessions end at the provider and as which client we ask, ("", "") where nobody is led there."""
    if door is None or not door.is_open:
        return "", ""
    with tenant_scope(door.organization_id):
        connection = SsoConnection.objects.filter(
            pk=door.connection_id, protocol=SsoProtocol.OIDC, ends_at_provider=True
        ).first()
        return (connection.metadata.get("end_session_endpoint", ""), connection.client_id) if connection else ("", "")


def _error(text: str, *, status: int = 400) -> JsonResponse:
    return JsonResponse({"error": "invalid_request", "error_description": text}, status=status)
