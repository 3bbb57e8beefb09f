"""Coming back from an identity provider, by whichever protocol: who it is, whether they may come in, and their session.

Nothing here holds a transaction while it waits for the provider.
"""

from abc import ABC, abstractmethod
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from django.contrib.auth import logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from accounts.models import SsoConnection, SsoProtocol, User
from accounts.services.single_sign_on import Person, person_of, recognize
from accounts.services.sso_sessions import open_sso_session
from accounts.sso_door import SsoDoor
from console.links import root_url
from isolation.scope import tenant_scope
from tenants.models import Membership

from .attempt import Attempt, note_test
from .checks import Checklist
from .confinement import Confinement, confine, confinement_of, keep_session, keep_way, release
from .exceptions import SignInRefused
from .held import mark_single_sign_on
from .noting import note_login
from .pages import NO_DOOR, inside, refused
from .presence import SINGLE_SIGN_ON, Presence, note_presence
from .signed_in import SignedIn


class Return(ABC):
    """Somebody who comes back from the identity provider; a protocol's own class says what came back."""

    protocol: SsoProtocol

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
            found = self._signed_in()
            self._claims = found.claims
            held_up = self._held_up(found)
            if held_up is not None:
                return held_up
            if self._setup_link:
                return self._named(found)
            membership = self._recognized(found)
        except SignInRefused as refusal:
            login_id = self._note(refusal)
            if self._is_test:
                return redirect(self._login_url(login_id))
            return refused(self._request, refusal.advice, refusal.status)
        if self._is_test:
            return redirect(self._login_url(self._note(None)))
        return self._let_in(membership, found)

    @property
    def _is_test(self) -> bool:
        return self._attempt is not None and self._attempt.is_test

    @property
    def _setup_link(self) -> str:
        return self._attempt.setup_link if self._attempt else ""

    @property
    def _next_url(self) -> str:
        return self._attempt.next_url if self._attempt else ""

    @abstractmethod
    def _signed_in(self) -> SignedIn:
        """Return what the identity provider says, after every check; `_attempt` is set as soon as it is known.

        Raises:
            SignInRefused: something does not hold.
        """

    @abstractmethod
    def _check_unchanged(self, connection: SsoConnection) -> None:
        """Refuse a connection that asks another provider by now than the one that answered.

        Raises:
            SignInRefused: it does.
        """

    def _held_up(self, found: SignedIn) -> HttpResponse | None:
        """Return a question to be answered first, None to go on."""
        return None

    def _check_open(self) -> None:
        """Refuse a connection that is switched off; a test works all the same."""
        if not self._door.is_enabled and not self._is_test:
            raise SignInRefused("The connection is switched off.", NO_DOOR)

    def _recognized(self, found: SignedIn) -> Membership:
        """Return whom the provider names.

        Raises:
            SignInRefused: they may not come in; nothing has changed.
        """
        with tenant_scope(self._door.organization_id):
            self._person = person = person_of(self._connection(), found.claims)
            # A test takes the same way; what it changed is undone.
            with transaction.atomic():
                connection = self._connection()
                self._check_unchanged(connection)
                membership = recognize(
                    connection=connection,
                    person=person,
                    claims=found.claims,
                    checklist=self._checklist,
                    proved=self._proved(),
                )
                transaction.set_rollback(self._is_test)
            return membership

    def _named(self, found: SignedIn) -> HttpResponse:
        """Return the page of a set-up link's test: whom the provider names, and nothing of who is a member."""
        with tenant_scope(self._door.organization_id):
            connection = self._connection()
            self._check_unchanged(connection)
            self._person = person = person_of(connection, found.claims)
        self._checklist.note("The answer names somebody", person.subject)
        with self._checklist.step("The answer has an e-mail address"):
            if not person.email:
                raise SignInRefused(f"There is no e-mail address in “{connection.email_claim}”.")
        return redirect(self._login_url(self._note(None)))

    def _proved(self) -> UUID | None:
        user = self._request.user
        return user.pk if isinstance(user, User) and confinement_of(self._request) is None else None

    def _connection(self) -> SsoConnection:
        rows = SsoConnection.objects.select_related("organization__default_role", "role")
        connection: SsoConnection | None = rows.filter(pk=self._door.connection_id, protocol=self.protocol).first()
        if connection is None:  # deleted since it was looked up, or it speaks the other protocol
            raise SignInRefused("The connection is gone.", NO_DOOR, HTTPStatus.NOT_FOUND)
        return connection

    def _note(self, refusal: SignInRefused | None) -> UUID | None:
        """Write down how it went, for those who look after the connection."""
        return note_login(
            self._door,
            refusal,
            checklist=self._checklist,
            claims=self._claims,
            person=self._person,
            is_test=self._is_test,
        )

    def _let_in(self, membership: Membership, found: SignedIn) -> HttpResponse:
        """Open the session; it reaches this organization alone, unless the person has proved their password in it."""
        request, user = self._request, membership.user
        same = request.user.is_authenticated and request.user.pk == user.pk
        if request.user.is_authenticated and not same:
            logout(request)
        reaches_all = same and confinement_of(request) is None
        door = self._door
        with transaction.atomic():
            session_id = self._open_session(membership, found)
            if not reaches_all:
                confine(
                    request,
                    Confinement(door.organization_id, door.connection_id, self._came_at, session_id, found.sid),
                )
            keep_session(request, door.organization_id, session_id)
            keep_way(request, door.connection_id, self.protocol)
            mark_single_sign_on(request)
            response: HttpResponse = perform_login(
                request,
                user,
                email_verification="none",  # the session does not reach what a proven address would open
                redirect_url=inside(request, door, self._next_url),
            )
            if not request.user.is_authenticated:  # the login is deactivated
                release(request)
            else:
                came = Presence(
                    door.organization_id,
                    door.connection_id,
                    self._came_at,
                    found.assurance,
                    session_id,
                    self._proved_at(found),
                    found.sid,
                )
                note_presence(request, came)
                if not reaches_all:  # what it opens of the login is closed to it but for a first second factor
                    record_authentication(request, user, method=SINGLE_SIGN_ON)
            self._note(None)
        return response

    def _proved_at(self, found: SignedIn) -> datetime | None:
        """Return when they proved who they are to the provider.

        Where it does not say, it has asked now if it was told to; otherwise it may have let them through.
        """
        if found.authenticated_at is None:
            return self._came_at if self._attempt is not None and self._attempt.again else None
        return min(found.authenticated_at, self._came_at)

    def _open_session(self, membership: Membership, found: SignedIn) -> UUID | None:
        if found.session is None:
            return None
        with tenant_scope(self._door.organization_id):
            return open_sso_session(membership=membership, connection=self._connection(), session=found.session)

    def _login_url(self, login_id: UUID | None) -> str:
        if self._setup_link:
            if login_id:
                note_test(self._request, login_id)
            page = f"tests/{login_id}/" if login_id else ""
            return root_url(f"sso/setup/{self._setup_link}/{page}")
        page = f"accounts/ssologin/{login_id}/change/" if login_id else ""
        return root_url(f"o/{self._door.slug}/{page}")
