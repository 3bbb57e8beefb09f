"""Who acts: a frozen identity plus the authority that answers what it may do."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from .exceptions import FreshSignInNeeded, MissingPermission
from .signals import access_denied

FRESH_FOR = timedelta(hours=2)
"""How long a person who has shown who they are may do what asks for a fresh sign-in."""


class ActorKind(StrEnum):
    """Every kind of actor that an audit event can name."""

    ANONYMOUS = "anonymous"
    API_KEY = "api_key"
    IDENTITY_PROVIDER = "identity_provider"
    OPERATOR = "operator"
    SCIM_CONNECTION = "scim_connection"
    SERVICE_ACCOUNT = "service_account"
    SYSTEM = "system"
    USER = "user"


class Authority(Protocol):
    """Answers permission questions; `tenants.access` implements it from the membership tables."""

    def allows(self, permission: str, obj: Any) -> bool:
        """Return whether the permission is held on `obj` (None: the current organization)."""

    def allows_somewhere(self, permission: str) -> bool:
        """Return whether the permission is held in the organization or in at least one of its projects."""

    def allows_everywhere(self, permission: str) -> bool:
        """Return whether the permission is held in the organization and in each of its projects."""

    def projects_where(self, permission: str, *, column: str = "pk") -> Q:
        """Return the condition on rows whose project, named by `column`, is one in which the permission is held."""


class NoAuthority:
    """Allows nothing: the authority of whoever has not been recognized."""

    def allows(self, permission: str, obj: Any) -> bool:
        """Return False, whatever is asked."""
        return False

    def allows_somewhere(self, permission: str) -> bool:
        """Return False, whatever is asked."""
        return False

    def allows_everywhere(self, permission: str) -> bool:
        """Return False, whatever is asked."""
        return False

    def projects_where(self, permission: str, *, column: str = "pk") -> Q:
        """Return a condition that no row meets."""
        return Q(pk__in=())


class FullAuthority:
    """Allows everything: tasks and commands of the installation itself."""

    def allows(self, permission: str, obj: Any) -> bool:
        """Return True, whatever is asked."""
        return True

    def allows_somewhere(self, permission: str) -> bool:
        """Return True, whatever is asked."""
        return True

    def allows_everywhere(self, permission: str) -> bool:
        """Return True, whatever is asked."""
        return True

    def projects_where(self, permission: str, *, column: str = "pk") -> Q:
        """Return a condition that every row meets."""
        return Q()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking, for one request, task or command.

    Attributes:
        kind: what sort of actor.
        id: the user's, key's or account's id; None for the system and anonymous callers.
        label: the text that audit events freeze (an e-mail address, a key's public id).
        organization_id: the organization whose authority was loaded, or None.
        authority: answers `can`; nothing is allowed without one.
        proved_at: when the person behind a session showed last who they are; None without a session.
        sensitive: the permissions that take a fresh sign-in to use.
    """

    kind: ActorKind
    id: UUID | None
    label: str
    organization_id: UUID | None = None
    authority: Authority = field(default_factory=NoAuthority, compare=False, repr=False)
    proved_at: datetime | None = field(default=None, compare=False)
    sensitive: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    @property
    def runs_installation(self) -> bool:
        """Return whether this is an operator or the system, whose reach is not one organization."""
        return self.kind in {ActorKind.OPERATOR, ActorKind.SYSTEM}

    def can(self, permission: str, obj: Any = None) -> bool:
        """Return whether this actor holds the permission on `obj`.

        Args:
            permission: a name of the catalogue (``resource:action``).
            obj: an organization, a project, or a row that belongs to one; None means the current organization.

        Raises:
            UnknownPermission: the catalogue has no such name.
        """
        return self.authority.allows(permission, obj)

    def require(self, permission: str, obj: Any = None) -> None:
        """Refuse unless `can(permission, obj)`; the refusal becomes a "denied" audit event.

        Raises:
            MissingPermission: the actor lacks it.
            FreshSignInNeeded: it is one that asks for a fresh sign-in.
            UnknownPermission: the catalogue has no such name.
        """
        if not self.can(permission, obj):
            access_denied.send(sender=type(self), actor=self, permission=str(permission), obj=obj)
            raise MissingPermission(str(permission), obj)
        if permission in self.sensitive:
            self.require_fresh_sign_in()

    def require_fresh_sign_in(self, *, within: timedelta = FRESH_FOR) -> None:
        """Refuse a session whose person showed long ago who they are: it may be in other hands by now.

        Raises:
            FreshSignInNeeded: it was longer ago than `within`. Actors without a session are never refused.
        """
        if self.proved_at is not None and timezone.now() - self.proved_at > within:
            raise FreshSignInNeeded


ANONYMOUS = Actor(kind=ActorKind.ANONYMOUS, id=None, label="Anonymous")
SYSTEM = Actor(kind=ActorKind.SYSTEM, id=None, label="Gatehouse", authority=FullAuthority())
