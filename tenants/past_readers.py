"""Which members could read an event when it happened; what the log cannot tell is said, not guessed."""

from collections import defaultdict
from collections.abc import Sequence
from functools import reduce
from typing import Any
from uuid import UUID

from audit.models import Event
from audit.past_readers import PastSource, doubt_about, sources
from audit.readers import MOST, Reader, Readers
from audit.rewind import Key, Past, Row, rewound

from .authority import GrantSource, MemberAuthority, assemble
from .models import Organization, Project
from .past_rows import (
    GROUP,
    GROUP_GRANT,
    GROUP_ROLE,
    LOGIN,
    MEMBER,
    PLACE,
    PROJECT_ROLE,
    ROLE,
    SHAPES,
    TABLES,
    USER_GRANT,
    own_rows,
    shared_rows,
)
from .permissions import P, role_permissions

_IN_A_PROJECT = frozenset({PROJECT_ROLE, GROUP_ROLE, USER_GRANT, GROUP_GRANT})
_MOVES = frozenset({"project.purged", "project.transferred_away", "project.transferred_here"})
_ACTIONS = _MOVES | {
    "role.created",
    "role.updated",
    "role.deleted",
    "member.added",
    "member.role_changed",
    "member.deactivated",
    "member.reactivated",
    "member.removed",
    "member.left",
    "project_role.set",
    "project_role.removed",
    "group.created",
    "group.updated",
    "group.deleted",
    "group.member_added",
    "group.member_removed",
    "group.role_set",
    "group.role_removed",
    "exception.granted",
    "exception.revoked",
    "user.deactivated",
    "user.reactivated",
}


def people_who_could(event: Event, permission: str, changes: Sequence[Event]) -> Readers:
    """Return the members who held a permission where and when an event happened (eleven statements).

    Args:
        event: where and when.
        permission: which.
        changes: what changed since, of `_ACTIONS`, newest first.
    """
    organization_id, project_id, name = event.organization_id, event.project_id, P(permission)
    if organization_id is None or not Organization.objects.filter(pk=organization_id).exists():
        return Readers((), doubts=("The organization was deleted since: who could read its log is not known.",))
    if project_id and _is_moved(organization_id, project_id, changes):
        doubt = "The project was deleted or moved since: whom its roles, exceptions and keys let read is not known."
        return Readers((), doubts=(doubt,))
    relevant = [
        change
        for change in changes
        if change.action not in _MOVES
        and (change.target_type not in _IN_A_PROJECT or change.project_id in {None, project_id})
    ]
    shared = shared_rows(organization_id, project_id, name, relevant)
    able_roles, able_groups = _able(rewound(shared, relevant, SHAPES), name)
    today = reduce(_renamed_since, reversed(relevant), able_groups)
    own, more = own_rows(organization_id, project_id, (able_roles, today), relevant)
    now = shared | own
    found = readers_in(rewound(now, relevant, SHAPES), now, (organization_id, project_id), name)
    return Readers(found.named[:MOST], more or len(found.named) > MOST, found.doubts)


def readers_in(past: Past, now: dict[Key, Row], place: tuple[UUID, UUID | None], permission: P) -> Readers:
    """Return the members who hold a permission by rows of the past.

    Args:
        past: the rows at the time.
        now: today's, by which those who have left and groups that are gone are told.
        place: organization, and project or None.
        permission: which.
    """
    organization_id, project_id = place
    gone = sorted(row["name"] for pk, row in past.of(GROUP).items() if (GROUP, pk) not in now)
    able_groups = _able(past, permission)[1]
    closed = {row["email"] for row in past.of(LOGIN).values() if not row["is_active"]}
    grants = _grants(past)
    named, unsure, left = [], [], False
    for pk, row in past.of(MEMBER).items():
        label = row["user"]
        if not row["is_active"] or label in closed:
            continue
        authority = assemble(organization_id, grants[label])
        allowed = permission in authority.permissions_in(project_id)
        why = _why(authority, permission, project_id)
        if (MEMBER, pk) in now:
            if allowed and gone and not _is_settled(authority, permission, project_id, left=False):
                why += ", unless a group that was deleted since had another role in this project"
            if allowed:
                named.append(Reader(label, "person", why))
        elif allowed and _is_settled(authority, permission, project_id, left=True):
            named.append(Reader(label, "person", f"{why}, left since"))
            left = True
        elif allowed or project_id or able_groups or gone:
            unsure.append(label)
    doubts = [
        doubt_about(
            "These people left since, and their groups, roles in projects and exceptions are not known", unsure
        ),
        "Whether the login of somebody who left since was closed then is not known." if left else "",
        doubt_about("These groups were deleted since; whom they let read is not known", gone),
        doubt_about("Not known any more is what these said", [*past.unknown.values(), *_dangling(past)]),
    ]
    ordered = sorted(named, key=lambda reader: reader.label)
    return Readers(tuple(ordered), doubts=tuple(doubt for doubt in doubts if doubt))


def _is_settled(authority: MemberAuthority, permission: P, project_id: UUID | None, *, left: bool) -> bool:
    """Return whether what is not known could take nothing away from somebody who may by what is known.

    Args:
        authority: what is known.
        permission: which.
        project_id: where; None: the organization, where everything only adds.
        left: whether a role of their own in the project may be missing, and not only groups' roles.
    """
    if project_id is None or permission in authority.exceptions.get(project_id, {}):
        return True
    deciding = {grant.source for grant in authority.project_roles.get(project_id, ())}
    return GrantSource.PROJECT_MEMBERSHIP in deciding or (bool(deciding) and not left)


def _grants(past: Past) -> dict[str, list[tuple[Any, ...]]]:
    """Return for each member, by address, the rows that `tenants_authority` would have returned."""
    roles = {row["name"]: row for row in past.of(ROLE).values()}

    def of_role(source: GrantSource, row: Row, group: str = "") -> list[tuple[Any, ...]]:
        role = roles.get(row["role"])
        if role is None:
            return []
        custom = role.get("custom_permissions")
        return [(source, _project_of(row), role["name"], role["key"], role["is_builtin"], custom, group)]

    def of_exception(source: GrantSource, row: Row, group: str = "") -> tuple[Any, ...]:
        return source, _project_of(row), None, row["permission"], None, None, group

    held: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    by_group: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in past.of(MEMBER).values():
        held[row["user"]] += of_role(GrantSource.MEMBERSHIP, row)
    for row in past.of(PROJECT_ROLE).values():
        held[row["membership"]] += of_role(GrantSource.PROJECT_MEMBERSHIP, row)
    for row in past.of(USER_GRANT).values():
        held[row["holder"]].append(of_exception(GrantSource.USER_EXCEPTION, row))
    for row in past.of(GROUP_ROLE).values():
        source = GrantSource.PROJECT_GROUP if "project_id" in row else GrantSource.GROUP
        by_group[row["group"]] += of_role(source, row, row["group"])
    for row in past.of(GROUP_GRANT).values():
        by_group[row["holder"]].append(of_exception(GrantSource.GROUP_EXCEPTION, row, row["holder"]))
    for row in past.of(PLACE).values():
        held[row["membership"]] += by_group[row["group"]]
    return held


def _project_of(row: Row) -> UUID | None:
    return UUID(row["project_id"]) if "project_id" in row else None


def _able(past: Past, permission: P) -> tuple[set[str], set[str]]:
    """Return the ids of the roles, and the names of the groups, by which somebody may have held a permission."""
    able = {
        pk: row["name"]
        for pk, row in past.of(ROLE).items()
        if permission
        in role_permissions(row["key"], is_builtin=row["is_builtin"], custom=row.get("custom_permissions"))
    }
    names = set(able.values())
    groups = {row["group"] for row in past.of(GROUP_ROLE).values() if row["role"] in names}
    granted = {row["holder"] for row in past.of(GROUP_GRANT).values() if row["permission"] == permission}
    return set(able), groups | granted


def _dangling(past: Past) -> list[str]:
    """Return the names that rows hold of rows that nothing tells of, such as an address that was changed since."""
    roles = {row["name"] for row in past.of(ROLE).values()}
    members = {row["user"] for row in past.of(MEMBER).values()}
    lost = {row["role"] for kind in (MEMBER, PROJECT_ROLE, GROUP_ROLE) for row in past.of(kind).values()} - roles
    lost |= {row["membership"] for kind in (PLACE, PROJECT_ROLE) for row in past.of(kind).values()} - members
    return sorted(lost | {row["holder"] for row in past.of(USER_GRANT).values()} - members)


def _why(authority: MemberAuthority, permission: P, project_id: UUID | None) -> str:
    roles = [str(role) for role in authority.roles_in(project_id) if permission in role.permissions]
    return f"role {', '.join(roles)}" if roles else "an exception in this project"


def _is_moved(organization_id: UUID, project_id: UUID, changes: Sequence[Event]) -> bool:
    moved = any(change.action in _MOVES and change.target_id == str(project_id) for change in changes)
    return moved or not Project.objects.for_organization(organization_id).filter(pk=project_id).exists()


def _renamed_since(names: set[str], change: Event) -> set[str]:
    """Return the names of groups after a change."""
    old, new = change.before.get("name"), change.after.get("name")
    if change.target_type != GROUP or old is None or new is None or old not in names:
        return names
    return names - {old} | {new}


sources.append(PastSource(_ACTIONS, TABLES, people_who_could))
