"""Signing in through an organization's identity provider: out, and back.

Nothing here holds a transaction while it waits for the provider.
"""

from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlencode
from uuid import UUID

from allauth.account.utils import perform_login
from django.contrib.auth import logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.audit_events import record_refused_sso
from accounts.forms.sso import FindProviderForm
from accounts.lookups import sso_door, sso_doors_of_domain
from accounts.models import SsoConnection, SsoLogin, User
from accounts.models.provisioned import LONGEST_EMAIL
from accounts.services.single_sign_on import Person, person_of, recognize
from accounts.sign_in_limit import seconds_to_wait
from accounts.sso_door import SsoDoor
from console.links import root_url
from isolation.context import current_origin
from isolation.scope import tenant_scope
from tenants.domain_names import mail_domain
from tenants.models import Membership

from . import attempt as attempts
from .attempt import Attempt
from .checks import Checklist
from .claims import shown_claims
from .confinement import Confinement, confine, confinement_of, release
from .exceptions import SignInRefused
from .id_token import LONGEST_NAME
from .oidc import authorization_url, signed_in
from .registration import Registration

_NO_DOOR = "This way to sign in is closed. Ask an owner of your organization whether single sign-on is switched on."
_NO_ATTEMPT = (
    "This sign-in was begun in another browser, was used already, or took longer than 15 minutes. Begin again."
)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: HttpRequest) -> HttpResponse:
    """Lead from an e-mail address to the identity provider of whoever has its domain."""
    form = FindProviderForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "accounts/sso/find.html", {"form": form, "next": request.GET.get("next", "")})
    if wait := seconds_to_wait():
        return _too_many(request, wait)
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
        return _refused(request, _NO_DOOR, HTTPStatus.NOT_FOUND)
    if wait := seconds_to_wait():
        return _too_many(request, wait)
    if request.user.is_authenticated and request.headers.get("Sec-Fetch-Site") == "cross-site":
        # Another site may have sent the browser here: it ends no session without a word of its person.
        return render(request, "accounts/sso/leaving.html", {"door": door, "start_url": request.get_full_path()})
    hint = request.GET.get("login_hint", "")[:LONGEST_EMAIL]
    return _leave(request, door, next_url=request.GET.get("next", ""), login_hint=hint)


@never_cache
@transaction.non_atomic_requests
@require_safe
def callback(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """Take back whoever comes from the identity provider, and sign them in."""
    door = sso_door(connection_id)
    if door is None or door.is_closed:
        return _refused(request, _NO_DOOR, HTTPStatus.NOT_FOUND)
    if wait := seconds_to_wait():
        return _too_many(request, wait)
    return _Return(request, door).response()


def begin_test(request: HttpRequest, connection: SsoConnection) -> HttpResponse:
    """Send somebody who manages a connection on a real sign-in that changes nothing; its scope is open."""
    attempt = attempts.begin(request, connection.pk, is_test=True)
    return redirect(authorization_url(Registration.of(connection), attempt))


class _Return:
    """Somebody who comes back from the identity provider."""

    def __init__(self, request: HttpRequest, door: SsoDoor) -> None:
        self._request = request
        self._door = door
        self._checklist = Checklist()
        self._claims: dict[str, Any] = {}
        self._person: Person | None = None
        self._attempt: Attempt | None = None
        self._came_at = timezone.now()

    def response(self) -> HttpResponse:
        """Return where they go, or why they do not come in."""
        try:
            membership = self._recognized()
        except SignInRefused as refused:
            login = self._note(refused)
            if self._is_test:
                return redirect(self._login_url(login))
            return _refused(self._request, refused.advice, HTTPStatus.FORBIDDEN)
        if self._is_test:
            return redirect(self._login_url(self._note(None)))
        return self._let_in(membership)

    @property
    def _is_test(self) -> bool:
        return self._attempt is not None and self._attempt.is_test

    def _recognized(self) -> Membership:
        """Return who came back.

        Raises:
            SignInRefused: something does not hold; nothing has changed.
        """
        answer = {name: self._request.GET.getlist(name) for name in self._request.GET}
        with self._checklist.step("This browser began the sign-in"):
            state = answer.get("state", [""])[0]
            self._attempt = attempts.finish(self._request, self._door.connection_id, state)
            if self._attempt is None:
                raise SignInRefused("This browser began no such sign-in, or too long ago (state).", _NO_ATTEMPT)
            if not self._door.is_enabled and not self._attempt.is_test:
                raise SignInRefused("The connection is switched off.", _NO_DOOR)
        with tenant_scope(self._door.organization_id):
            known = Registration.of(self._connection())
        found = signed_in(known, self._attempt, answer, self._checklist)
        self._claims = found.claims
        with tenant_scope(self._door.organization_id):
            connection = self._unchanged(known)
            if found.registration.keys_at != known.keys_at:
                SsoConnection.objects.filter(pk=connection.pk).update(
                    keys=found.registration.keys, keys_at=found.registration.keys_at
                )
        self._person = person = person_of(connection, found.claims)
        with tenant_scope(self._door.organization_id):
            # A test takes the same way; what it changed is undone.
            with transaction.atomic():
                membership = recognize(
                    connection=self._unchanged(known),
                    person=person,
                    claims=found.claims,
                    checklist=self._checklist,
                    proved=self._proved(),
                )
                transaction.set_rollback(self._is_test)
            return membership

    def _unchanged(self, known: Registration) -> SsoConnection:
        """Return the connection, whose provider has answered.

        Raises:
            SignInRefused: it asks another one now, or as another client.
        """
        connection = self._connection()
        if connection.issuer != known.issuer or connection.client_id != known.client_id:
            raise SignInRefused("The connection was changed meanwhile.", _NO_ATTEMPT)
        return connection

    def _proved(self) -> UUID | None:
        user = self._request.user
        return user.pk if isinstance(user, User) and confinement_of(self._request) is None else None

    def _connection(self) -> SsoConnection:
        rows = SsoConnection.objects.select_related("organization__default_role", "role")
        connection: SsoConnection | None = rows.filter(pk=self._door.connection_id).first()
        if connection is None:  # deleted since it was looked up
            raise SignInRefused("The connection is gone.", _NO_DOOR)
        return connection

    def _note(self, refused: SignInRefused | None) -> SsoLogin | None:
        """Write down how it went, for those who look after the connection."""
        origin = current_origin()
        who = self._person.email or self._person.subject if self._person else str(self._claims.get("sub", ""))
        with tenant_scope(self._door.organization_id):
            connection = SsoConnection.objects.filter(pk=self._door.connection_id).first()
            if connection is None:
                return None
            login = SsoLogin(
                organization_id=self._door.organization_id,
                connection=connection,
                succeeded=refused is None,
                is_test=self._is_test,
                subject=str(self._claims.get("sub", ""))[:255],
                email=self._person.email if self._person else "",
                checks=self._checklist.stored(),
                claims=shown_claims(self._claims),
                reason=refused.reason if refused else "",
                ip=origin.ip,
                user_agent=origin.user_agent[:200],
            )
            login.save(force_insert=True)
            if refused and not self._is_test:
                record_refused_sso(connection, who=who[:320], reason=login.reason[:1000])
            return login

    def _let_in(self, membership: Membership) -> HttpResponse:
        """Open the session; it reaches this organization alone, unless the person has proved their password in it."""
        request, user = self._request, membership.user
        same = request.user.is_authenticated and request.user.pk == user.pk
        if request.user.is_authenticated and not same:
            logout(request)
        reaches_all = same and confinement_of(request) is None
        attempt = self._attempt
        next_url = attempt.next_url if attempt else ""
        with transaction.atomic():
            if not reaches_all:
                confine(request, self._confinement())
            response: HttpResponse = perform_login(
                request,
                user,
                email_verification="none",  # the session does not reach what a proven address would open
                redirect_url=_inside(request, self._door, next_url),
            )
            if not request.user.is_authenticated:  # the login is deactivated
                release(request)
            self._note(None)
        return response

    def _confinement(self) -> Confinement:
        sid = self._claims.get("sid")
        named = sid if isinstance(sid, str) and len(sid) <= LONGEST_NAME else ""
        return Confinement(self._door.organization_id, self._door.connection_id, self._came_at, named)

    def _login_url(self, login: SsoLogin | None) -> str:
        page = f"accounts/ssologin/{login.pk}/change/" if login else ""
        return root_url(f"o/{self._door.slug}/{page}")


def _leave(request: HttpRequest, door: SsoDoor, *, next_url: str, login_hint: str) -> HttpResponse:
    with tenant_scope(door.organization_id):
        registration = Registration.of(SsoConnection.objects.get(pk=door.connection_id))
    registration = replace(registration, client_secret=None)  # not needed on the way out
    attempt = attempts.begin(request, door.connection_id, next_url=next_url[:2000])
    return redirect(authorization_url(registration, attempt, login_hint=login_hint))


def _inside(request: HttpRequest, door: SsoDoor, next_url: str) -> str:
    """Return where to go: within the organization, whatever was asked."""
    home = root_url(f"o/{door.slug}/")
    climbs = ".." in unquote(next_url)  # browsers resolve dot segments, in each of their spellings (RFC 3986 5.2.4)
    safe = (
        next_url.startswith(home)
        and not climbs
        and url_has_allowed_host_and_scheme(next_url, allowed_hosts={request.get_host()})
    )
    return next_url if safe else home


def _too_many(request: HttpRequest, wait: int) -> HttpResponse:
    response = _refused(request, f"Too many sign-ins from your address. Wait {wait} seconds, then go on.", 429)
    response["Retry-After"] = str(wait)
    return response


def _refused(request: HttpRequest, advice: str, status: int) -> HttpResponse:
    return render(request, "accounts/sso/refused.html", {"advice": advice}, status=status)
