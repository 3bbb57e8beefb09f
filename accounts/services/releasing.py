"""Ending the management by an identity provider; people and groups stay as they are."""

from django.db import transaction

from accounts import signals
from accounts.models import ProvisionedGroup, ProvisionedUser, ScimConnection
from audit.redaction import snapshot
from isolation.actor import Actor
from tenants.permissions import P
from tenants.services.management import release_group, release_member
from tenants.services.open_invitations import revoke_open_invitations
from tenants.services.rules import lock_organization, own_row


@transaction.atomic
def release_provisioned_user(*, user: ProvisionedUser, actor: Actor) -> None:
    """Forget a provisioned user; who has joined stays a member, managed by hand from now on.

    The identity provider's next request about them finds nobody; one that creates them again takes over again.

    Raises:
        MissingPermission: without ``scim:manage`` and, for a member, ``members:manage``.
    """
    actor.require(P.SCIM_MANAGE, user)
    lock_organization(user.organization_id)
    _release_user(own_row(ProvisionedUser, user.pk, related=("membership",)), actor)


@transaction.atomic
def release_provisioned_group(*, group: ProvisionedGroup, actor: Actor) -> None:
    """Forget that an identity provider manages a group; it keeps members and roles, managed by hand from now on.

    Raises:
        MissingPermission: without ``scim:manage`` and ``groups:manage``.
    """
    actor.require(P.SCIM_MANAGE, group)
    lock_organization(group.organization_id)
    _release_group(own_row(ProvisionedGroup, group.pk, related=("group",)), actor)


def release_everything(connection: ScimConnection, *, actor: Actor) -> None:
    """Release all that a connection manages; the caller has checked the authority.

    Raises:
        MissingPermission: without ``members:manage`` or ``groups:manage`` where it manages members or groups.
    """
    lock_organization(connection.organization_id)
    for group in ProvisionedGroup.objects.filter(connection=connection).select_related("group"):
        _release_group(group, actor)
    for user in ProvisionedUser.objects.filter(connection=connection).select_related("membership"):
        _release_user(user, actor)


def _release_user(user: ProvisionedUser, actor: Actor) -> None:
    if user.membership is not None:
        release_member(membership=user.membership, actor=actor)
    else:
        revoke_open_invitations(email=user.email, actor=actor, reason="No longer provisioned")
    signals.provisioned_user_released.announce(user, actor=actor, before=snapshot(user))
    user.delete()


def _release_group(group: ProvisionedGroup, actor: Actor) -> None:
    release_group(group=group.group, actor=actor)
    signals.provisioned_group_released.announce(group, actor=actor, before=snapshot(group))
    group.delete()
