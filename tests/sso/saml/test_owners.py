"""Other keys or another entity ID end that a SAML provider makes owners: anybody can write metadata."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from accounts.models import SsoConnection
from accounts.services.sso_connections import refresh_sso_connection, update_sso_connection
from accounts.services.sso_owners import allow_owners
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tests.people import Tenant
from tests.sso.saml.provider import SamlIdp, key_pair
from tests.sso.saml.stage import Saml, connect_saml
from tests.sso.stage import verify_domain
from tests.tenants.stage import events

REAL = "https://idp.example"
OWNERS = "portal-owners"


def idp_of(who: str, entity_id: str = REAL, subject: str = "u-1") -> SamlIdp:
    """Return a provider with a key of `who`, which says of the member that they are an owner."""
    attributes = {"email": "member@acme.example", "groups": ["x", OWNERS]}
    return SamlIdp(entity_id, name_id=subject, keys=[key_pair(who)], attributes=attributes)


@pytest.fixture
def saml(acme: Tenant) -> Saml:
    """Return acme's connection, whose provider makes owners."""
    verify_domain(acme)
    saml = connect_saml(acme, idp_of("real"), groups_claim="groups")
    allow(saml)
    return saml


def allow(saml: Saml) -> None:
    """Let an owner allow it."""
    with saml.tenant.acting("owner") as owner:
        allow_owners(connection=saml.connection, value=OWNERS, actor=owner)


def value_of(saml: Saml) -> str:
    """Return what makes owners now."""
    with tenant_scope(saml.tenant.organization):
        return str(SsoConnection.objects.get(pk=saml.connection.pk).owner_value)


def role_of(saml: Saml) -> str:
    """Return the member's role."""
    with tenant_scope(saml.tenant.organization):
        return str(saml.tenant.membership("member").role.key)


@pytest.mark.parametrize("entity_id", [REAL, "https://other.example"])
def test_metadata_of_an_admins_own_make_no_owner(saml: Saml, entity_id: str) -> None:
    forged = idp_of("mallory", entity_id)
    with saml.tenant.acting("admin") as admin:
        update_sso_connection(connection=saml.connection, metadata_xml=forged.metadata(), actor=admin)
    assert value_of(saml) == ""
    assert Saml(saml.tenant, forged, saml.connection).sign_in().user_id
    assert role_of(saml) == "member"


def test_another_attribute_for_who_somebody_is_ends_it(saml: Saml) -> None:
    with saml.tenant.acting("admin") as admin:
        update_sso_connection(connection=saml.connection, subject_attribute="department", actor=admin)
    assert value_of(saml) == ""


def test_the_value_makes_an_owner_and_the_same_metadata_leave_that(saml: Saml) -> None:
    assert saml.sign_in().user_id
    assert role_of(saml) == "owner"
    with saml.tenant.acting("owner") as owner:
        update_sso_connection(connection=saml.connection, metadata_xml=saml.idp.metadata(), actor=owner)
    assert value_of(saml) == OWNERS


@pytest.fixture
def page() -> Iterator[Callable[[str], str]]:
    """Return a function that publishes metadata on loopback and returns their address."""
    published: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = published[-1].encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            return

    def publish(text: str) -> str:
        published.append(text)
        return f"http://127.0.0.1:{server.server_port}/metadata"

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield publish
        server.shutdown()
        thread.join()


def test_other_certificates_at_the_address_end_it(acme: Tenant, page: Callable[[str], str]) -> None:
    """Who may write to the address need not be who runs the provider."""
    verify_domain(acme)
    idp = idp_of("real")
    saml = connect_saml(acme, idp, metadata_xml="", metadata_url=page(idp.metadata()), groups_claim="groups")
    allow(saml)
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        refresh_sso_connection(connection=SsoConnection.objects.get())
    assert value_of(saml) == OWNERS, "the same ones"
    forged = idp_of("mallory")
    page(forged.metadata())
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        refresh_sso_connection(connection=SsoConnection.objects.get())
    assert value_of(saml) == ""
    (ended,) = events(acme, "sso_connection.owners_ended")
    assert ended.actor_kind == "system"
    assert Saml(acme, forged, saml.connection).sign_in().user_id
    assert role_of(saml) == "member"
