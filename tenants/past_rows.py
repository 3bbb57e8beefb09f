"""Today's rows that decide what members may do, in the form in which events tell of them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q

from audit.models import Event
from audit.past_readers import targets
from audit.readers import MOST
from audit.redaction import snapshot
from audit.rewind import Key, Row, Shape, as_row

from .models import (
    Group,
    GroupMember,
    GroupRole,
    Membership,
    ProjectGroupGrant,
    ProjectMembership,
    ProjectUserGrant,
    Role,
)
from .permissions import P

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
TABLES = frozenset(model._meta.db_table for model in _MODELS) | {"accounts_user"}


def shared_rows(
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


def own_rows(
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
