"""Changes to groups, their members and their roles."""

from django.db import transaction

from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants import signals
from tenants.models import Group, GroupMember, GroupRole, Membership, Organization, Project, Role, Source
from tenants.permissions import P

from .naming import check_name
from .rules import one_of_a_kind, own_row, refuse_above, refuse_managed

LONGEST_NAME = 256
"""Characters of a group's name: what directories allow (RFC 7643 sets no limit)."""


@transaction.atomic
def create_group(
    *, organization: Organization, name: str, actor: Actor, description: str = "", source: str = Source.MANUAL
) -> Group:
    """Create an empty group without any role.

    Raises:
        MissingPermission: without ``groups:manage``.
        DomainError: the name is refused or taken.
    """
    actor.require(P.GROUPS_MANAGE, organization)
    name = check_name(name, longest=LONGEST_NAME)
    group = Group(organization=organization, name=name, description=description.strip(), source=source)
    with one_of_a_kind(Group, field="name"):
        group.save(force_insert=True)
    signals.group_created.announce(group, actor=actor, after=snapshot(group))
    return group


@transaction.atomic
def update_group(*, group: Group, name: str, actor: Actor, description: str = "") -> Group:
    """Rename or describe a group.

    Raises:
        MissingPermission: without ``groups:manage``.
        DomainError: the name is refused or taken, or an identity provider gives the group its name.
    """
    actor.require(P.GROUPS_MANAGE, group)
    stored: Group = own_row(Group, group.pk)
    before = snapshot(stored)
    name = check_name(name, longest=LONGEST_NAME)
    if name != stored.name:
        refuse_managed(stored, actor, what=f"The group {stored} cannot be renamed here", field="name")
    stored.name, stored.description = name, description.strip()
    with one_of_a_kind(Group, field="name"):
        stored.save()
    signals.group_updated.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def delete_group(*, group: Group, actor: Actor) -> None:
    """Delete a group; its members lose what it gave them.

    Raises:
        MissingPermission: without ``groups:manage``.
        DomainError: one of its roles is above the actor's own, or an identity provider manages the group.
    """
    actor.require(P.GROUPS_MANAGE, group)
    stored: Group = own_row(Group, group.pk)
    refuse_managed(stored, actor, what=f"The group {stored} cannot be deleted here")
    _refuse_group_above(stored, actor, what=f"You cannot delete the group {stored}")
    signals.group_deleted.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


@transaction.atomic
def add_group_member(*, group: Group, membership: Membership, actor: Actor) -> GroupMember:
    """Put a member into a group, which gives them its roles.

    Raises:
        MissingPermission: without ``groups:manage``.
        DomainError: already in it, one of its roles is above the actor's own, or an identity provider manages it.
    """
    actor.require(P.GROUPS_MANAGE, group)
    group = own_row(Group, group.pk)
    membership = own_row(Membership, membership.pk, lock=False, related=("user",))
    refuse_managed(group, actor, what=f"Nobody can be added to {group} here", field="membership")
    _refuse_group_above(group, actor, what=f"You cannot add somebody to {group}")
    place = GroupMember(organization=group.organization, group=group, membership=membership)
    with one_of_a_kind(GroupMember, field="membership"):
        place.save(force_insert=True)
    signals.group_member_added.announce(place, actor=actor, after=snapshot(place))
    return place


@transaction.atomic
def remove_group_member(*, place: GroupMember, actor: Actor) -> None:
    """Take a member out of a group.

    Raises:
        MissingPermission: without ``groups:manage``.
        DomainError: one of the group's roles is above the actor's own, or an identity provider manages it.
    """
    actor.require(P.GROUPS_MANAGE, place)
    stored: GroupMember = own_row(GroupMember, place.pk, related=("group", "membership__user"))
    refuse_managed(stored.group, actor, what=f"Nobody can be taken out of {stored.group} here")
    _refuse_group_above(stored.group, actor, what=f"You cannot take somebody out of {stored.group}")
    signals.group_member_removed.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


@transaction.atomic
def set_group_role(
    *, group: Group, role: Role, actor: Actor, project: Project | None = None, allow_owner: bool = False
) -> GroupRole:
    """Give a group's members a role in the organization, or in one project.

    Args:
        group: the group.
        role: a role of the organization. Owner is given to people; only a group of an identity provider can carry it,
            in the whole organization.
        actor: who gives it.
        project: where it counts; None: in the whole organization.
        allow_owner: an owner says that everybody whom the identity provider puts into this group may be one.

    Raises:
        MissingPermission: without ``groups:manage``.
        DomainError: the role is above the actor's own there, or Owner without `allow_owner`.
    """
    actor.require(P.GROUPS_MANAGE, group)
    group = own_row(Group, group.pk)
    role = own_row(Role, role.pk, lock=False)
    project = own_row(Project, project.pk, lock=False) if project else None
    if role.is_owner:
        _refuse_owner(group, project, allowed=allow_owner)
    refuse_above(actor, role.permissions, what=f"You cannot give the role {role}", obj=project)
    roles = GroupRole.objects.filter(group=group, project=project).select_related("role", "project")
    stored: GroupRole | None = roles.first()
    before = snapshot(stored) if stored else None
    if stored is None:
        stored = GroupRole(organization=group.organization, group=group, role=role, project=project)
        with one_of_a_kind(GroupRole, field="project"):
            stored.save(force_insert=True)
    else:
        refuse_above(actor, stored.role.permissions, what=f"You cannot replace the role {stored.role}", obj=project)
        stored.role = role
        stored.save(update_fields=["role"])
    signals.group_role_set.announce(stored, actor=actor, before=before, after=snapshot(stored), project=project)
    return stored


@transaction.atomic
def remove_group_role(*, group_role: GroupRole, actor: Actor) -> None:
    """Take a role away from a group.

    Raises:
        MissingPermission: without ``groups:manage``.
        DomainError: the role is above the actor's own.
    """
    actor.require(P.GROUPS_MANAGE, group_role.group)
    stored: GroupRole = own_row(GroupRole, group_role.pk, related=("group", "role"))
    refuse_above(
        actor, stored.role.permissions, what=f"You cannot take away the role {stored.role}", obj=stored.project
    )
    signals.group_role_removed.announce(stored, actor=actor, before=snapshot(stored), project=stored.project)
    stored.delete()


def _refuse_owner(group: Group, project: Project | None, *, allowed: bool) -> None:
    if group.source != Source.SCIM or project is not None:
        raise DomainError("Owner is given to people, not to groups.", field="role", code="owner_by_group")
    if not allowed:
        raise DomainError(
            f"Everybody whom the identity provider puts into {group} would be an owner. An owner has to allow that.",
            field="allow_owner",
            code="owner_not_allowed",
        )


def _refuse_group_above(group: Group, actor: Actor, *, what: str) -> None:
    for group_role in GroupRole.objects.filter(group=group).select_related("role", "project"):
        refuse_above(actor, group_role.role.permissions, what=what, obj=group_role.project, field=None)
