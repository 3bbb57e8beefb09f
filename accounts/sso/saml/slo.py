"""Single Logout, both ways (saml-profiles-2.0-os section 4.4): here with a redirect, there with a signed request."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from accounts.lookups import sso_door
from accounts.models import SsoConnection, SsoProtocol, SsoSession
from accounts.services.sso_sessions import end_own_session, end_sso_sessions, use_once
from accounts.sign_in_limit import seconds_to_wait
from accounts.sso.confinement import session_of
from accounts.sso.exceptions import SignInRefused
from accounts.sso.noting import note_refused_logout
from accounts.sso.pages import NO_DOOR, refused, too_many
from accounts.sso.signed_in import ProviderSession
from accounts.sso_door import SsoDoor
from console.links import root_url
from isolation.scope import tenant_scope

from .arrivals import posted, queried
from .departing import depart
from .logout import checked_logout
from .messages import Departure, logout_request, logout_response
from .registration import SamlRegistration

_SALT = "accounts.sso.saml.slo"
_LEAVE_WITHIN = 120


@csrf_exempt  # a request is signed by the identity provider, or refused
@never_cache
@transaction.non_atomic_requests
@require_http_methods(["GET", "HEAD", "POST"])
def slo(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """Take the provider's logout requests, and its answers to ours (SingleLogoutService)."""
    door = sso_door(connection_id)
    if door is None or door.is_closed:
        return refused(request, NO_DOOR, HTTPStatus.NOT_FOUND)
    if wait := seconds_to_wait():
        return too_many(request, wait)
    given = request.POST if request.method == "POST" else request.GET
    if "SAMLResponse" in given and "SAMLRequest" not in given:
        return redirect(root_url("accounts/login/"))  # whatever it says: the session here ended before we asked
    try:
        departure = _logged_out(request, door)
    except SignInRefused as refusal:
        note_refused_logout(door, refusal)
        return render(request, "accounts/sso/saml_logout_refused.html", status=refusal.status)
    if departure is None:
        return render(request, "accounts/sso/saml_logged_out.html", {"door": door})
    return depart(request, departure, door.organization)


def way_out(request: HttpRequest) -> str:
    """End the session at the provider that the browser's session came by, because its person signs out.

    Returns:
        Where they tell the provider; "" when it takes no such request.
    """
    kept = session_of(request)
    if kept is None:
        return ""
    organization_id, session_id = kept
    with tenant_scope(organization_id):
        session = end_own_session(session_id)
        if session is None or not _is_led_on(session.connection):
            return ""
    token = signing.dumps(str(session_id), salt=_SALT)
    return f"{root_url(f'sso/{session.connection_id}/saml/leave/')}?session={token}"


@never_cache
@require_safe
def leave(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """Lead somebody who has signed out here to the provider, with the request to sign them out there too."""
    door = sso_door(connection_id)
    try:
        session_id = signing.loads(request.GET.get("session", ""), salt=_SALT, max_age=_LEAVE_WITHIN)
    except signing.BadSignature:
        return redirect(root_url("accounts/login/"))
    if door is None or not door.is_open:
        return redirect(root_url("accounts/login/"))
    with tenant_scope(door.organization_id):
        rows = SsoSession.objects.select_related("connection").filter(pk=session_id, connection=connection_id)
        session = rows.exclude(ended_at=None).first()
        if session is None or session.issuer != session.connection.issuer:
            return redirect(root_url("accounts/login/"))
        departure = logout_request(SamlRegistration.of(session.connection), _of(session))
    if departure is None:
        return redirect(root_url("accounts/login/"))
    if departure.fields:
        return depart(request, departure, door.organization)
    # No redirect: browsers hold a form's redirects to the form-action of its page (CSP).
    return render(request, "accounts/sso/saml_signing_out.html", {"door": door, "url": departure.url})


def _is_led_on(connection: SsoConnection) -> bool:
    return connection.is_enabled and connection.ends_at_provider and bool(connection.metadata.get("slo"))


def _logged_out(request: HttpRequest, door: SsoDoor) -> Departure | None:
    """End what the provider wants ended; return the way back.

    Raises:
        SignInRefused: the request does not hold; nothing has ended.
    """
    arrival = (posted if request.method == "POST" else queried)(request, "SAMLRequest")
    with tenant_scope(door.organization_id):
        connection: Any = SsoConnection.objects.filter(pk=door.connection_id, protocol=SsoProtocol.SAML).first()
        if connection is None:
            raise SignInRefused("The connection is gone.", NO_DOOR, HTTPStatus.NOT_FOUND)
        registration = SamlRegistration.of(connection)
        message = checked_logout(registration, arrival)
        use_once(connection=connection, message_id=f"logout {message.request_id}", counts_until=message.counts_until)
        end_sso_sessions(connection=connection, name_id=message.name_id, session_indexes=message.session_indexes)
        return logout_response(registration, message.request_id, arrival.relay_state)


def _of(session: SsoSession) -> ProviderSession:
    return ProviderSession(
        name_id=session.name_id,
        name_id_format=session.name_id_format,
        name_qualifier=session.name_qualifier,
        sp_name_qualifier=session.sp_name_qualifier,
        session_index=session.session_index,
    )
