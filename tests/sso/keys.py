"""Personal keys of the people of the tests."""

from accounts.key_format import KeyKind
from accounts.services.api_keys import create_api_key
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.permissions import P
from tests.people import Tenant


def personal_key(tenant: Tenant, name: str) -> str:
    """Return the secret of a new key of the person with the role `name`."""
    with tenant_scope(tenant.organization):
        issued = create_api_key(
            organization=tenant.organization,
            kind=KeyKind.PERSONAL,
            name=f"Laptop of {name}",
            scopes=[P.ORGANIZATION_READ],
            user=tenant.people[name],
            actor=SYSTEM,
        )
    return issued.secret
