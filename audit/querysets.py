"""Querysets over events that know what an actor may see."""

from typing import Self

from django.db.models import Q

from isolation.actor import Actor
from isolation.managers import TenantQuerySet

# The names are the catalogue's, which lies above this app.
READ = "audit_log:read"
EXPORT = "audit_log:export"
MANAGE = "organization:manage"
READ_RETENTION = "audit_retention:read"
MANAGE_RETENTION = "audit_retention:manage"
SINKS_READ = "sinks:read"
SINKS_MANAGE = "sinks:manage"
ALERTS_MANAGE = "alerts:manage"


class EventQuerySet(TenantQuerySet):
    """Events, scoped by whose log an actor may read."""

    def visible_to(self, actor: Actor, permission: str = READ) -> Self:
        """Return the events that `actor` may see.

        Who holds the permission in the organization sees all but the events of projects where a role of their own takes
        it away; who holds it in some projects only sees the events of these.

        Args:
            actor: an actor whose authority was loaded for the current organization, or an operator.
            permission: `READ` or `EXPORT`.
        """
        return self.filter(actor.authority.projects_where(permission, column="project_id"))


class SavedSearchQuerySet(TenantQuerySet):
    """Saved searches, scoped by whose they are."""

    def visible_to(self, actor: Actor) -> Self:
        """Return an actor's own; with those that are shared, when they read the log of the whole organization.

        What others look for tells of what is outside the projects that somebody may read.
        """
        own = Q(maker_id=actor.id) if actor.id else Q(pk__in=())
        return self.filter(own | Q(is_shared=True) if actor.can(READ) else own)


class UnattributedChangeQuerySet(TenantQuerySet):
    """Changes that carry no event; they name no project, so that only who reads the whole log sees them."""

    def visible_to(self, actor: Actor) -> Self:
        """Return the changes that `actor` may see: all of the scope's, or none."""
        return self.all() if actor.can(READ) else self.none()


class EvidenceExportQuerySet(TenantQuerySet):
    """Evidence exports, which hold the log of every project."""

    def visible_to(self, actor: Actor) -> Self:
        """Return all of them to who may export the whole log, none to anybody else."""
        return self if actor.authority.allows_everywhere(EXPORT) else self.none()


def may_somewhere(actor: Actor, permission: str = READ) -> bool:
    """Return whether the actor may read (or export) any part of the log."""
    return actor.authority.allows_somewhere(permission)
