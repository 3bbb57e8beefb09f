"""What an actor may do in an organization: loaded by one statement, answered from memory, explained in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from django.db import connections

from isolation import context
from isolation.actor import Actor, ActorKind, Authority
from isolation.scope import APP, tenant_scope

from .authority import GrantSource, MemberAuthority, RoleGrant, assemble, place_of
from .permissions import SENSITIVE, SUPPORT, P, known


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why somebody may or may not do something.

    Attributes:
        allowed: the answer, the same as `actor.can`.
        permission: what was asked.
        reasons: sentences, the deciding ones only.
    """

    allowed: bool
    permission: P
    reasons: tuple[str, ...]


@runtime_checkable
class Explains(Protocol):
    """An authority of one organization that can say why."""

    organization_id: UUID

    def reasons(self, permission: P, project_id: UUID | None) -> Iterable[str]:
        """Yield the sentences that say why `permission` is or is not held there."""


def load_authority(user_id: UUID, organization_id: UUID) -> MemberAuthority:
    """Return what a user may do in the organization whose `tenant_scope` is open, by one SQL statement.

    An inactive membership, an inactive user and a stranger get an authority that allows nothing.
    """
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT * FROM tenants_authority(%s, %s)", [organization_id, user_id])
        return assemble(organization_id, cursor.fetchall())


def user_actor(user: Any, organization_id: UUID, *, proved_at: datetime | None = None) -> Actor:
    """Return the actor for a person in the organization whose `tenant_scope` is open.

    Args:
        user: an accounts.User.
        organization_id: that organization.
        proved_at: when they showed last who they are, for a session; None for whoever acts without one.
    """
    return Actor(
        kind=ActorKind.USER,
        id=user.pk,
        label=user.email,
        organization_id=organization_id,
        proved_at=proved_at,
        sensitive=SENSITIVE,
        authority=load_authority(user.pk, organization_id),
    )


def support_actor(user: Any, organization_id: UUID) -> Actor:
    """Return the actor for an operator who entered an organization with a reason: sees, changes nothing."""
    support = RoleGrant(GrantSource.SUPPORT, "Operator support", SUPPORT)
    authority = MemberAuthority(organization_id, organization_roles=(support,))
    return Actor(ActorKind.OPERATOR, user.pk, user.email, organization_id, authority)


def authority_for(user: Any, organization_id: UUID) -> Authority:
    """Return a user's authority in an organization, the loaded one when that user is the current actor there."""
    actor = context.current_actor()
    if actor.kind is ActorKind.USER and actor.id == user.pk and actor.organization_id == organization_id:
        return actor.authority
    with tenant_scope(organization_id):
        return load_authority(user.pk, organization_id)


def explain(actor: Actor, permission: str, obj: Any = None) -> Explanation:
    """Say why `actor` may or may not do something; always the same answer as `actor.can`.

    Args:
        actor: an actor whose authority was loaded from the membership tables.
        permission: a catalogue name.
        obj: as for `actor.can`.

    Raises:
        UnknownPermission: the catalogue has no such name.
    """
    (name,) = known([permission])
    allowed = actor.can(name, obj)
    authority = actor.authority
    if not isinstance(authority, Explains):
        return Explanation(
            allowed,
            name,
            (f"{actor.label} acts with the authority of the installation itself.",),
        )
    organization_id, project_id = place_of(obj)
    if organization_id not in {None, authority.organization_id}:
        return Explanation(allowed, name, (f"{actor.label} asks about another organization.",))
    return Explanation(allowed, name, tuple(authority.reasons(name, project_id)))
