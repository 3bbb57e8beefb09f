"""Who would gain or lose what when a group gives another role: worked out on authorities, before anything is saved."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import connections

from isolation.scope import APP

from .authority import GrantSource, MemberAuthority, RoleGrant, assemble
from .permissions import P

MOST_READ = 2_000
"""Members of a group whose authorities are read for one preview."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """A role that a group would give.

    Attributes:
        group: the group's name.
        role: the role's name.
        permissions: what it allows.
        project_id: where it would count; None: in the organization.
    """

    group: str
    role: str
    permissions: frozenset[P]
    project_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What a mapping would change for one member in one place.

    Attributes:
        person: the member's address.
        project_id: the place; None: the organization.
        before, after: the roles that decide there, in words.
        gained, lost: the permissions that come and go.
    """

    person: str
    project_id: UUID | None
    before: tuple[str, ...]
    after: tuple[str, ...]
    gained: frozenset[P]
    lost: frozenset[P]


def with_mapping(authority: MemberAuthority, mapping: Mapping) -> MemberAuthority:
    """Return what a member of the group may do once it gives the role; one that it gave in that place is replaced."""
    if mapping.project_id is None:
        grant = RoleGrant(GrantSource.GROUP, mapping.role, mapping.permissions, mapping.group)
        return replace(authority, organization_roles=_put(authority.organization_roles, grant))
    there = authority.project_roles.get(mapping.project_id, ())
    if any(grant.source is GrantSource.PROJECT_MEMBERSHIP for grant in there):
        return authority
    grant = RoleGrant(GrantSource.PROJECT_GROUP, mapping.role, mapping.permissions, mapping.group)
    return replace(authority, project_roles={**authority.project_roles, mapping.project_id: _put(there, grant)})


def effects(members: Iterable[tuple[str, MemberAuthority]], mappings: Sequence[Mapping]) -> list[Effect]:
    """Return what would change for whom, a line for each place in which permissions come or go.

    Args:
        members: address and present authority of each active member of the group.
        mappings: what the group would give.
    """
    places = list(dict.fromkeys(mapping.project_id for mapping in mappings))
    found = []
    for person, before in members:
        after = before
        for mapping in mappings:
            after = with_mapping(after, mapping)
        for place in places:
            had, has = before.permissions_in(place), after.permissions_in(place)
            if had != has:
                roles = tuple(map(str, before.roles_in(place))), tuple(map(str, after.roles_in(place)))
                found.append(Effect(person, place, *roles, gained=has - had, lost=had - has))
    return found


def authorities_of_group(group: Any) -> tuple[list[tuple[str, MemberAuthority]], bool]:
    """Return the active members of a group with what each may do now, and whether there are more; one statement.

    Args:
        group: a group of the organization whose `tenant_scope` is open.
    """
    with connections[APP].cursor() as cursor:
        cursor.execute(_MEMBERS, [group.organization_id, group.pk, MOST_READ + 1, group.organization_id])
        rows: dict[str, list[tuple[Any, ...]]] = {}
        for email, *row in cursor.fetchall():
            rows.setdefault(email, []).append(tuple(row))
    found = [(email, assemble(group.organization_id, authority)) for email, authority in rows.items()]
    return found[:MOST_READ], len(found) > MOST_READ


def _put(grants: tuple[RoleGrant, ...], new: RoleGrant) -> tuple[RoleGrant, ...]:
    return (*(grant for grant in grants if (grant.source, grant.group) != (new.source, new.group)), new)


_MEMBERS = """
    SELECT person.email, authority.*
    FROM (
        SELECT u.id, u.email
        FROM tenants_groupmember gm
        JOIN tenants_membership m ON m.organization_id = gm.organization_id AND m.id = gm.membership_id
        JOIN accounts_user u ON u.id = m.user_id
        WHERE gm.organization_id = %s AND gm.group_id = %s AND m.is_active AND u.is_active
        ORDER BY u.email LIMIT %s
    ) person
    CROSS JOIN LATERAL tenants_authority(%s, person.id) authority
    ORDER BY person.email
"""
