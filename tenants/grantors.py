"""Who can help somebody who lacks a permission; the console and the API say it in the same words."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Case, Q, When

from isolation.actor import Actor, ActorKind

from .authority import MemberAuthority
from .models import Membership, Role
from .permissions import BuiltinRole, P

AT_MOST = 5


def who_can_grant(permission: P) -> Sequence[Membership]:
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
    return list(members.annotate(place=owners_first).order_by("place", "user__email")[:AT_MOST])


def who_holds(permission: P) -> Sequence[Membership]:
    """Return the active members who have a permission in the whole organization, by their own role or a group's.

    The organization's scope must be open.
    """
    able = [role.pk for role in Role.objects.all() if permission in role.permissions]
    through_group = Q(groups__group__roles__role__in=able, groups__group__roles__project=None)
    members = Membership.objects.filter(Q(role__in=able) | through_group, is_active=True, user__is_active=True)
    return list(members.select_related("user", "role").distinct().order_by("user__email"))


def may_be_told(actor: Actor, organization_id: UUID) -> bool:
    """Return whether `actor` may learn who can help: a person with any role there, or a key that sees the members."""
    if actor.kind is not ActorKind.USER:
        return actor.organization_id == organization_id and actor.can(P.MEMBERS_READ)
    authority = actor.authority
    if not isinstance(authority, MemberAuthority) or authority.organization_id != organization_id:
        return False
    return bool(authority.organization_roles or authority.project_roles)
