"""Out to an OpenID provider, and back."""

from dataclasses import replace
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.lookups import sso_door
from accounts.models import SsoConnection, SsoProtocol
from accounts.sign_in_limit import seconds_to_wait
from accounts.sso import attempt as attempts
from accounts.sso.exceptions import SignInRefused
from accounts.sso.pages import NO_ATTEMPT, NO_DOOR, refused, too_many
from accounts.sso.returning import Return
from accounts.sso.signed_in import SignedIn
from isolation.scope import tenant_scope

from .flow import authorization_url, signed_in
from .registration import Registration


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
    """Send a browser to the connection's provider; its scope is open."""
    registration = replace(Registration.of(connection), client_secret=None)  # not needed on the way out
    attempt = attempts.begin(
        request, connection.pk, next_url=next_url, is_test=is_test, setup_link=setup_link, again=again
    )
    return redirect(authorization_url(registration, attempt, login_hint=login_hint, again=again))


@never_cache
@transaction.non_atomic_requests
@require_safe
def callback(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """Take back whoever comes from the identity provider, and sign them in."""
    door = sso_door(connection_id)
    if door is None or door.is_closed:
        return refused(request, NO_DOOR, 404)
    if wait := seconds_to_wait():
        return too_many(request, wait)
    return OidcReturn(request, door).response()


class OidcReturn(Return):
    """Somebody who comes back with an authorization code."""

    protocol = SsoProtocol.OIDC
    _known: Registration

    def _signed_in(self) -> SignedIn:
        """Return what the code's tokens say; keys that were fetched on the way are kept."""
        answer = {name: self._request.GET.getlist(name) for name in self._request.GET}
        with self._checklist.step("This browser began the sign-in"):
            state = answer.get("state", [""])[0]
            self._attempt = attempts.finish(self._request, self._door.connection_id, state)
            if self._attempt is None:
                raise SignInRefused("This browser began no such sign-in, or too long ago (state).", NO_ATTEMPT)
            self._check_open()
        with tenant_scope(self._door.organization_id):
            self._known = Registration.of(self._connection())
        found, used = signed_in(self._known, self._attempt, answer, self._checklist)
        self._claims = found.claims
        with tenant_scope(self._door.organization_id):
            connection = self._connection()
            self._check_unchanged(connection)
            if used.keys_at != self._known.keys_at:
                SsoConnection.objects.filter(pk=connection.pk).update(keys=used.keys, keys_at=used.keys_at)
        return found

    def _check_unchanged(self, connection: SsoConnection) -> None:
        """Refuse a connection that asks another provider by now, or as another client."""
        if connection.issuer != self._known.issuer or connection.client_id != self._known.client_id:
            raise SignInRefused("The connection was changed meanwhile.", NO_ATTEMPT)
