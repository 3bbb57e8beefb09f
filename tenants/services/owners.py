"""Owners that operators appoint, and those whom an identity provider names."""

from typing import Any
from uuid import UUID

from django.db import transaction

from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants import signals
from tenants.models import Membership, Organization, Role, Source
from tenants.permissions import BuiltinRole

from .members import add_member
from .rules import builtin_role, lock_organization, operators_only, refuse_losing_last_owner


@transaction.atomic
def appoint_owner(*, organization: Organization, user: Any, actor: Actor, reason: str = "") -> Membership:
    """Make a user owner of an organization that has no active owner any more; operators only.

    The organization's `tenant_scope` must be open.

    Args:
        organization: the organization without an owner.
        user: an accounts.User; a member gets the role, anybody else becomes a member.
        actor: an operator or the system.
        reason: why, for the organization's audit log.

    Raises:
        DomainError: somebody else asks, the login is closed, or an active owner is left.
    """
    operators_only(actor)
    lock_organization(organization.pk)
    if not user.is_active:
        raise DomainError(f"The login {user} is deactivated. Choose somebody else.", field="owner", code="inactive")
    if Membership.objects.active_owners().exists():
        raise DomainError("There is an active owner, who can make others owners.", code="owner_left")
    owner_role = builtin_role(BuiltinRole.OWNER)
    members = Membership.objects.select_related("user", "role")
    membership: Membership | None = members.filter(user=user, is_active=True).first()
    if membership is None:
        return add_member(
            organization=organization, user=user, role=owner_role, source=Source.OPERATOR, actor=actor, reason=reason
        )
    before = snapshot(membership)
    membership.take_role(owner_role)
    membership.save(update_fields=["role", "owner_through", "role_before"])
    signals.member_role_changed.announce(
        membership, actor=actor, before=before, after=snapshot(membership), reason=reason
    )
    return membership


def make_owner(*, membership: Membership, through: UUID, actor: Actor) -> None:
    """Make a member an owner for as long as an identity provider says so; call it under `lock_organization`.

    The caller knows that an owner allowed it; this asks for no permission itself.

    Args:
        membership: the stored row of somebody who is no owner.
        through: the connection that named them.
        actor: the identity provider.
    """
    before = snapshot(membership)
    membership.owner_through, membership.role_before = through, membership.role_id
    membership.role = builtin_role(BuiltinRole.OWNER)
    membership.save(update_fields=["role", "owner_through", "role_before"])
    signals.member_role_changed.announce(membership, actor=actor, before=before, after=snapshot(membership))


def end_ownership(*, membership: Membership, otherwise: Role, actor: Actor) -> str:
    """Give an owner of `make_owner` the role of before; call it under `lock_organization`.

    The last owner stays one, and so does whoever else may not become less than an owner.

    Args:
        membership: the stored row.
        otherwise: what they become where the role of before is gone.
        actor: the identity provider.

    Returns:
        Why they stay an owner, "" where they do not.
    """
    owner_role, through, role_before = membership.role, membership.owner_through, membership.role_before
    try:
        with transaction.atomic():
            refuse_losing_last_owner(membership, what=f"{membership} stays owner")
            before = snapshot(membership)
            membership.take_role(Role.objects.filter(pk=role_before).first() or otherwise)
            membership.save(update_fields=["role", "owner_through", "role_before"])
            signals.member_role_changed.announce(membership, actor=actor, before=before, after=snapshot(membership))
    except DomainError as refusal:
        membership.role, membership.owner_through, membership.role_before = owner_role, through, role_before
        signals.owner_kept.announce(membership, actor=actor, reason=refusal.message)
        return refusal.message
    return ""
