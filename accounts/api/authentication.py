"""How the API recognizes who asks."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import authentication, exceptions

from accounts.models import User
from accounts.services.users import person
from api.problems import Problem
from isolation.actor import Actor
from tenants.access import user_actor


@dataclass(frozen=True, slots=True)
class SessionCredential:
    """A session of the console: reaches every organization of its person, as that person.

    An operator's visits end at the console's door: here an operator is a person like any other.
    """

    user: User
    organization_id: None = None

    @property
    def limit_key(self) -> str:
        """Return what requests are counted by: the person, in however many browsers."""
        return f"user:{self.user.pk}"

    def actor_outside(self) -> Actor:
        """Return the person, without any authority."""
        return person(self.user)

    def actor_in(self, organization_id: UUID) -> Actor:
        """Return the person with their authority in the organization whose scope is open."""
        return user_actor(self.user, organization_id)


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
        return user, SessionCredential(user)

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
