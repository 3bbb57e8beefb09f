"""Who is an owner by what an identity provider says: only where an owner allowed it, and only while it says so."""

from typing import Any

from django.db import transaction

from accounts import signals
from accounts.models import SsoConnection
from accounts.sso.checks import Checklist
from audit.redaction import snapshot
from isolation.actor import Actor, ActorKind
from isolation.exceptions import DomainError
from isolation.signals import access_denied
from tenants.models import Membership
from tenants.permissions import BuiltinRole, P
from tenants.services.owners import end_ownership, make_owner
from tenants.services.rules import builtin_role, own_row, refuse_above

from .connection_actor import provider_actor
from .joining import role_of_new
from .key_rules import check_text
from .sso_groups import LONGEST_VALUE, claim_values


@transaction.atomic
def allow_owners(*, connection: SsoConnection, value: str, actor: Actor) -> SsoConnection:
    """Let whoever comes with a value of the groups claim be an owner: who controls it there controls the organization.

    Args:
        connection: whose claim.
        value: one of the claim's values; upper and lower case differ.
        actor: an owner, in person.

    Raises:
        MissingPermission: without ``sso:manage``.
        DomainError: somebody else than an owner asks, or there is no groups claim.
    """
    actor.require(P.SSO_MANAGE, connection)
    stored: SsoConnection = own_row(SsoConnection, connection.pk)
    value = check_text(value, field="owner_value", longest=LONGEST_VALUE)
    if not value:
        raise DomainError("Enter what the claim holds for owners.", field="owner_value", code="required")
    if value == stored.owner_value:
        return stored
    _owners_only(actor, stored)
    if not stored.groups_claim:
        raise DomainError(
            f"{stored} has no claim with the groups. Enter it first.", field="owner_value", code="groups_claim_missing"
        )
    before = snapshot(stored)
    stored.owner_value = value
    stored.save(update_fields=["owner_value"])
    signals.sso_owners_allowed.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def end_owners(*, connection: SsoConnection, actor: Actor) -> SsoConnection:
    """Let the identity provider make nobody an owner any more; whom it made one is none with their next sign-in.

    Raises:
        MissingPermission: without ``sso:manage``.
    """
    actor.require(P.SSO_MANAGE, connection)
    stored: SsoConnection = own_row(SsoConnection, connection.pk)
    if not stored.owner_value:
        return stored
    before = snapshot(stored)
    stored.owner_value = ""
    stored.save(update_fields=["owner_value"])
    signals.sso_owners_ended.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


def follow_owner(
    *, connection: SsoConnection, membership: Membership, email: str, claims: dict[str, Any], checklist: Checklist
) -> None:
    """Make somebody who signs in an owner where the claim says so, or take back what it gave; else change nothing.

    Args:
        connection: through which they came, as it was when the claims were checked; call it under `lock_organization`.
        membership: theirs.
        email: their address at the provider, "" where it sends none or says that it is not verified.
        claims: what was checked.
        checklist: gets what was found.
    """
    stored: Membership = own_row(Membership, membership.pk, related=("user", "role"))
    actor = provider_actor(connection)
    if _is_named(connection, claims):
        # Who manages provisioning says whose account this is, and may be no owner: the address is the provider's word.
        if email != stored.user.email.lower():
            said = f"The claim says so, but the address there is not {stored.user.email}, their address here."
            checklist.note("The provider makes them an owner", said, passed=False)
        else:
            if not stored.role.is_owner:
                make_owner(membership=stored, through=connection.pk, actor=actor)
            checklist.note("The provider makes them an owner", f"The claim holds “{connection.owner_value}”.")
            return
    if stored.role.is_owner and _was_given(connection, stored):
        why_not = end_ownership(membership=stored, otherwise=role_of_new(connection), actor=actor)
        said = why_not or f"They have the role {stored.role} now."
        checklist.note("The provider makes them an owner no more", said, passed=not why_not)


def _owners_only(actor: Actor, connection: SsoConnection) -> None:
    """Refuse everybody but an owner in person: no key, link, task or command speaks for one.

    Raises:
        DomainError: with code ``owners_only`` or ``above_own_permissions``.
    """
    if actor.kind is not ActorKind.USER:
        access_denied.send(sender=_owners_only, actor=actor, permission=str(P.ORGANIZATION_DELETE), obj=connection)
        raise DomainError(
            "Only an owner can let an identity provider make owners: in the console, and in person.",
            field="owner_value",
            code="owners_only",
        )
    what = "You cannot let an identity provider make owners"
    refuse_above(actor, builtin_role(BuiltinRole.OWNER).permissions, what=what, field="owner_value")


def _is_named(connection: SsoConnection, claims: dict[str, Any]) -> bool:
    """Return whether the claim holds what makes owners, and that counts still."""
    value = connection.owner_value
    if not value or value not in claim_values(claims.get(connection.groups_claim)):
        return False
    return bool(SsoConnection.objects.filter(pk=connection.pk, owner_value=value).exists())


def _was_given(connection: SsoConnection, membership: Membership) -> bool:
    """Return whether they are an owner by this connection, or by one that makes none any more."""
    through = membership.owner_through
    if through is None or through == connection.pk:
        return through is not None
    return not SsoConnection.objects.filter(pk=through).exclude(owner_value="").exists()
