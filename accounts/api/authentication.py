"""How the API recognizes who asks."""

import base64
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from rest_framework import authentication, exceptions

from accounts.entry import Ask, entry_of, note_break_glass
from accounts.freshness import proved_at
from accounts.key_record import KeyRecord, Refusal
from accounts.models import User
from accounts.services.key_authentication import KeyRefused, authenticate_key, key_actor
from accounts.services.users import person
from accounts.sessions.ended import ended_in, is_ended
from accounts.sessions.facts import signed_in_at
from accounts.sso.confinement import confinement_of
from api.problems import Problem
from isolation.actor import Actor, ActorKind
from isolation.context import current_origin
from isolation.scope import on_scope_exit
from tenants.access import user_actor

_ASKED = {
    Ask.NETWORK: ("address_not_allowed", ""),
    Ask.SIGN_IN_AGAIN: ("sign_in_again", "Sign in again in the console."),
    Ask.SINGLE_SIGN_ON: ("sso_required", "Sign in through its identity provider, in the console."),
    Ask.SECOND_FACTOR: ("second_factor_required", "Open the organization in the console, which leads there."),
}


@dataclass(frozen=True, slots=True)
class SessionCredential:
    """A session of the console: reaches every organization of its person, as that person.

    One that an organization's identity provider opened reaches that organization only.

    An operator's visits end at the console's door: here an operator is a person like any other.
    """

    user: User
    request: HttpRequest
    organization_id: UUID | None = None

    @property
    def limit_key(self) -> str:
        """Return what requests are counted by: the person, in however many browsers."""
        return f"user:{self.user.pk}"

    def actor_outside(self) -> Actor:
        """Return the person, without any authority."""
        return person(self.user)

    def actor_in(self, organization_id: UUID) -> Actor:
        """Return the person with their authority in the organization whose scope is open.

        Raises:
            AuthenticationFailed: the organization has ended their sessions since they signed in.
            Problem: 403, the organization's sign-in policy asks something more of the session.
        """
        if is_ended(signed_in_at(self.request), ended_in(organization_id, self.user.pk)):
            raise exceptions.AuthenticationFailed(
                "Your sessions in this organization were ended. Sign in again, then repeat the request."
            )
        proved = proved_at(self.request, self.user, organization_id)
        actor = user_actor(self.user, organization_id, proved_at=proved)
        entry = entry_of(self.request, self.user, organization_id)
        if entry.asked:
            if entry.asked.what is Ask.SIGN_IN_AGAIN:
                on_scope_exit(partial(logout, self.request))
            code, how = _ASKED[entry.asked.what]
            raise Problem(HTTPStatus.FORBIDDEN, code, f"{entry.asked.why} {how}".strip())
        if entry.by_break_glass:
            note_break_glass(self.request, organization_id, self.user)
        return actor


class SessionAuthentication(authentication.SessionAuthentication):
    """Recognizes a session of the console; what changes something needs the CSRF token as well."""

    def authenticate(self, request: Any) -> tuple[User, SessionCredential] | None:
        """Return (user, credential), or None without a session.

        Raises:
            Problem: 403, the CSRF token is missing or wrong.
        """
        user = getattr(request._request, "user", None)
        if not isinstance(user, User) or not user.is_active:
            return None
        self.enforce_csrf(request)
        confinement = confinement_of(request._request)
        if confinement is not None and not confinement.holds(user):
            return None
        return user, SessionCredential(user, request._request, confinement.organization_id if confinement else None)

    def enforce_csrf(self, request: Any) -> None:
        """Refuse a request that another site may have made the browser send.

        Raises:
            Problem: 403.
        """
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied as error:
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "csrf_failed",
                "With a session, every change needs the CSRF token of that session in the header X-CSRFToken. "
                "Programs use an API key instead, which needs none.",
            ) from error


@dataclass(frozen=True, slots=True)
class KeyCredential:
    """An API key: reaches its own organization, as itself."""

    record: KeyRecord
    user: None = None

    @property
    def organization_id(self) -> UUID | None:
        """Return the key's organization."""
        return self.record.organization_id

    @property
    def limit_key(self) -> str:
        """Return what requests are counted by: the key, whichever of its secrets."""
        return f"key:{self.record.key_id}"

    def actor_outside(self) -> Actor:
        """Return the key, without any authority."""
        return Actor(ActorKind.API_KEY, self.record.key_id, self.record.label)

    def actor_in(self, organization_id: UUID) -> Actor:
        """Return the key with its authority in the organization whose scope is open.

        Raises:
            AuthenticationFailed: its owner is no active member, or an inactive service account.
            Problem: 403, the organization's sign-in policy does not let it in.
        """
        try:
            actor = key_actor(self.record, organization_id)
        except KeyRefused as refused:
            raise _not_accepted(refused.code) from refused
        owner = getattr(actor.authority, "owner", None)
        if owner is not None and not owner.organization_roles:
            raise _not_accepted("inactive_owner")
        return actor


class KeyAuthentication(authentication.BaseAuthentication):
    """Recognizes an API key: ``Bearer <secret>`` (RFC 6750), or Basic with public id and secret (RFC 7617)."""

    def authenticate(self, request: Any) -> tuple[AnonymousUser, KeyCredential] | None:
        """Return (nobody, credential), or None without an ``Authorization`` header.

        Raises:
            AuthenticationFailed: the header is malformed, or the key is not accepted.
            Problem: 403, the key is right but may not be used from here or for this.
        """
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        secret, public_id = _presented(header)
        try:
            record = authenticate_key(secret=secret, public_id=public_id, ip=current_origin().ip)
        except KeyRefused as refused:
            raise _not_accepted(refused.code) from refused
        if record.is_platform:
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "platform_key",
                "A platform key verifies other keys by introspection and opens nothing else. Use a key of an "
                "organization here.",
            )
        return AnonymousUser(), KeyCredential(record)

    def authenticate_header(self, request: Any) -> str:
        """Return the challenge of a 401."""
        return 'Bearer realm="Gatehouse"'


def _presented(header: str) -> tuple[str, str | None]:
    """Return (secret, public id or None) from an ``Authorization`` header.

    Raises:
        AuthenticationFailed: it is neither Bearer nor Basic.
    """
    scheme, _, value = header.partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value, None
    if scheme.lower() == "basic":
        with suppress(ValueError):  # neither base64 nor ASCII
            public_id, colon, secret = base64.b64decode(value, validate=True).decode("ascii").partition(":")
            if colon:
                return secret, public_id
    raise exceptions.AuthenticationFailed(
        "Send an API key as “Authorization: Bearer gatesk_…”, or as Basic with its public id and secret."
    )


def _not_accepted(code: str) -> Exception:
    if code == Refusal.NETWORK:
        return Problem(
            HTTPStatus.FORBIDDEN,
            "address_not_allowed",
            f"This key is not accepted from {current_origin().ip}. Its allowed networks decide from where, and for "
            "somebody's own key also those of the organization's sign-in policy.",
        )
    if code == Refusal.SSO_REQUIRED:
        return Problem(
            HTTPStatus.FORBIDDEN,
            "sso_required",
            "This organization requires single sign-on. Sign in through its identity provider once; then your own keys "
            "work again.",
        )
    if code == Refusal.SUSPENDED:
        return Problem(
            HTTPStatus.FORBIDDEN,
            "organization_suspended",
            "An operator of this installation has suspended the organization. Its owners can read why.",
        )
    return exceptions.AuthenticationFailed(
        "This API key is not accepted: it may be mistyped, revoked or expired. Look it up in the console."
    )
