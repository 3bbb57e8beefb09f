"""Anybody can write metadata with the same entity ID: no admin becomes an owner by a certificate of their own."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import SsoConnection, SsoIdentity
from accounts.services.sso_connections import unlink_identity, update_sso_connection
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tests.people import Tenant, signed_in
from tests.sso.saml.provider import SamlIdp, key_pair
from tests.sso.saml.stage import Saml, connect_saml
from tests.sso.stage import verify_domain

REAL = "https://idp.example"


def idp_of(who: str) -> SamlIdp:
    """Return a provider with the real one's entity ID and a key of `who`, which names acme's owner."""
    return SamlIdp(REAL, name_id="u-owner", keys=[key_pair(who)], attributes={"email": "owner@acme.example"})


@pytest.fixture
def saml(acme: Tenant) -> Saml:
    """Return acme's connection, by which its owner has come in."""
    verify_domain(acme)
    saml = connect_saml(acme, idp_of("real"))
    assert saml.sign_in(signed_in(acme.owner)).user_id == str(acme.owner.pk)
    return saml


def change(saml: Saml, who: str, **values: Any) -> SsoConnection:
    """Change the connection as one of acme's people."""
    with saml.tenant.acting(who) as actor:
        return update_sso_connection(connection=saml.connection, actor=actor, **values)


def test_an_admin_speaks_for_no_owner_by_a_key_of_their_own(saml: Saml) -> None:
    forged = idp_of("mallory")
    for values in ({"metadata_xml": forged.metadata()}, {"subject_attribute": "email"}):
        with pytest.raises(DomainError, match="Owners come in through") as refused:
            change(saml, "admin", **values)
        assert refused.value.code == "above_own_permissions"
    visit = Saml(saml.tenant, forged, saml.connection).sign_in(Client())
    assert (visit.user_id, visit.response.status_code) == (None, 403)


def test_nor_by_way_of_another_entity_id(saml: Saml) -> None:
    change(saml, "admin", metadata_xml=SamlIdp("https://other.example", keys=[key_pair("mallory")]).metadata())
    with pytest.raises(DomainError, match="Owners come in through"):
        change(saml, "admin", metadata_xml=idp_of("mallory").metadata())


def test_what_says_nothing_of_people_is_an_admins_to_change(saml: Saml) -> None:
    assert change(saml, "admin", name="Directory", metadata_xml=saml.idp.metadata(), joining="anybody").name


def test_an_owner_may_and_so_may_an_admin_once_owners_are_forgotten(saml: Saml) -> None:
    change(saml, "owner", metadata_xml=idp_of("next").metadata())
    with saml.tenant.acting("admin") as admin:
        unlink_identity(identity=SsoIdentity.objects.get(), actor=admin)
    change(saml, "admin", metadata_xml=idp_of("mallory").metadata())
    visit = Saml(saml.tenant, idp_of("mallory"), saml.connection).sign_in(Client())
    assert visit.user_id is None
    with tenant_scope(saml.tenant.organization):
        assert not SsoIdentity.objects.exists()
