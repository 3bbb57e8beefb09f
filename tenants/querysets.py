"""Querysets that know what an actor may see."""

from typing import Self

from isolation.actor import Actor
from isolation.managers import TenantQuerySet

from .permissions import BuiltinRole, P


class ProjectQuerySet(TenantQuerySet):
    """Projects, scoped by what an actor may do in each."""

    def visible_to(self, actor: Actor, permission: str = P.PROJECTS_READ) -> Self:
        """Return the projects in which `actor` holds `permission`, in the statement that lists them.

        Args:
            actor: an actor whose authority was loaded for the current organization.
            permission: a project permission.
        """
        return self.filter(actor.authority.projects_where(permission))


class MembershipQuerySet(TenantQuerySet):
    """Members of an organization."""

    def active_owners(self) -> Self:
        """Return the members by whom the organization is owned: active there, and able to sign in."""
        return self.filter(is_active=True, user__is_active=True, role__is_builtin=True, role__key=BuiltinRole.OWNER)
