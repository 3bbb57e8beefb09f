"""Names for the audit viewer, whose events carry ids only."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from audit.models import DeletedLog
from isolation.actor import Actor

from .models import Organization, Project

MAX_PROJECTS = 300
"""A longer select is no help."""
SUGGESTED = 8


class TenantDirectory:
    """Answers from the tables of this app, within the scope that is open."""

    def organizations(self, ids: Collection[UUID]) -> dict[UUID, str]:
        """Return the identifier of each organization; of one that was deleted, with that word."""
        if not ids:
            return {}
        names = dict(Organization.objects.filter(pk__in=ids).values_list("pk", "slug"))
        if gone := set(ids) - names.keys():
            rows = DeletedLog.objects.filter(organization_id__in=gone).values_list("organization_id", "slug")
            names |= {pk: f"{slug} (deleted)" for pk, slug in rows}
        return names

    def find_organization(self, text: str) -> UUID | None:
        """Return the organization with this identifier, or None."""
        found: UUID | None = Organization.objects.filter(slug=text).values_list("pk", flat=True).first()
        return found

    def projects(self, actor: Actor, permission: str) -> list[tuple[UUID, str]]:
        """Return (id, name) of the projects where `actor` holds the permission."""
        rows = Project.objects.visible_to(actor, permission).order_by("name").values_list("pk", "name")
        return list(rows[:MAX_PROJECTS])

    def find_projects(self, actor: Actor, permission: str, text: str, *, prefix: bool) -> list[UUID]:
        """Return the ids of the projects with this name or identifier where `actor` holds the permission."""
        lookup = "istartswith" if prefix else "iexact"
        named = Q(**{f"name__{lookup}": text}) | Q(**{f"slug__{lookup}": text})
        return list(_projects(actor, permission).filter(named).values_list("pk", flat=True)[:MAX_PROJECTS])

    def suggest_projects(self, actor: Actor, permission: str, text: str) -> list[tuple[str, str]]:
        """Return (identifier, name) of a few projects whose name or identifier begins so."""
        named = Q(name__istartswith=text) | Q(slug__istartswith=text)
        rows = _projects(actor, permission).filter(named).order_by("slug").values_list("slug", "name")
        return list(rows.distinct()[:SUGGESTED])

    def suggest_organizations(self, text: str) -> list[tuple[str, str]]:
        """Return (identifier, name) of a few organizations whose identifier begins so."""
        rows = Organization.objects.filter(slug__startswith=text.lower()).order_by("slug").values_list("slug", "name")
        return list(rows[:SUGGESTED])


def _projects(actor: Actor, permission: str) -> "QuerySet[Any]":
    found: QuerySet[Any] = Project.objects.visible_to(actor, permission)
    return found
