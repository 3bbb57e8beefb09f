"""Owners that operators appoint."""

from typing import Any

from django.db import transaction

from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants import signals
from tenants.models import Membership, Organization, Source
from tenants.permissions import BuiltinRole

from .members import add_member
from .rules import builtin_role, lock_organization, operators_only


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
    membership.role = owner_role
    membership.save(update_fields=["role"])
    signals.member_role_changed.announce(
        membership, actor=actor, before=before, after=snapshot(membership), reason=reason
    )
    return membership
