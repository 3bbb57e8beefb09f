"""Managers and querysets that carry the tenant; outside a scope they raise instead of returning everything."""

from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.db import models

from . import context
from .exceptions import NoTenant

if TYPE_CHECKING:  # Django's classes take type arguments in the stubs only
    BaseQuerySet = models.QuerySet[Any]
else:
    BaseQuerySet = models.QuerySet


def tenant_column(model: type[models.Model]) -> str | None:
    """Return the column that holds a model's organization ("organization_id", "id" for Organization) or None."""
    return getattr(model, "tenant_column", None)


class TenantQuerySet(BaseQuerySet):
    """A queryset over one organization's rows."""

    def for_organization(self, organization: Any) -> Self:
        """Return the rows of `organization` (an Organization or its UUID)."""
        organization_id = organization if isinstance(organization, UUID) else organization.pk
        return self.filter(**{f"{tenant_column(self.model)}": organization_id})


class TenantManager(models.Manager.from_queryset(TenantQuerySet)):  # type: ignore[misc]
    """Starts every query at the current organization's rows.

    Inside `operator_scope` it starts at all organizations' rows.

    Raises:
        NoTenant: neither scope is open.
    """

    def get_queryset(self) -> TenantQuerySet:
        """Return the current organization's rows."""
        queryset: TenantQuerySet = super().get_queryset()
        if context.crossing_tenants():
            return queryset
        organization_id = context.current_organization_id()
        if organization_id is None:
            raise NoTenant(
                f"{self.model.__name__} belongs to an organization: open tenant_scope(organization) before a query."
            )
        return queryset.for_organization(organization_id)
