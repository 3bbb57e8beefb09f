"""Explains a missing permission to the person who met it."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Case, Q, When
from django.http import HttpRequest

from isolation import context
from isolation.actor import Actor, ActorKind
from isolation.exceptions import MissingPermission
from tenants.authority import MemberAuthority
from tenants.models import Membership, Organization, Role
from tenants.permissions import BUILTIN_ROLES, PERMISSIONS, BuiltinRole, P, Permission

_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody who can help."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """What somebody may not do, and what would change that.

    Attributes:
        permission: the missing permission with its label and help.
        where: the project or organization that it was needed on, as text.
        roles: the names of the built-in roles that have it.
        contacts: members who can give one of those roles; empty for people who are not members.
        supporting: whether an operator meets the limits of support mode.
    """

    permission: Permission
    where: str
    roles: tuple[str, ...]
    contacts: tuple[Contact, ...]
    supporting: bool


def explain_refusal(request: HttpRequest, exception: MissingPermission) -> Refusal:
    """Return what the refusal page shows.

    Args:
        request: the refused request; its organization's scope need not be open.
        exception: the refusal.
    """
    permission = PERMISSIONS[P(exception.permission)]
    organization = getattr(request, "organization", None)
    actor = context.current_actor()
    is_member = organization is not None and _belongs_to(actor, organization)
    scoped = organization is not None and context.current_organization_id() == organization.pk
    where = exception.obj if exception.obj is not None else organization
    return Refusal(
        permission=permission,
        where=str(where) if where is not None and is_member else "",
        roles=tuple(role.name for role in BUILTIN_ROLES.values() if permission.name in role.permissions),
        contacts=tuple(_contacts(who_can_grant(permission.name))) if is_member and scoped else (),
        supporting=actor.kind is ActorKind.OPERATOR,
    )


def who_can_grant(permission: P) -> Iterable[Membership]:
    """Return active members, at most five, owners first, who may give a role with `permission` to somebody.

    Nobody grants more than they hold, so they need the permission themselves as well as ``members:manage``. The
    organization's scope must be open.
    """
    able = [role.pk for role in Role.objects.all() if {permission, P.MEMBERS_MANAGE} <= role.permissions]
    owners_first = Case(When(role__is_builtin=True, role__key=BuiltinRole.OWNER, then=0), default=1)
    through_group = Q(groups__group__roles__role__in=able, groups__group__roles__project=None)
    members = (
        Membership.objects.filter(Q(role__in=able) | through_group, is_active=True, user__is_active=True)
        .select_related("user", "role")
        .distinct()
    )
    return list(members.annotate(place=owners_first).order_by("place", "user__email")[:_AT_MOST])


def _belongs_to(actor: Actor, organization: Organization) -> bool:
    """Return whether the actor is a person with any role in the organization, be it None."""
    authority = actor.authority
    if actor.kind is not ActorKind.USER or not isinstance(authority, MemberAuthority):
        return False
    return authority.organization_id == organization.pk and bool(
        authority.organization_roles or authority.project_roles
    )


def owners_of(organization: Organization) -> list[Contact]:
    """Return the active owners of the organization whose scope is open, at most five."""
    owners = Membership.objects.active_owners().select_related("user")
    return list(_contacts(owners.order_by("user__email")[:_AT_MOST]))


def _contacts(members: Iterable[Membership]) -> Iterable[Contact]:
    return (Contact(member.user.display_name, member.user.email) for member in members)
