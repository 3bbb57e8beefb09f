"""The organization that a command line names."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

from isolation.scope import tenant_scope
from tenants.lookups import organization_id_of
from tenants.models import Organization


@contextmanager
def named_organization(slug: str) -> Iterator[Organization]:
    """Open an organization's scope.

    Raises:
        CommandError: there is none with this identifier.
    """
    organization_id = organization_id_of(slug)
    if organization_id is None:
        raise CommandError(f"There is no organization {slug}.")
    with tenant_scope(organization_id):
        yield Organization.objects.get(pk=organization_id)
