"""What an actor may do in an organization: loaded by one statement, answered from memory, explained in words."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import Q

from isolation import context
from isolation.actor import Actor, ActorKind, Authority
from isolation.scope import APP, tenant_scope

from .models.organization import Organization
from .models.project import Project
from .models.role import role_permissions
from .permissions import SUPPORT, P, known


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


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why somebody may or may not do something.

    Attributes:
        allowed: the answer, the same as `actor.can`.
        permission: what was asked.
        reasons: sentences, the deciding ones only.
    """

    allowed: bool
    permission: P
    reasons: tuple[str, ...]


def place_of(obj: Any) -> tuple[UUID | None, UUID | None]:
    """Return (organization id, project id) of what a permission is asked on; (None, None) for None.

    Raises:
        TypeError: the object belongs to no organization, so nobody can hold an organization's permission on it.
    """
    if obj is None:
        return None, None
    if isinstance(obj, Organization):
        return obj.pk, None
    if isinstance(obj, Project):
        return obj.organization_id, obj.pk
    if not hasattr(obj, "organization_id"):
        raise TypeError(f"{type(obj).__name__} belongs to no organization")
    if not getattr(obj, "lives_in_project", True):
        return obj.organization_id, None
    return obj.organization_id, getattr(obj, "project_id", None)


def load_authority(user_id: UUID, organization_id: UUID) -> MemberAuthority:
    """Return what a user may do in the organization whose `tenant_scope` is open, by one SQL statement.

    An inactive membership, an inactive user and a stranger get an authority that allows nothing.
    """
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT * FROM tenants_authority(%s, %s)", [organization_id, user_id])
        return _assemble(organization_id, cursor.fetchall())


def user_actor(user: Any, organization_id: UUID) -> Actor:
    """Return the actor for a person in the organization whose `tenant_scope` is open.

    Args:
        user: an accounts.User.
        organization_id: that organization.
    """
    return Actor(
        kind=ActorKind.USER,
        id=user.pk,
        label=user.email,
        organization_id=organization_id,
        authority=load_authority(user.pk, organization_id),
    )


def support_actor(user: Any, organization_id: UUID) -> Actor:
    """Return the actor for an operator who entered an organization with a reason: sees, changes nothing."""
    support = RoleGrant(GrantSource.SUPPORT, "Operator support", SUPPORT)
    authority = MemberAuthority(organization_id, organization_roles=(support,))
    return Actor(ActorKind.OPERATOR, user.pk, user.email, organization_id, authority)


def authority_for(user: Any, organization_id: UUID) -> Authority:
    """Return a user's authority in an organization, the loaded one when that user is the current actor there."""
    actor = context.current_actor()
    if actor.kind is ActorKind.USER and actor.id == user.pk and actor.organization_id == organization_id:
        return actor.authority
    with tenant_scope(organization_id):
        return load_authority(user.pk, organization_id)


def explain(actor: Actor, permission: str, obj: Any = None) -> Explanation:
    """Say why `actor` may or may not do something; always the same answer as `actor.can`.

    Args:
        actor: an actor whose authority was loaded from the membership tables.
        permission: a catalogue name.
        obj: as for `actor.can`.

    Raises:
        UnknownPermission: the catalogue has no such name.
    """
    (name,) = known([permission])
    allowed = actor.can(name, obj)
    authority = actor.authority
    if not isinstance(authority, MemberAuthority):
        return Explanation(
            allowed,
            name,
            (f"{actor.label} acts with the authority of the installation itself.",),
        )
    organization_id, project_id = place_of(obj)
    if organization_id not in {None, authority.organization_id}:
        return Explanation(allowed, name, (f"{actor.label} asks about another organization.",))
    return Explanation(allowed, name, tuple(_reasons(authority, name, project_id)))


def _reasons(authority: MemberAuthority, permission: P, project_id: UUID | None) -> Iterable[str]:
    exception = authority.exceptions.get(project_id, {}).get(permission) if project_id else None
    if exception is not None:
        yield f"An exception grants it in this project{f' to the group {exception}' if exception else ''}."
    roles = authority.roles_in(project_id)
    where = "in this project" if project_id and project_id in authority.project_roles else "in the organization"
    if not roles:
        yield "No active membership gives any role here."
    for role in roles:
        verb = "allows" if permission in role.permissions else "does not allow"
        yield f"The role {role} {where} {verb} it."
    if project_id and project_id in authority.project_roles:
        yield "A role in the project replaces the role in the organization."


def _assemble(organization_id: UUID, rows: Iterable[tuple[Any, ...]]) -> MemberAuthority:
    organization_roles: list[RoleGrant] = []
    own: dict[UUID, list[RoleGrant]] = {}
    through_groups: dict[UUID, list[RoleGrant]] = {}
    exceptions: dict[UUID, dict[P, str]] = {}
    for source, project_id, role, key, is_builtin, custom, group in rows:
        match GrantSource(source):
            case GrantSource.USER_EXCEPTION | GrantSource.GROUP_EXCEPTION:
                if key in P.__members__.values():
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
