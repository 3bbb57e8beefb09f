"""What a member of an organization may do, as data: without models, so that the gateway's process can use it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import Q

from .permissions import PERMISSIONS, P, known, role_permissions


class GrantSource(StrEnum):
    """The ways in which permissions reach somebody."""

    MEMBERSHIP = "membership"
    GROUP = "group"
    PROJECT_MEMBERSHIP = "project_membership"
    PROJECT_GROUP = "project_group"
    USER_EXCEPTION = "user_exception"
    GROUP_EXCEPTION = "group_exception"
    SUPPORT = "support"


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role that somebody has, and where it comes from.

    Attributes:
        source: how it reaches them.
        role: the role's name.
        permissions: what it allows.
        group: the name of the group that carries it, or "".
    """

    source: GrantSource
    role: str
    permissions: frozenset[P]
    group: str = ""

    def __str__(self) -> str:
        through = f" through the group {self.group}" if self.group else ""
        return f"{self.role}{through}"


@dataclass(frozen=True, slots=True)
class MemberAuthority:
    """What a member of one organization may do there.

    In a project, a role of the member's own replaces everything else; failing that, those of groups in that project;
    failing that, the organization role together with the groups' organization roles. Exceptions add to the result.

    Attributes:
        organization_id: the organization this holds in; nothing is allowed elsewhere.
        organization_roles: the roles that count in the organization as a whole.
        project_roles: for each project with roles of its own, the ones that replace the organization roles there.
        exceptions: for each project, the permissions granted one by one, with the group's name or "".
    """

    organization_id: UUID
    organization_roles: tuple[RoleGrant, ...] = ()
    project_roles: dict[UUID, tuple[RoleGrant, ...]] = field(default_factory=dict)
    exceptions: dict[UUID, dict[P, str]] = field(default_factory=dict)

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
        roles = self.roles_in(project_id)
        allowed = frozenset[P]().union(*(role.permissions for role in roles))
        return allowed | self.exceptions.get(project_id, {}).keys() if project_id else allowed

    def roles_in(self, project_id: UUID | None = None) -> tuple[RoleGrant, ...]:
        """Return the roles that decide in a project, or in the organization as a whole."""
        if project_id is not None and project_id in self.project_roles:
            return self.project_roles[project_id]
        return self.organization_roles

    def allows_somewhere(self, permission: str) -> bool:
        """Return whether the permission is held in the organization or in at least one project."""
        (name,) = known([permission])
        decided = self.project_roles.keys() | self.exceptions.keys()
        return any(name in self.permissions_in(place) for place in (None, *decided))

    def allows_everywhere(self, permission: str) -> bool:
        """Return whether the permission is held in the organization and in each of its projects."""
        (name,) = known([permission])
        return all(name in self.permissions_in(place) for place in (None, *self.project_roles))

    def projects_where(self, permission: str, *, column: str = "pk") -> Q:
        """Return the condition on rows whose project is one in which `permission` is held.

        Args:
            permission: a project permission.
            column: the column with the project's id; rows without a project belong to the organization as a whole.
        """
        replaced = self.project_roles.keys() | self.exceptions.keys()
        granted = {project_id for project_id in replaced if permission in self.permissions_in(project_id)}
        if permission in self.permissions_in():
            return ~Q(**{f"{column}__in": replaced - granted}) if replaced - granted else Q()
        return Q(**{f"{column}__in": granted})

    def reasons(self, permission: P, project_id: UUID | None) -> Iterator[str]:
        """Yield the sentences that say why `permission` is or is not held there."""
        exception = self.exceptions.get(project_id, {}).get(permission) if project_id else None
        if exception is not None:
            yield f"An exception grants it in this project{f' to the group {exception}' if exception else ''}."
        roles = self.roles_in(project_id)
        where = "in this project" if project_id and project_id in self.project_roles else "in the organization"
        if not roles:
            yield "No active membership gives any role here."
        for role in roles:
            verb = "allows" if permission in role.permissions else "does not allow"
            yield f"The role {role} {where} {verb} it."
        if project_id and project_id in self.project_roles:
            yield "A role in the project replaces the role in the organization."


def place_of(obj: Any) -> tuple[UUID | None, UUID | None]:
    """Return (organization id, project id) of what a permission is asked on; (None, None) for None.

    Raises:
        TypeError: the object belongs to no organization, so nobody can hold an organization's permission on it.
    """
    if obj is None:
        return None, None
    place: tuple[UUID | None, UUID | None] | None = getattr(obj, "place", None)
    if place is not None:
        return place
    if not hasattr(obj, "organization_id"):
        raise TypeError(f"{type(obj).__name__} belongs to no organization")
    if not getattr(obj, "lives_in_project", True):
        return obj.organization_id, None
    return obj.organization_id, getattr(obj, "project_id", None)


def assemble(organization_id: UUID, rows: Iterable[tuple[Any, ...]]) -> MemberAuthority:
    """Return the authority that the rows of an authority function make.

    Args:
        organization_id: whose.
        rows: (source, project id, role, role key, built in, custom permissions, group), as `tenants_authority` and
            `accounts_service_account_authority` return them.
    """
    organization_roles: list[RoleGrant] = []
    own: dict[UUID, list[RoleGrant]] = {}
    through_groups: dict[UUID, list[RoleGrant]] = {}
    exceptions: dict[UUID, dict[P, str]] = {}
    for source, project_id, role, key, is_builtin, custom, group in rows:
        match GrantSource(source):
            case GrantSource.USER_EXCEPTION | GrantSource.GROUP_EXCEPTION:
                if key in PERMISSIONS:
                    exceptions.setdefault(project_id, {}).setdefault(P(key), group)
            case grant_source:
                grant = RoleGrant(
                    grant_source, role, role_permissions(key, is_builtin=is_builtin, custom=custom), group
                )
                if grant_source is GrantSource.PROJECT_MEMBERSHIP:
                    own.setdefault(project_id, []).append(grant)
                elif grant_source is GrantSource.PROJECT_GROUP:
                    through_groups.setdefault(project_id, []).append(grant)
                else:
                    organization_roles.append(grant)
    decided = {project_id: tuple(grants) for project_id, grants in {**through_groups, **own}.items()}
    return MemberAuthority(organization_id, tuple(organization_roles), decided, exceptions)
