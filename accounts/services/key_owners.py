"""Whose a key will be, and whether the actor may make it for them."""

from collections.abc import Iterable
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from accounts.key_format import API_KEY_KINDS, KeyKind
from accounts.models import ApiKey, ServiceAccount, User
from accounts.models.api_key import OWNERS
from isolation.actor import Actor, ActorKind
from isolation.exceptions import DomainError
from tenants.models import Membership, Organization, Project
from tenants.permissions import P
from tenants.services.rules import own_row, refuse_above


def owner_columns(
    organization: Organization,
    kind: str,
    actor: Actor,
    scopes: list[str],
    *,
    project: Project | None,
    user: User | None,
    service_account: ServiceAccount | None,
) -> dict[str, Any]:
    """Return the columns that name the key's owner, after checking that the actor may make this key for it.

    Raises:
        MissingPermission: without ``api_keys:manage`` where the key would count.
        DomainError: the kind and the owners do not go together, or the scopes are above the actor's own.
    """
    _refuse_other_owners(kind, project=project, user=user, service_account=service_account)
    what = "You cannot give a key these scopes"
    permissions = [P(name) for name in scopes]
    match kind:
        case KeyKind.PROJECT:
            if project is None:
                raise DomainError("Choose the project of this key.", field="project", code="required")
            actor.require(P.API_KEYS_MANAGE, project)
            project = own_row(Project, project.pk)
            if project.is_being_deleted:
                raise DomainError("This project is being deleted. Call that off first.", code="being_deleted")
            refuse_above(actor, permissions, what=what, obj=project, field="scopes")
            return {"project": project}
        case KeyKind.ORGANIZATION:
            actor.require(P.API_KEYS_MANAGE, organization)
            refuse_above(actor, permissions, what=what, field="scopes", everywhere=True)
            return {"project": None}
        case KeyKind.PERSONAL:
            return {"project": None, "user": person_of_key(actor, permissions, user, lock=True)}
        case KeyKind.SERVICE_ACCOUNT:
            if service_account is None:
                raise DomainError("Choose the service account.", field="service_account", code="required")
            actor.require(P.API_KEYS_MANAGE, organization)
            refuse_above(actor, permissions, what=what, field="scopes", everywhere=True)
            return {"project": None, "service_account": own_row(ServiceAccount, service_account.pk)}
    raise DomainError(f"A key is one of {', '.join(API_KEY_KINDS)}.", field="kind", code="invalid")


def _refuse_other_owners(kind: str, **owners: Project | User | ServiceAccount | None) -> None:
    """Refuse an owner that keys of this kind do not have: who names a project does not want a key of the organization.

    Raises:
        DomainError: with code ``other_owner``.
    """
    for column, owner in owners.items():
        if owner is not None and kind in API_KEY_KINDS and OWNERS.get(KeyKind(kind)) != column:
            what = column.replace("_", " ")
            raise DomainError(
                f"A key of the kind “{kind}” names no {what}. Leave it out, or choose another kind.",
                field=column,
                code="other_owner",
            )


def person_of_key(actor: Actor, permissions: list[P], user: User | None, *, lock: bool = False) -> User:
    """Return whose personal key it is: the actor's own, or for the system the named member's.

    Raises:
        DomainError: it is somebody else's, they are no active member, or it would allow more than they may.
    """
    for_a_member = actor.kind is ActorKind.SYSTEM and user is not None
    for_themselves = actor.kind is ActorKind.USER and (user is None or user.pk == actor.id)
    if not (for_a_member or for_themselves):
        raise DomainError("Personal keys are made by the person themselves, signed in.", field="kind", code="not_yours")
    memberships = Membership.objects.select_related("user")
    if lock:  # who is removed at this moment keeps no key that a later membership would bring back
        memberships = memberships.select_for_update(of=("self",))
    membership = memberships.filter(user_id=user.pk if user else actor.id, is_active=True, user__is_active=True).first()
    if membership is None:
        raise DomainError("Only an active member can have a personal key.", field="user", code="no_member")
    missing = [name for name in permissions if not actor.authority.allows_somewhere(name)]
    if missing:
        raise DomainError(
            f"A personal key never allows more than you may do yourself, and you lack {', '.join(missing[:3])}.",
            field="scopes",
            code="above_own_permissions",
        )
    owner: User = membership.user
    return owner


def refuse_beyond_own_key(actor: Actor, *, expires_at: datetime | None, networks: Iterable[str]) -> None:
    """Refuse a key that would be accepted longer, or from more places, than the key that makes or changes it.

    Raises:
        DomainError: with code ``beyond_own_key``; only for actors that are keys.
    """
    if actor.kind is not ActorKind.API_KEY:
        return
    own = ApiKey.objects.get(pk=actor.id)
    if own.expires_at is not None and (expires_at is None or expires_at > own.expires_at):
        raise DomainError(
            "A key that expires makes no key that lives longer: choose a moment before "
            f"{own.expires_at:%Y-%m-%d %H:%M} UTC, or let a person do it.",
            field="expires_at",
            code="beyond_own_key",
        )
    allowed = [ip_network(text) for text in own.allowed_networks]
    wanted = [ip_network(text) for text in networks]
    if allowed and (not wanted or not all(any(_lies_in(one, other) for other in allowed) for one in wanted)):
        raise DomainError(
            "A key with allowed networks makes no key that is accepted from elsewhere: name networks within its own, "
            "or let a person do it.",
            field="allowed_networks",
            code="beyond_own_key",
        )


def _lies_in(one: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.subnet_of(other)
    return isinstance(other, IPv6Network) and one.subnet_of(other)
