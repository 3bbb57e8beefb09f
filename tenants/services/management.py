"""Who manages a member or a group: people by hand, or an identity provider."""

from typing import Any

from django.db import transaction

from audit.redaction import snapshot
from audit.signals import ChangeSignal
from isolation.actor import Actor
from tenants import signals
from tenants.models import Group, GroupRole, Membership, Source
from tenants.permissions import BuiltinRole, P

from .rules import own_row


@transaction.atomic
def hand_over_member(*, membership: Membership, actor: Actor) -> Membership:
    """Let the identity provider manage a member from now on; what they are stays.

    Raises:
        MissingPermission: without ``members:manage``.
    """
    return _managed_member(membership, actor, source=Source.SCIM, signal=signals.member_handed_over)


@transaction.atomic
def release_member(*, membership: Membership, actor: Actor) -> Membership:
    """Let people manage a member by hand again; what they are stays.

    Raises:
        MissingPermission: without ``members:manage``.
    """
    return _managed_member(membership, actor, source=Source.MANUAL, signal=signals.member_released)


@transaction.atomic
def hand_over_group(*, group: Group, actor: Actor) -> Group:
    """Let the identity provider manage a group from now on; its roles stay a matter of the console.

    Raises:
        MissingPermission: without ``groups:manage``.
    """
    return _managed_group(group, actor, source=Source.SCIM, signal=signals.group_handed_over)


@transaction.atomic
def release_group(*, group: Group, actor: Actor) -> Group:
    """Let people manage a group by hand again; members and roles stay, but for Owner, which people alone are given.

    Raises:
        MissingPermission: without ``groups:manage``.
    """
    for owner_role in GroupRole.objects.filter(group=group, role__key=BuiltinRole.OWNER).select_related(
        "group", "role"
    ):
        signals.group_role_removed.announce(
            owner_role, actor=actor, before=snapshot(owner_role), reason="The group is managed by hand again"
        )
        owner_role.delete()
    return _managed_group(group, actor, source=Source.MANUAL, signal=signals.group_released)


def _managed_member(membership: Membership, actor: Actor, *, source: Source, signal: ChangeSignal) -> Membership:
    actor.require(P.MEMBERS_MANAGE, membership)
    stored: Membership = own_row(Membership, membership.pk, related=("user", "role"))
    _set_manager(stored, actor, source=source, signal=signal)
    return stored


def _managed_group(group: Group, actor: Actor, *, source: Source, signal: ChangeSignal) -> Group:
    actor.require(P.GROUPS_MANAGE, group)
    stored: Group = own_row(Group, group.pk)
    _set_manager(stored, actor, source=source, signal=signal)
    return stored


def _set_manager(row: Any, actor: Actor, *, source: Source, signal: ChangeSignal) -> None:
    """Store who manages a row, when that is somebody else than now."""
    if (row.source == Source.SCIM) == (source == Source.SCIM):
        return
    before = snapshot(row)
    row.source = source
    row.save(update_fields=["source"])
    signal.announce(row, actor=actor, before=before, after=snapshot(row))
