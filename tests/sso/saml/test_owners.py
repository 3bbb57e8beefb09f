"""Other keys, another entity ID or another address end that a SAML provider makes owners: anybody can write metadata."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import SsoConnection
from accounts.services.sso_connections import refresh_sso_connection, update_sso_connection
from accounts.services.sso_owners import allow_owners
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tests.people import Tenant
from tests.sso.hostile import Answer, Behaviour, Hostile, hostile_provider
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
        return SsoConnection.objects.get(pk=saml.connection.pk).owner_value


def role_of(saml: Saml) -> str:
    """Return the member's role."""
    with tenant_scope(saml.tenant.organization):
        return saml.tenant.membership("member").role.key


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
def address(settings: Any) -> Any:
    """Return a server and where metadata stand there."""
    import ipaddress

    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    with hostile_provider(client_id="x", client_secret="x") as provider:
        yield provider


def test_other_certificates_at_the_address_end_it(acme: Tenant, address: Hostile, serve: Callable[..., str]) -> None:
    verify_domain(acme)
