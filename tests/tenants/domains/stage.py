"""What the tests of domains share: claims, and putting the clock of a failing domain back."""

from datetime import timedelta

import psycopg

from isolation.scope import tenant_scope
from tenants.models import Domain
from tenants.services.domains import claim_domain, verify_domain
from tests.people import Tenant
from tests.tenants.domains.nameserver import NameServer


def claim(tenant: Tenant, name: str = "acme.example") -> Domain:
    """Return a new claim of the tenant."""
    with tenant.acting("owner") as actor:
        return claim_domain(organization=tenant.organization, name=name, actor=actor)


def verify(tenant: Tenant, domain: Domain) -> Domain:
    """Return the domain, verified by what DNS says."""
    with tenant.acting("owner") as actor:
        return verify_domain(domain=domain, actor=actor)


def proven(tenant: Tenant, zone: NameServer, name: str = "acme.example") -> Domain:
    """Return a new domain whose record is published and was found."""
    domain = claim(tenant, name)
    zone.publish(domain)
    return verify(tenant, domain)


def stored(tenant: Tenant, domain: Domain) -> Domain:
    """Return the row as it is now."""
    with tenant_scope(tenant.organization):
        row: Domain = Domain.objects.select_related("organization").get(pk=domain.pk)
        return row


def failing_for(superuser: psycopg.Connection, domain: Domain, age: timedelta) -> None:
    """Let a failing domain have failed for that long."""
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute("UPDATE tenants_domain SET failing_since = now() - %s WHERE id = %s", [age, domain.pk])
