"""Keys of the tests, and how they ask the API."""

import base64
from typing import Any

from django.test import Client

from accounts.key_format import KeyKind
from accounts.services.key_rules import IssuedKey
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tests.accounts.keys import stage
from tests.api.calls import Caller
from tests.people import Tenant


def make_key(tenant: Tenant, *scopes: str, **values: Any) -> IssuedKey:
    """Return a key of the tenant's project, or of another kind by `values`, made by the system."""
    named = {"name": "Ingestion", "scopes": scopes or ["traces:write"]}
    with tenant_scope(tenant.organization):
        return stage.make_key(tenant, SYSTEM, **{**named, **values})


def organization_key(tenant: Tenant, *scopes: str, **values: Any) -> IssuedKey:
    """Return a key of the tenant's organization."""
    return make_key(tenant, *scopes, kind=KeyKind.ORGANIZATION, **values)


def with_key(secret: str) -> Caller:
    """Return a caller who presents a key as Bearer token."""
    return Caller(Client(headers={"Authorization": f"Bearer {secret}"}))


def basic(public_id: str, secret: str) -> str:
    """Return the header of HTTP Basic authentication."""
    return "Basic " + base64.b64encode(f"{public_id}:{secret}".encode()).decode()


def accepted(secret: str) -> bool:
    """Return whether the API accepts a key with this secret."""
    status: int = with_key(secret).get("/me").status_code
    assert status in {200, 401}, status
    return status == 200
