"""Identity providers of two organizations."""

from dataclasses import replace
from typing import Any

import pytest

from accounts.models import ScimConnection
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.services.domains import confirm_domain
from tests.people import Tenant
from tests.scim.stage import Scim, connection_of, token_of


@pytest.fixture(autouse=True)
def unhurried(settings: Any) -> None:
    """Let the tests ask faster than any identity provider."""
    settings.SCIM_RATE_PER_ORGANIZATION = 1_000_000


def confirmed(tenant: Tenant) -> Tenant:
    """Return the tenant, whose domain an operator vouched for."""
    domain = f"{tenant.organization.slug}.example"
    with tenant_scope(tenant.organization), acting_as(SYSTEM):
        confirm_domain(organization=tenant.organization, name=domain, reason="Known to us", actor=SYSTEM)
    return tenant


@pytest.fixture
def connection(acme: Tenant) -> ScimConnection:
    """Return acme's connection."""
    return connection_of(confirmed(acme))


@pytest.fixture
def scim(acme: Tenant, connection: ScimConnection) -> Scim:
    """Return acme's identity provider; one active user with a name and an address is provisioned (Okta SPEC R1)."""
    provider = Scim(token_of(acme, connection).secret)
    return replace(provider, seed=provider.user("ada"))


@pytest.fixture
def other_scim(globex: Tenant) -> Scim:
    """Return globex's identity provider, with a user of its own."""
    provider = Scim(token_of(globex, connection_of(confirmed(globex))).secret)
    return replace(provider, seed=provider.user("hank", domain="globex.example"))
