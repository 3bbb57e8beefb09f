"""Out to a SAML identity provider, and back: another site's form is carried into the browser's own session first.

The session cookie is SameSite=Lax: a form of another site comes without it. So `acs` takes nothing in from there. It
answers with a page of this site, whose form brings the same response again, now with the browser's session. Only that
one is looked at, and only the session says which sign-in this browser has begun.
"""

import base64
from http import HTTPStatus
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from accounts.lookups import sso_door
from accounts.models import SamlKey, SsoConnection, SsoProtocol
from accounts.services.sso_sessions import use_once
from accounts.sign_in_limit import seconds_to_wait
from accounts.sso import attempt as attempts
from accounts.sso.checks import Checklist
from accounts.sso.exceptions import SignInRefused
from accounts.sso.noting import note_login
from accounts.sso.pages import NO_ATTEMPT, NO_DOOR, refused, too_many
from accounts.sso.returning import Return
from accounts.sso.signed_in import SignedIn
from accounts.sso_door import SsoDoor
from isolation.scope import tenant_scope

from .arrivals import posted
from .departing import depart
from .messages import authn_request
from .pending import Pending, keep, take
from .registration import SamlRegistration
from .response import checked, in_response_to, opened
from .sp_metadata import sp_metadata

_UNASKED = (
    "This sign-in did not begin here, and your organization takes only those that do. Begin at the sign-in page of "
    "this portal."
)


def leave(
    request: HttpRequest,
    connection: SsoConnection,
    *,
    next_url: str = "",
    login_hint: str = "",
    is_test: bool = False,
    setup_link: str = "",
    again: bool = False,
) -> HttpResponse:
    """Send a browser to the connection's provider; its scope is open. SAML knows no hint of who it will be."""
    registration = SamlRegistration.of(connection)
    attempt = attempts.begin(
        request, connection.pk, next_url=next_url, is_test=is_test, setup_link=setup_link, again=again
    )
    return depart(request, authn_request(registration, _request_id(attempt.state), again=again), connection.name)


@never_cache
@require_safe
def metadata(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """Return what we say of ourselves to the identity provider; it holds nothing secret."""
    door = sso_door(connection_id)
    if door is None or door.is_closed:
        return refused(request, NO_DOOR, HTTPStatus.NOT_FOUND)
    with tenant_scope(door.organization_id):
        connection = SsoConnection.objects.filter(pk=connection_id, protocol=SsoProtocol.SAML).first()
        if connection is None:
            return refused(request, NO_DOOR, HTTPStatus.NOT_FOUND)
        rows = SamlKey.objects.filter(connection=connection).order_by("-is_signing", "created_at")
        certificates = list(rows.values_list("certificate", flat=True))
        signs = connection.signs_requests or bool(connection.metadata.get("wants_signed_requests"))
    content = sp_metadata(connection_id, certificates, signs_requests=signs)
    response = HttpResponse(content, content_type="application/samlmetadata+xml")
    if "download" in request.GET:
        response["Content-Disposition"] = 'attachment; filename="gatehouse-saml-metadata.xml"'
    return response


@csrf_exempt  # what protects it is InResponseTo, which only the session of the browser that asked knows
@never_cache
@transaction.non_atomic_requests
@require_POST
def acs(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """Take back whoever comes from the identity provider, and sign them in (AssertionConsumerService)."""
    door = sso_door(connection_id)
    if door is None or door.is_closed:
        return refused(request, NO_DOOR, HTTPStatus.NOT_FOUND)
    if wait := seconds_to_wait():
        return too_many(request, wait)
    # From another site it comes without the session's cookie: the answer would set another one in its place.
    if "relayed" in request.POST and request.headers.get("Sec-Fetch-Site") != "cross-site":
        return SamlReturn(request, door).response()
    try:
        arrival = posted(request, "SAMLResponse")
    except SignInRefused as refusal:
        note_login(door, refusal, checklist=Checklist(), claims={})
        return refused(request, refusal.advice, refusal.status)
    fields = {"SAMLResponse": base64.b64encode(arrival.content).decode(), "RelayState": arrival.relay_state}
    return render(request, "accounts/sso/saml_relay.html", {"door": door, "fields": fields})


@never_cache
@transaction.non_atomic_requests
@require_POST
def confirm(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """Sign in somebody whose sign-in began at the provider, and who says that it is theirs."""
    door = sso_door(connection_id)
    if door is None or door.is_closed:
        return refused(request, NO_DOOR, HTTPStatus.NOT_FOUND)
    return ConfirmedReturn(request, door).response()


class SamlReturn(Return):
    """Somebody who comes back with a SAML response."""

    protocol = SsoProtocol.SAML

    def __init__(self, request: HttpRequest, door: SsoDoor) -> None:
        super().__init__(request, door)
        self._issuer = ""
        self._relay_state = ""

    @property
    def _next_url(self) -> str:
        return self._attempt.next_url if self._attempt else self._relay_state

    def _signed_in(self) -> SignedIn:
        """Return what the response says; it counts once."""
        with tenant_scope(self._door.organization_id):
            known = SamlRegistration.of(self._connection())
        self._issuer = known.issuer
        with self._checklist.step("The answer is a SAML response"):
            arrival = posted(self._request, "SAMLResponse")
            root = opened(arrival.content)
        self._relay_state = arrival.relay_state
        request_id = in_response_to(root)
        with self._checklist.step("This browser began the sign-in"):
            self._check_asked(known, request_id)
        assertion = checked(known, root, request_id, self._checklist)
        self._claims = assertion.found.claims
        with self._checklist.step("The assertion comes for the first time"), tenant_scope(self._door.organization_id):
            connection = self._connection()
            self._check_unchanged(connection)
            use_once(connection=connection, message_id=assertion.assertion_id, counts_until=assertion.counts_until)
        return assertion.found

    def _check_asked(self, known: SamlRegistration, request_id: str | None) -> None:
        if request_id is None:
            if not known.allows_idp_initiated:
                raise SignInRefused(
                    "The response answers no request (InResponseTo): it began at the provider, which this connection "
                    "does not allow.",
                    _UNASKED,
                )
        else:
            self._attempt = attempts.finish(self._request, self._door.connection_id, request_id.removeprefix("_"))
            if self._attempt is None or request_id != _request_id(self._attempt.state):
                raise SignInRefused("This browser began no such sign-in, or too long ago (InResponseTo).", NO_ATTEMPT)
        self._check_open()

    def _check_unchanged(self, connection: SsoConnection) -> None:
        """Refuse a connection that asks another provider by now."""
        if connection.issuer != self._issuer:
            raise SignInRefused("The connection was changed meanwhile.", NO_ATTEMPT)

    def _held_up(self, found: SignedIn) -> HttpResponse | None:
        """Ask whoever has not begun here: anybody could have sent their browser with an answer of their own."""
        if self._attempt is not None:
            return None
        waiting = Pending(found, self._issuer, self._relay_state)
        token = keep(self._request, self._door.connection_id, waiting)
        who = found.claims.get("email")
        context = {
            "door": self._door,
            "who": who if isinstance(who, str) else found.subject,
            "token": token,
        }
        return render(self._request, "accounts/sso/saml_confirm.html", context)


class ConfirmedReturn(SamlReturn):
    """Somebody who has said that the sign-in which began at the provider is theirs."""

    def _signed_in(self) -> SignedIn:
        """Return what was checked before the question."""
        with self._checklist.step("Their person has confirmed the sign-in that began at the provider"):
            waiting = take(self._request, self._door.connection_id, self._request.POST.get("token", ""))
            if waiting is None:
                raise SignInRefused("Nothing waits for a confirmation in this browser.", NO_ATTEMPT)
            self._check_open()
        self._issuer, self._relay_state = waiting.issuer, waiting.next_url
        with tenant_scope(self._door.organization_id):
            connection = self._connection()
            if not connection.allows_idp_initiated:
                raise SignInRefused("The connection takes no sign-ins any more that begin at the provider.", _UNASKED)
        return waiting.found

    def _held_up(self, found: SignedIn) -> HttpResponse | None:
        """Ask no second time."""
        return None


def _request_id(state: str) -> str:
    """Return the ID of a request: an xs:ID does not begin with a digit."""
    return f"_{state}"
