"""Names for the audit viewer, whose events carry ids only."""

from collections.abc import Collection
from uuid import UUID

from isolation.actor import Actor

from .models import Organization, Project

MAX_PROJECTS = 300
"""A longer select is no help."""


class TenantDirectory:
    """Answers from the tables of this app, within the scope that is open."""

    def organizations(self, ids: Collection[UUID]) -> dict[UUID, str]:
        """Return the identifier of each organization that still exists."""
        return dict(Organization.objects.filter(pk__in=ids).values_list("pk", "slug")) if ids else {}

    def find_organization(self, text: str) -> UUID | None:
        """Return the organization with this identifier, or None."""
        found: UUID | None = Organization.objects.filter(slug=text).values_list("pk", flat=True).first()
        return found

    def projects(self, actor: Actor, permission: str) -> list[tuple[UUID, str]]:
        """Return (id, name) of the projects where `actor` holds the permission."""
        rows = Project.objects.visible_to(actor, permission).order_by("name").values_list("pk", "name")
        return list(rows[:MAX_PROJECTS])
