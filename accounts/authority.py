"""What keys and identity providers may do: a key its scopes, cut down to what its owner may do now (no models)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q

from tenants.authority import MemberAuthority, place_of
from tenants.permissions import P, known


@dataclass(frozen=True, slots=True)
class ConnectionAuthority:
    """The authority of an identity provider: everything in its own organization, as far as its door reaches.

    The door, `accounts.scim`, has verbs for people and groups only. Deactivating an administrator takes as much as one
    has, so that a list of permissions would either be complete or leave leavers in place.

    Attributes:
        organization_id: the organization this holds in; nothing is allowed elsewhere.
    """

    organization_id: UUID

    def allows(self, permission: str, obj: Any) -> bool:
        """Return whether `obj` is of the organization (None: the organization itself).

        Raises:
            UnknownPermission: the catalogue has no such name.
        """
        known([permission])
        organization_id, _ = place_of(obj)
        return organization_id in {None, self.organization_id}

    def allows_somewhere(self, permission: str) -> bool:
        """Return True for every permission of the catalogue."""
        return bool(known([permission]))

    def allows_everywhere(self, permission: str) -> bool:
        """Return True for every permission of the catalogue."""
        return bool(known([permission]))

    def projects_where(self, permission: str, *, column: str = "pk") -> Q:
        """Return the condition that every row of the organization meets."""
        return Q()


@dataclass(frozen=True, slots=True)
class SetupAuthority:
    """The authority of whoever holds a set-up link: ``sso:manage``, for the one connection that is made by it.

    Attributes:
        organization_id: the organization this holds in; nothing is allowed elsewhere.
        connection_id: the only row on which something is allowed.
        is_made: whether the connection is there; until then it may be created in the organization.
    """

    organization_id: UUID
    connection_id: UUID
    is_made: bool

    def allows(self, permission: str, obj: Any) -> bool:
        """Return whether `obj` is the connection, or the organization in which it is still to be made.

        Raises:
            UnknownPermission: the catalogue has no such name.
        """
        (name,) = known([permission])
        if name != P.SSO_MANAGE or obj is None or place_of(obj)[0] != self.organization_id:
            return False
        return bool(obj.pk == (self.connection_id if self.is_made else self.organization_id))

    def allows_somewhere(self, permission: str) -> bool:
        """Return False: a connection is neither the organization nor a project."""
        return False

    def allows_everywhere(self, permission: str) -> bool:
        """Return False: a connection is neither the organization nor a project."""
        return False

    def projects_where(self, permission: str, *, column: str = "pk") -> Q:
        """Return a condition that no row meets."""
        return Q(pk__in=())


@dataclass(frozen=True, slots=True)
class KeyAuthority:
    """The authority of an API key.

    Attributes:
        organization_id: the organization this holds in; nothing is allowed elsewhere.
        scopes: what the key was given.
        project_id: the only project of a project key; None for the others.
        owner: what the owner of a personal or service-account key may do now; None for keys without an owner.
    """

    organization_id: UUID
    scopes: frozenset[P]
    project_id: UUID | None = None
    owner: MemberAuthority | None = None

    def allows(self, permission: str, obj: Any) -> bool:
        """Return whether the permission is held on `obj` (None: the organization).

        Raises:
            UnknownPermission: the catalogue has no such name.
        """
        (name,) = known([permission])
        organization_id, project_id = place_of(obj)
        if organization_id is not None and organization_id != self.organization_id:
            return False
        return name in self.permissions_in(project_id)

    def permissions_in(self, project_id: UUID | None = None) -> frozenset[P]:
        """Return everything allowed in a project, or in the organization as a whole."""
        if self.project_id is not None and project_id != self.project_id:
            return frozenset()
        return self.scopes if self.owner is None else self.scopes & self.owner.permissions_in(project_id)

    def allows_somewhere(self, permission: str) -> bool:
        """Return whether the permission is held in the organization or in at least one project."""
        (name,) = known([permission])
        return name in self.scopes and (self.owner is None or self.owner.allows_somewhere(name))

    def allows_everywhere(self, permission: str) -> bool:
        """Return whether the permission is held in the organization and in each of its projects."""
        (name,) = known([permission])
        if self.project_id is not None or name not in self.scopes:
            return False
        return self.owner is None or self.owner.allows_everywhere(name)

    def projects_where(self, permission: str, *, column: str = "pk") -> Q:
        """Return the condition on rows whose project is one in which `permission` is held.

        Args:
            permission: a project permission.
            column: the column with the project's id; rows without a project belong to the organization as a whole.
        """
        if permission not in self.scopes:
            return Q(pk__in=())
        if self.project_id is not None:
            return Q(**{column: self.project_id})
        return Q() if self.owner is None else self.owner.projects_where(permission, column=column)

    def reasons(self, permission: P, project_id: UUID | None) -> Iterator[str]:
        """Yield the sentences that say why `permission` is or is not held there."""
        yield f"The key's scopes {'include' if permission in self.scopes else 'do not include'} it."
        if self.project_id is not None and project_id != self.project_id:
            yield "The key counts in its own project only."
        if self.owner is not None and permission in self.scopes:
            yield from self.owner.reasons(permission, project_id)
