"""Changes to groups, their members and their roles."""

from django.db import transaction

from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants import signals
from tenants.models import Group, GroupMember, GroupRole, Membership, Organization, Project, Role, Source
from tenants.permissions import P

from .naming import check_name
from .rules import one_of_a_kind, own_row, refuse_above


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
    group = Group(organization=organization, name=check_name(name), description=description.strip(), source=source)
    with one_of_a_kind(Group, field="name"):
        group.save(force_insert=True)
    signals.group_created.announce(group, actor=actor, after=snapshot(group))
    return group


@transaction.atomic
def update_group(*, group: Group, name: str, actor: Actor, description: str = "") -> Group:
    """Rename or describe a group.

    Raises:
        MissingPermission: without ``groups:manage``.
        DomainError: the name is refused or taken.
    """
    actor.require(P.GROUPS_MANAGE, group)
    stored: Group = own_row(Group, group.pk)
    before = snapshot(stored)
    stored.name, stored.description = check_name(name), description.strip()
    with one_of_a_kind(Group, field="name"):
        stored.save()
    signals.group_updated.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def delete_group(*, group: Group, actor: Actor) -> None:
    """Delete a group; its members lose what it gave them.

    Raises:
        MissingPermission: without ``groups:manage``.
        DomainError: one of its roles is above the actor's own.
    """
    actor.require(P.GROUPS_MANAGE, group)
    stored: Group = own_row(Group, group.pk)
    _refuse_group_above(stored, actor, what=f"You cannot delete the group {stored}")
    signals.group_deleted.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


@transaction.atomic
def add_group_member(*, group: Group, membership: Membership, actor: Actor) -> GroupMember:
    """Put a member into a group, which gives them its roles.

    Raises:
        MissingPermission: without ``groups:manage``.
        DomainError: already in it, or one of its roles is above the actor's own.
    """
    actor.require(P.GROUPS_MANAGE, group)
    group = own_row(Group, group.pk)
    membership = own_row(Membership, membership.pk, lock=False, related=("user",))
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
        DomainError: one of the group's roles is above the actor's own.
    """
    actor.require(P.GROUPS_MANAGE, place)
    stored: GroupMember = own_row(GroupMember, place.pk, related=("group", "membership__user"))
    _refuse_group_above(stored.group, actor, what=f"You cannot take somebody out of {stored.group}")
    signals.group_member_removed.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


@transaction.atomic
def set_group_role(*, group: Group, role: Role, actor: Actor, project: Project | None = None) -> GroupRole:
    """Give a group's members a role in the organization, or in one project.

    Args:
        group: the group.
        role: a role of the organization; Owner is given to people, never to groups.
        actor: who gives it.
        project: where it counts; None: in the whole organization.

    Raises:
        MissingPermission: without ``groups:manage``.
        DomainError: the role is above the actor's own there, or Owner.
    """
    actor.require(P.GROUPS_MANAGE, group)
    group = own_row(Group, group.pk)
    role = own_row(Role, role.pk, lock=False)
    project = own_row(Project, project.pk, lock=False) if project else None
    if role.is_owner:
        raise DomainError("Owner is given to people, not to groups.", field="role", code="owner_by_group")
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


def _refuse_group_above(group: Group, actor: Actor, *, what: str) -> None:
    for group_role in GroupRole.objects.filter(group=group).select_related("role", "project"):
        refuse_above(actor, group_role.role.permissions, what=what, obj=group_role.project, field=None)
