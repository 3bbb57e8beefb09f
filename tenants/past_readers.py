"""Which members could read an event when it happened; what the log cannot tell is said, not guessed."""

from collections import defaultdict
from collections.abc import Sequence
from functools import reduce
from typing import Any
from uuid import UUID

from django.db.models import Q

from audit.models import Event
from audit.past_readers import PastSource, sources, targets
from audit.readers import MOST, Reader, Readers
from audit.redaction import snapshot
from audit.rewind import Key, Past, Row, Shape, as_row, rewound

from .authority import GrantSource, MemberAuthority, assemble
from .models import (
    Group,
    GroupMember,
    GroupRole,
    Membership,
    Project,
    ProjectGroupGrant,
    ProjectMembership,
    ProjectUserGrant,
    Role,
)
from .permissions import P, role_permissions

MEMBER, ROLE, GROUP, PLACE = "member", "role", "group", "group member"
GROUP_ROLE, PROJECT_ROLE, USER_GRANT, GROUP_GRANT = (
    "group role",
    "project role",
    "exception for a user",
    "exception for a group",
)
LOGIN = "user"
_EXCEPTION = frozenset({"holder", "permission", "project_id"})
SHAPES = {
    LOGIN: Shape(frozenset({"email", "is_active"})),
    ROLE: Shape(frozenset({"name", "key", "is_builtin"})),
    MEMBER: Shape(frozenset({"user", "role", "is_active"}), {"role": ROLE}),
    GROUP: Shape(frozenset({"name"})),
    PLACE: Shape(frozenset({"group", "membership"}), {"group": GROUP}),
    GROUP_ROLE: Shape(frozenset({"group", "role"}), {"role": ROLE, "group": GROUP}),
    PROJECT_ROLE: Shape(frozenset({"membership", "role", "project_id"}), {"role": ROLE}),
    USER_GRANT: Shape(_EXCEPTION),
    GROUP_GRANT: Shape(_EXCEPTION, {"holder": GROUP}),
}
_IN_A_PROJECT = frozenset({PROJECT_ROLE, GROUP_ROLE, USER_GRANT, GROUP_GRANT})
_MOVES = frozenset({"project.purged", "project.transferred_away", "project.transferred_here"})
_PURGED = "organization.purged"
_ACTIONS = _MOVES | {
    _PURGED,
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
_MODELS = (
    Group,
    GroupMember,
    GroupRole,
    Membership,
    ProjectGroupGrant,
    ProjectMembership,
    ProjectUserGrant,
    Role,
)
_TABLES = frozenset(model._meta.db_table for model in _MODELS) | {"accounts_user"}


def people_who_could(event: Event, permission: str, changes: Sequence[Event]) -> Readers:
    """Return the members who held a permission where and when an event happened (ten statements).

    Args:
        event: where and when.
        permission: which.
        changes: what changed since, of `_ACTIONS`, newest first.
    """
    organization_id, project_id, name = event.organization_id, event.project_id, P(permission)
    if organization_id is None or any(change.action == _PURGED for change in changes):
        return Readers((), doubts=("The organization was deleted since: who could read its log is not known any more.",))
    if project_id and _is_moved(organization_id, project_id, changes):
        doubt = "The project was deleted or moved since: whom roles, exceptions and keys in it let read is not known any more."
        return Readers((), doubts=(doubt,))
    relevant = [
        change
        for change in changes
        if change.action not in _MOVES
        and (change.target_type not in _IN_A_PROJECT or change.project_id in {None, project_id})
    ]
    shared = _shared_rows(organization_id, project_id, name, relevant)
    able_roles, able_groups = _able(rewound(shared, relevant, SHAPES), name)
    today = reduce(_renamed_since, reversed(relevant), able_groups)
    own, more = _own_rows(organization_id, project_id, (able_roles, today), relevant)
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
    named, unsure, left = [], [], []
    for pk, row in past.of(MEMBER).items():
        label = row["user"]
        if not row["is_active"] or label in closed:
            continue
        authority = assemble(organization_id, grants[label])
        allowed = permission in authority.permissions_in(project_id)
        if (MEMBER, pk) in now:
            if allowed:
                named.append(Reader(label, "person", _why(authority, permission, project_id)))
        elif allowed and _is_settled(authority, project_id):
            named.append(Reader(label, "person", f"{_why(authority, permission, project_id)}, gone since"))
            left.append(label)
        elif allowed or project_id or able_groups or gone:
            unsure.append(label)
    doubts = [
        _listed("Gone since, without the log keeping which groups, roles and exceptions they had", unsure),
        "Of those who are gone since, it is not known whether their login was closed then." if left else "",
        _listed("These groups were deleted since; whom they let read is not known", gone),
        _listed("Not known any more is what these said", [*past.unknown.values(), *_dangling(past)]),
    ]
    ordered = sorted(named, key=lambda reader: reader.label)
    return Readers(tuple(ordered), doubts=tuple(doubt for doubt in doubts if doubt))


def _is_settled(authority: MemberAuthority, project_id: UUID | None) -> bool:
    """Return whether what else somebody may have had could take nothing away from them."""
    if project_id is None:
        return True
    grants = authority.project_roles.get(project_id, ())
    return any(grant.source is GrantSource.PROJECT_MEMBERSHIP for grant in grants)


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
        if permission in role_permissions(row["key"], is_builtin=row["is_builtin"], custom=row.get("custom_permissions"))
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


def _listed(what: str, names: list[str]) -> str:
    others = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return f"{what}: {', '.join(sorted(names)[:MOST])}{others}." if names else ""


# Today's rows ------------------------------------------------------------------------------------


def _is_moved(organization_id: UUID, project_id: UUID, changes: Sequence[Event]) -> bool:
    moved = any(change.action in _MOVES and change.target_id == str(project_id) for change in changes)
    return moved or not Project.objects.for_organization(organization_id).filter(pk=project_id).exists()


def _shared_rows(
    organization_id: UUID, project_id: UUID | None, permission: P, changes: Sequence[Event]
) -> dict[Key, Row]:
    """Return what is not one member's: roles, the groups that changed, and what groups give here."""
    places = Q(project=None) | Q(project_id=project_id) if project_id else Q(project=None)
    group_roles = GroupRole.objects.for_organization(organization_id).filter(places)
    groups = Group.objects.for_organization(organization_id).filter(pk__in=targets(changes, GROUP))
    rows = _rows(ROLE, Role.objects.for_organization(organization_id).select_related("organization"))
    rows |= _rows(GROUP, groups.select_related("organization"))
    rows |= _rows(GROUP_ROLE, group_roles.select_related("organization", "group", "role", "project"))
    grants = ProjectGroupGrant.objects.for_organization(organization_id).filter(
        content_object_id=project_id, permission__codename=permission.value
    )
    for grant in grants.select_related("group"):
        rows[GROUP_GRANT, str(grant.pk)] = _exception(str(grant.group), permission, project_id)
    return rows


def _own_rows(
    organization_id: UUID,
    project_id: UUID | None,
    able: tuple[set[str], set[str]],
    changes: Sequence[Event],
) -> tuple[dict[Key, Row], bool]:
    """Return the rows of the members who may have read, and whether there are more of these."""
    members = Membership.objects.for_organization(organization_id).select_related("organization", "user", "role")
    touched = members.filter(
        Q(pk__in=targets(changes, MEMBER))
        | Q(user_id__in=targets(changes, LOGIN))
        | Q(user__email__in=_people(changes))
        | Q(pk__in=ProjectMembership.objects.filter(pk__in=targets(changes, PROJECT_ROLE)).values("membership"))
    )
    likely = members.filter(_likely(*able, project_id), is_active=True, user__is_active=True).order_by("user__email")
    chosen = list(likely[: MOST + 1])
    loaded = {member.pk: member for member in (*chosen, *touched)}
    rows = {(MEMBER, str(pk)): as_row(snapshot(member)) for pk, member in loaded.items()}
    users = {member.user_id: member.user for member in loaded.values()}
    for pk, user in users.items():
        rows[LOGIN, str(pk)] = {"email": user.email, "is_active": user.is_active}
    of_them = Q(membership__in=list(loaded))
    places = GroupMember.objects.for_organization(organization_id).filter(of_them)
    rows |= _rows(PLACE, places.select_related("organization", "group", "membership__user"))
    roles = ProjectMembership.objects.for_organization(organization_id).filter(of_them, project_id=project_id)
    rows |= _rows(PROJECT_ROLE, roles.select_related("organization", "membership__user", "role", "project"))
    grants = ProjectUserGrant.objects.for_organization(organization_id).filter(
        content_object_id=project_id, user__in=list(users)
    )
    for grant in grants.select_related("permission"):
        holder = users[grant.user_id].email
        rows[USER_GRANT, str(grant.pk)] = _exception(holder, grant.permission.codename, project_id)
    return rows, len(chosen) > MOST


def _likely(roles: set[str], groups: set[str], project_id: UUID | None) -> Q:
    """Return the condition that an unchanged member has something that could have let them read."""
    in_groups = GroupMember.objects.filter(group__name__in=groups).values("membership")
    condition = Q(role__in=roles) | Q(pk__in=in_groups)
    if project_id is None:
        return condition
    own = ProjectMembership.objects.filter(project_id=project_id, role__in=roles).values("membership")
    granted = ProjectUserGrant.objects.filter(content_object_id=project_id).values("user")
    return condition | Q(pk__in=own) | Q(user__in=granted)


def _rows(kind: str, found: Any) -> dict[Key, Row]:
    return {(kind, str(row.pk)): as_row(snapshot(row), getattr(row, "project_id", None)) for row in found}


def _exception(holder: str, permission: str, project_id: UUID | None) -> Row:
    return as_row({"holder": holder, "permission": str(permission)}, project_id)


def _people(changes: Sequence[Event]) -> set[str]:
    """Return the addresses that changes of places, project roles and exceptions name."""
    values = [{**change.after, **change.before} for change in changes if change.target_type in {PLACE, PROJECT_ROLE}]
    held = [{**change.after, **change.before} for change in changes if change.target_type == USER_GRANT]
    return {row["membership"] for row in values if "membership" in row} | {row["holder"] for row in held}


def _renamed_since(names: set[str], change: Event) -> set[str]:
    """Return the names of groups after a change."""
    old, new = change.before.get("name"), change.after.get("name")
    if change.target_type != GROUP or old is None or new is None or old not in names:
        return names
    return names - {old} | {new}


sources.append(PastSource(_ACTIONS, _TABLES, people_who_could))
