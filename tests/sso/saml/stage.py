"""An organization with a SAML connection, and people who come through it in a browser."""

import base64
import re
from dataclasses import dataclass
from html import unescape
from typing import Any

from django.test import Client

from accounts.models import SsoConnection, SsoIdentity, SsoLogin, SsoSession
from accounts.services.sso_connections import create_saml_connection, set_sso_enabled
from accounts.sso.saml.addresses import acs_url, entity_id
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tests.people import Tenant
from tests.sso.saml.provider import RIGHT, Asked, SamlIdp, Wrong
from tests.sso.stage import Visit

_FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


@dataclass(frozen=True)
class Saml:
    """A connection of a tenant.

    Attributes:
        tenant: whose.
        idp: the provider.
        connection: the stored connection.
    """

    tenant: Tenant
    idp: SamlIdp
    connection: SsoConnection

    def path(self, page: str) -> str:
        """Return one of the connection's addresses: metadata, acs, slo, confirm."""
        return f"/sso/{self.connection.pk}/saml/{page}/"

    @property
    def unasked(self) -> Asked:
        """Return what a provider knows that answers without having been asked."""
        return Asked("", acs_url(self.connection.pk), entity_id(self.connection.pk), "", "")

    def leave(self, browser: Client, start: str = "", **query: str) -> Asked:
        """Send a browser to the provider; return what that was asked."""
        response = browser.get(start or f"/sso/{self.connection.pk}/start/", query)
        assert response.status_code == 302, response.content.decode()
        return self.idp.read(response["Location"])

    def bring(self, browser: Client, content: bytes | str, **fields: str) -> Any:
        """Bring a response as a browser does: without its session, then from the page that answers."""
        text = content if isinstance(content, str) else base64.b64encode(content).decode()
        first = Client().post(self.path("acs"), {"SAMLResponse": text, **fields})
        assert "Set-Cookie" not in first.headers
        if first.status_code != 200:
            return first
        carried = {name: unescape(value) for name, value in _FIELD.findall(first.content.decode())}
        return browser.post(self.path("acs"), carried)

    def sign_in(self, browser: Client | None = None, wrong: Wrong = RIGHT, **query: str) -> Visit:
        """Sign in with a browser, a new one without; return how that ended."""
        browser = browser or Client()
        asked = self.leave(browser, **query)
        return Visit(browser, self.bring(browser, self.idp.response(asked, wrong)))

    def logins(self) -> list[SsoLogin]:
        """Return how the sign-ins went, oldest first."""
        with tenant_scope(self.tenant.organization):
            return list(SsoLogin.objects.filter(connection=self.connection).order_by("time"))

    def identities(self) -> list[str]:
        """Return the subjects that are known, in order."""
        with tenant_scope(self.tenant.organization):
            return sorted(SsoIdentity.objects.filter(connection=self.connection).values_list("subject", flat=True))

    def open_sessions(self) -> int:
        """Return how many sessions at the provider are open."""
        with tenant_scope(self.tenant.organization):
            return int(SsoSession.objects.filter(connection=self.connection, ended_at=None).count())


def connect_saml(tenant: Tenant, idp: SamlIdp, *, enabled: bool = True, **values: Any) -> Saml:
    """Return a connection of the tenant to the provider."""
    given = {"name": "Corporate", "metadata_xml": idp.metadata()}
    with tenant_scope(tenant.organization), acting_as(SYSTEM):
        connection = create_saml_connection(organization=tenant.organization, actor=SYSTEM, **{**given, **values})
        if enabled:
            connection = set_sso_enabled(connection=connection, enabled=True, actor=SYSTEM)
    return Saml(tenant, idp, connection)
