"""Querysets that know what an actor may see."""

from typing import Self

from django.db.models import Q

from isolation.actor import Actor
from isolation.managers import TenantQuerySet
from tenants.permissions import P


class ProviderCredentialQuerySet(TenantQuerySet):
    """Provider credentials of one organization."""

    def visible_to(self, actor: Actor, permission: str = P.PROVIDER_CREDENTIALS_READ) -> Self:
        """Return the credentials on which `actor` holds `permission`.

        Args:
            actor: an actor whose authority was loaded for the current organization.
            permission: of the catalogue.
        """
        in_projects = Q(project__isnull=False) & actor.authority.projects_where(permission, column="project_id")
        return self.filter(in_projects | Q(project=None) if actor.can(permission) else in_projects)
