"""Querysets that know what an actor may see."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from isolation.actor import Actor, ActorKind
from isolation.managers import TenantQuerySet
from tenants.permissions import P

if TYPE_CHECKING:  # Django's classes take type arguments in the stubs only
    BaseQuerySet = models.QuerySet[Any]
else:
    BaseQuerySet = models.QuerySet


class KeyQuerySet(BaseQuerySet):
    """Keys of any table, by their state now."""

    def active(self) -> Self:
        """Return the keys that are neither revoked nor expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None)

    def expiring_within(self, span: timedelta) -> Self:
        """Return the active keys that expire before `span` is over."""
        now = timezone.now()
        return self.filter(revoked_at=None, expires_at__gt=now, expires_at__lte=now + span)

    def in_state(self, state: str) -> Self:
        """Return the keys that are in one of `key_state.STATES` now."""
        if state == "revoked":
            return self.filter(revoked_at__isnull=False)
        return self.active() if state == "active" else self.filter(revoked_at=None, expires_at__lte=timezone.now())


class ScimTokenQuerySet(KeyQuerySet, TenantQuerySet):
    """SCIM tokens of one organization."""


class ProvisionedUserQuerySet(TenantQuerySet):
    """Provisioned users of one organization."""

    def waiting(self) -> Self:
        """Return the active ones with an address who have not joined yet."""
        return self.filter(membership=None, active=True).exclude(email="")

    def in_state(self, state: str) -> Self:
        """Return those that are in one of `models.provisioned.USER_STATES`."""
        if state == "inactive":
            return self.filter(active=False)
        return self.filter(active=True, membership__isnull=state == "waiting")


class ApiKeyQuerySet(KeyQuerySet, TenantQuerySet):
    """API keys of one organization."""

    def visible_to(self, actor: Actor, permission: str = P.API_KEYS_READ) -> Self:
        """Return the keys on which `actor` holds `permission`, and a person's own keys always.

        Args:
            actor: an actor whose authority was loaded for the current organization.
            permission: of the catalogue.
        """
        in_projects = Q(project__isnull=False) & actor.authority.projects_where(permission, column="project_id")
        visible = in_projects | Q(project=None) if actor.can(permission) else in_projects
        if actor.kind is ActorKind.USER:
            visible |= Q(user_id=actor.id)
        return self.filter(visible)

    def older_than(self, days: int) -> Self:
        """Return the active keys whose current secret was made more than `days` days ago."""
        return self.active().filter(
            secrets__expires_at=None, secrets__created_at__lt=timezone.now() - timedelta(days=days)
        )
