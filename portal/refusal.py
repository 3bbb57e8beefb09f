"""Explains a missing permission to the person who met it."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpRequest

from isolation import context
from isolation.actor import ActorKind
from isolation.exceptions import MissingPermission
from tenants.grantors import AT_MOST, may_be_told, who_can_grant
from tenants.models import Membership, Organization
from tenants.permissions import BUILTIN_ROLES, PERMISSIONS, P, Permission


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
    is_member = organization is not None and actor.kind is ActorKind.USER and may_be_told(actor, organization.pk)
    scoped = organization is not None and context.current_organization_id() == organization.pk
    where = exception.obj if exception.obj is not None else organization
    return Refusal(
        permission=permission,
        where=str(where) if where is not None and is_member else "",
        roles=tuple(role.name for role in BUILTIN_ROLES.values() if permission.name in role.permissions),
        contacts=tuple(_contacts(who_can_grant(permission.name))) if is_member and scoped else (),
        supporting=actor.kind is ActorKind.OPERATOR,
    )


def owners_of(organization: Organization) -> list[Contact]:
    """Return the active owners of the organization whose scope is open, at most five."""
    owners = Membership.objects.active_owners().select_related("user")
    return list(_contacts(owners.order_by("user__email")[:AT_MOST]))


def _contacts(members: Iterable[Membership]) -> Iterable[Contact]:
    return (Contact(member.user.display_name, member.user.email) for member in members)
