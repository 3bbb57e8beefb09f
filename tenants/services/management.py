"""Who manages a member or a group: people by hand, or an identity provider."""

from django.db import transaction

from audit.redaction import snapshot
from isolation.actor import Actor
from tenants import signals
from tenants.models import Group, Membership, Source
from tenants.permissions import P

from .rules import own_row


@transaction.atomic
def hand_over_member(*, membership: Membership, actor: Actor) -> Membership:
    """Let the identity provider manage a member from now on; what they are stays.

    Raises:
        MissingPermission: without ``members:manage``.
    """
    actor.require(P.MEMBERS_MANAGE, membership)
    stored: Membership = own_row(Membership, membership.pk, related=("user", "role"))
    if stored.source != Source.SCIM:
        before = snapshot(stored)
        stored.source = Source.SCIM
        stored.save(update_fields=["source"])
        signals.member_handed_over.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def release_member(*, membership: Membership, actor: Actor) -> Membership:
    """Let people manage a member by hand again; what they are stays.

    Raises:
        MissingPermission: without ``members:manage``.
    """
    actor.require(P.MEMBERS_MANAGE, membership)
    stored: Membership = own_row(Membership, membership.pk, related=("user", "role"))
    if stored.source == Source.SCIM:
        before = snapshot(stored)
        stored.source = Source.MANUAL
        stored.save(update_fields=["source"])
        signals.member_released.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def hand_over_group(*, group: Group, actor: Actor) -> Group:
    """Let the identity provider manage a group from now on; its roles stay a matter of the console.

    Raises:
        MissingPermission: without ``groups:manage``.
    """
    actor.require(P.GROUPS_MANAGE, group)
    stored: Group = own_row(Group, group.pk)
    if stored.source != Source.SCIM:
        before = snapshot(stored)
        stored.source = Source.SCIM
        stored.save(update_fields=["source"])
        signals.group_handed_over.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def release_group(*, group: Group, actor: Actor) -> Group:
    """Let people manage a group by hand again; members and roles stay.

    Raises:
        MissingPermission: without ``groups:manage``.
    """
    actor.require(P.GROUPS_MANAGE, group)
    stored: Group = own_row(Group, group.pk)
    if stored.source == Source.SCIM:
        before = snapshot(stored)
        stored.source = Source.MANUAL
        stored.save(update_fields=["source"])
        signals.group_released.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored
