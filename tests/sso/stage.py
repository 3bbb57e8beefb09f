"""An organization with an OpenID provider, and people who sign in there in a browser."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.test import Client

from accounts.models import SsoConnection, SsoIdentity, SsoLogin
from accounts.services.sso_connections import create_sso_connection, set_sso_enabled
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.services.domains import confirm_domain
from tests.people import Tenant
from tests.sso.hostile import Hostile

CLIENT_ID = "gatehouse"
CLIENT_SECRET = "s3cret: % and ü"


@dataclass(frozen=True)
class Sso:
    """A connection of a tenant.

    Attributes:
        tenant: whose.
        idp: the provider.
        connection: the stored connection.
    """

    tenant: Tenant
    idp: Hostile
    connection: SsoConnection

    @property
    def start(self) -> str:
        """Return where a sign-in begins."""
        return f"/sso/{self.connection.pk}/start/"

    def leave(self, browser: Client, start: str = "", **query: str) -> str:
        """Send a browser to the provider; return where that sends it back to, as a path with its query."""
        response = browser.get(start or self.start, query)
        assert response.status_code == 302, response.content.decode()
        parts = urlsplit(self.idp.authorize(response["Location"]))
        return f"{parts.path}?{parts.query}"

    def sign_in(self, browser: Client | None = None, **query: str) -> "Visit":
        """Sign in with a browser, a new one without; return how that ended."""
        browser = browser or Client()
        return Visit(browser, browser.get(self.leave(browser, **query)))

    def logins(self) -> list[SsoLogin]:
        """Return how the sign-ins went, oldest first."""
        with tenant_scope(self.tenant.organization):
            return list(SsoLogin.objects.filter(connection=self.connection).order_by("time"))

    def identities(self) -> list[str]:
        """Return the subjects that are known, in order."""
        with tenant_scope(self.tenant.organization):
            return sorted(SsoIdentity.objects.filter(connection=self.connection).values_list("subject", flat=True))


@dataclass(frozen=True)
class Visit:
    """A browser that came back.

    Attributes:
        browser: with its session.
        response: to the provider's redirect.
    """

    browser: Client
    response: Any

    @property
    def user_id(self) -> str | None:
        """Return who is signed in, None for nobody."""
        return self.browser.session.get("_auth_user_id")


def verify_domain(tenant: Tenant, name: str = "") -> None:
    """Let an operator vouch for the tenant's domain."""
    with tenant_scope(tenant.organization), acting_as(SYSTEM):
        name = name or f"{tenant.organization.slug}.example"
        confirm_domain(organization=tenant.organization, name=name, reason="Known to us", actor=SYSTEM)


def connect(tenant: Tenant, idp: Hostile, *, enabled: bool = True, **values: Any) -> Sso:
    """Return a connection of the tenant to the provider."""
    given = {"name": "Corporate", "issuer": idp.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    with tenant_scope(tenant.organization), acting_as(SYSTEM):
        connection = create_sso_connection(organization=tenant.organization, actor=SYSTEM, **{**given, **values})
        if enabled:
            connection = set_sso_enabled(connection=connection, enabled=True, actor=SYSTEM)
    return Sso(tenant, idp, connection)
