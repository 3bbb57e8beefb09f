"""What an identity provider changes about groups: SCIM Groups (RFC 7643 section 4.2)."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import signals
from accounts.models import ProvisionedGroup, ProvisionedUser, ScimConnection, WaitingGroupMember
from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants import signals as tenant_signals
from tenants.models import Group, GroupMember, Source
from tenants.permissions import P
from tenants.services.groups import create_group, delete_group, update_group
from tenants.services.management import hand_over_group
from tenants.services.rules import lock_organization, one_of_a_kind, own_row, refuse_above


@transaction.atomic
def provision_group(
    *, connection: ScimConnection, display_name: str, display_name_key: str, external_id: str, actor: Actor
) -> ProvisionedGroup:
    """Create a group without members; it gives nothing until somebody gives it a role in the console.

    Args:
        connection: whose identity provider tells of it.
        display_name: as it was sent.
        display_name_key: the same in the form that comparisons use.
        external_id: the provider's own id, "" without one.
        actor: the connection.

    Raises:
        MissingPermission: without ``groups:manage``.
        DomainError: with code ``duplicate``: the name or externalId is taken, perhaps by a group made by hand.
    """
    actor.require(P.GROUPS_MANAGE, connection)
    lock_organization(connection.organization_id)
    if Group.objects.filter(name__iexact=display_name.strip()).exclude(source=Source.SCIM).exists():
        raise DomainError(
            "There is a group with this displayName already, made by hand. Rename it, or hand it over to the identity "
            "provider on its page in the console.",
            code="duplicate",
        )
    group = create_group(organization=connection.organization, name=display_name, source=Source.SCIM, actor=actor)
    stored = ProvisionedGroup(
        organization=connection.organization,
        connection=connection,
        group=group,
        external_id=external_id,
        display_name=display_name,
        display_name_key=display_name_key,
    )
    with one_of_a_kind(ProvisionedGroup):
        stored.save(force_insert=True)
    signals.provisioned_group_created.announce(stored, actor=actor, after=snapshot(stored))
    return stored


@transaction.atomic
def update_provisioned_group(
    *, group: ProvisionedGroup, display_name: str, display_name_key: str, external_id: str, actor: Actor
) -> ProvisionedGroup:
    """Rename a group, or note another externalId; its members stay.

    Raises:
        MissingPermission: without ``groups:manage``.
        DomainError: with code ``duplicate``: the name or externalId is taken.
    """
    actor.require(P.GROUPS_MANAGE, group)
    if (display_name, external_id) == (group.display_name, group.external_id):
        return group
    before = snapshot(group)
    if display_name != group.display_name:
        update_group(group=group.group, name=display_name, description=group.group.description, actor=actor)
        _touch_members(group)
    group.display_name, group.display_name_key, group.external_id = display_name, display_name_key, external_id
    _touch(group)
    with one_of_a_kind(ProvisionedGroup):
        group.save()
    signals.provisioned_group_updated.announce(group, actor=actor, before=before, after=snapshot(group))
    return group


@transaction.atomic
def change_group_members(
    *, group: ProvisionedGroup, actor: Actor, add: Iterable[UUID] = (), remove: Iterable[UUID] = ()
) -> None:
    """Put provisioned users into a group and take others out; who is (not) in it already stays as they are.

    The cost follows the number of changes, not the size of the group.

    Args:
        group: the stored row, locked.
        actor: the connection.
        add: ids of ProvisionedUsers; who has not joined yet gets the place when they do.
        remove: likewise; whoever is not there is passed over.

    Raises:
        MissingPermission: without ``groups:manage``.
        DomainError: with code ``unknown_member``: one of `add` is no user of this connection.
    """
    actor.require(P.GROUPS_MANAGE, group)
    adding, removing = set(add), set(remove)
    users = {
        user.pk: user
        for user in ProvisionedUser.objects.filter(
            connection_id=group.connection_id, pk__in=adding | removing
        ).select_related("membership__user")
    }
    if unknown := adding - users.keys():
        raise DomainError(f"There is no user with the id {min(map(str, unknown))}.", code="unknown_member")
    joined = [user for user in users.values() if user.membership_id is not None]
    places = {
        place.membership_id: place
        for place in GroupMember.objects.filter(
            group=group.group_id, membership__in=[user.membership_id for user in joined]
        ).select_related("group", "membership__user")
    }
    waiting = {
        place.provisioned_user_id: place
        for place in WaitingGroupMember.objects.filter(provisioned_group=group, provisioned_user__in=users)
    }
    changed = [
        user for user in users.values() if (user.membership_id in places or user.pk in waiting) != (user.pk in adding)
    ]
    if not changed:
        return
    _put_in([user for user in changed if user.pk in adding], group, actor)
    leaving = [user for user in changed if user.pk not in adding]
    for user in leaving:
        if user.membership_id in places:
            place = places[user.membership_id]
            tenant_signals.group_member_removed.announce(place, actor=actor, before=snapshot(place))
    GroupMember.objects.filter(
        pk__in=[places[user.membership_id].pk for user in leaving if user.membership_id in places]
    ).delete()
    WaitingGroupMember.objects.filter(provisioned_group=group, provisioned_user__in=leaving).delete()
    _touch(group)
    group.save(update_fields=["version", "updated_at"])
    _count_change(ProvisionedUser.objects.filter(pk__in=[user.pk for user in changed]))
    signals.provisioned_group_updated.announce(group, actor=actor, after=_told(changed, adding))


@transaction.atomic
def replace_group_members(*, group: ProvisionedGroup, wanted: Iterable[UUID], actor: Actor) -> None:
    """Make exactly these provisioned users the members of a group.

    Raises:
        MissingPermission, DomainError: as `change_group_members`; nothing has changed then.
    """
    present, ids = set(member_ids(group)), set(wanted)
    change_group_members(group=group, add=ids - present, remove=present - ids, actor=actor)


@transaction.atomic
def delete_provisioned_group(*, group: ProvisionedGroup, actor: Actor) -> None:
    """Delete a group; its members lose what it gave them.

    Raises:
        MissingPermission: without ``groups:manage``.
    """
    _touch_members(group)
    delete_group(group=group.group, actor=actor)


@transaction.atomic
def adopt_group(*, group: Group, connection: ScimConnection, display_name_key: str, actor: Actor) -> ProvisionedGroup:
    """Hand a group made by hand over to an identity provider, which finds it by its name.

    Members whom the provider does not know leave the group: it could never take them out.

    Args:
        group: the group.
        connection: whose it will be.
        display_name_key: its name in the form that comparisons use.
        actor: somebody in the console.

    Raises:
        MissingPermission: without ``scim:manage`` and ``groups:manage``.
        DomainError: a role of the group is above the actor's own: whoever the provider puts into it gets that role.
    """
    actor.require(P.SCIM_MANAGE, connection)
    lock_organization(connection.organization_id)
    stored: Group = own_row(Group, group.pk)
    connection = own_row(ScimConnection, connection.pk, lock=False)
    for group_role in stored.roles.select_related("role", "project"):
        what = f"You cannot hand over {stored}"
        refuse_above(actor, group_role.role.permissions, what=what, obj=group_role.project, field=None)
    known = ProvisionedUser.objects.filter(connection=connection, membership__isnull=False).values("membership")
    unknown = GroupMember.objects.filter(group=stored).exclude(membership__in=known)
    for place in unknown.select_related("group", "membership__user"):
        tenant_signals.group_member_removed.announce(place, actor=actor, before=snapshot(place))
        place.delete()
    provisioned = ProvisionedGroup(
        organization_id=stored.organization_id,
        connection=connection,
        group=hand_over_group(group=stored, actor=actor),
        display_name=stored.name,
        display_name_key=display_name_key,
    )
    with one_of_a_kind(ProvisionedGroup):
        provisioned.save(force_insert=True)
    signals.provisioned_group_created.announce(provisioned, actor=actor, after=snapshot(provisioned))
    return provisioned


def lock_provisioned_group(connection: ScimConnection, pk: Any) -> ProvisionedGroup:
    """Return one of a connection's groups by the id of its `Group`, locked, with the organization locked before.

    Raises:
        DomainError: there is none, with code ``gone``.
    """
    lock_organization(connection.organization_id)
    rows = ProvisionedGroup.objects.select_for_update(of=("self",)).select_related("group")
    group: ProvisionedGroup | None = rows.filter(connection=connection, group=pk).first()
    if group is None:
        raise DomainError("There is no group with this id.", code="gone")
    group.connection = connection
    return group


def member_ids(group: ProvisionedGroup) -> list[UUID]:
    """Return the ids of the provisioned users in a group, those who have not joined yet among them."""
    places = GroupMember.objects.filter(group=group.group_id).values("membership")
    joined = ProvisionedUser.objects.filter(membership__in=places).values_list("pk", flat=True)
    waiting = WaitingGroupMember.objects.filter(provisioned_group=group).values_list("provisioned_user_id", flat=True)
    return [*joined, *waiting]


def _put_in(users: list[ProvisionedUser], group: ProvisionedGroup, actor: Actor) -> None:
    organization = group.connection.organization
    places = [
        GroupMember(organization=organization, group=group.group, membership=user.membership)
        for user in users
        if user.membership is not None
    ]
    GroupMember.objects.bulk_create(places)
    for place in places:
        tenant_signals.group_member_added.announce(place, actor=actor, after=snapshot(place))
    WaitingGroupMember.objects.bulk_create(
        WaitingGroupMember(organization=organization, provisioned_group=group, provisioned_user=user)
        for user in users
        if user.membership is None
    )


def _told(changed: list[ProvisionedUser], adding: set[UUID]) -> dict[str, Any]:
    """Return how many came and went, for the event of the group."""
    came = sum(user.pk in adding for user in changed)
    return {"members": f"{came} added, {len(changed) - came} removed"}


def _touch(group: ProvisionedGroup) -> None:
    group.version += 1
    group.updated_at = timezone.now()


def _touch_members(group: ProvisionedGroup) -> None:
    """Count a change of every member: what SCIM shows of a user names their groups."""
    _count_change(ProvisionedUser.objects.filter(pk__in=member_ids(group)))


def _count_change(users: Any) -> None:
    users.update(version=F("version") + 1, updated_at=timezone.now())
