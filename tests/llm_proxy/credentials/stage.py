"""What the tests of provider credentials share: credentials, and how the hot path sees them."""

import asyncio
import json
from typing import Any

from django.db import connections

from gateway.hotpath.credentials import Credential, Credentials, credentials_of
from gateway.models import ProviderCredential
from gateway.services.provider_credentials import create_provider_credential
from isolation.scope import APP, tenant_scope
from tenants.models import Project
from tests.people import Tenant

SECRET = "sk-acme-0123456789abcdefWXYZ"
OTHER = "sk-acme-abcdefghijklmnopQRST"


def credential_of(tenant: Tenant, who: str = "owner", **values: Any) -> ProviderCredential:
    """Return a new credential of an organization's."""
    with tenant.acting(who) as actor:
        return create_provider_credential(
            organization=tenant.organization,
            actor=actor,
            **{"name": "OpenAI", "provider": "openai", "secret": SECRET, **values},
        )


def hot(tenant: Tenant, project: Project | None = None, *, scope: Tenant | None = None) -> list[Credential]:
    """Return the credentials that the hot path sees for a project."""
    place = project or tenant.project
    with tenant_scope((scope or tenant).organization), connections[APP].cursor() as cursor:
        cursor.execute("SELECT gateway_credentials(%s, %s)", [tenant.organization.pk, place.pk])
        (rows,) = cursor.fetchone()
    return list(credentials_of(json.loads(rows) if isinstance(rows, str) else rows))


def headers_of(*credentials: Credential) -> list[tuple[bytes, bytes]]:
    """Return what the provider is shown, by a process that knows nothing yet."""

    async def ask() -> list[tuple[bytes, bytes]]:
        process = Credentials()
        try:
            return [header for each in credentials for header in await process.headers(each)]
        finally:
            process.close()

    return asyncio.run(ask())
