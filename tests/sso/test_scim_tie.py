"""A connection says which SCIM connection is of its own directory: names of that directory count then, no others."""

from typing import Any

import pytest

from accounts.models import ScimConnection, SsoConnection
from accounts.services.scim_connections import delete_scim_connection
from accounts.services.sso_connections import update_sso_connection
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tests.accounts.api.stage import organization_key, with_key
from tests.api.calls import by
from tests.people import Tenant, signed_in
from tests.scim.stage import Scim, connection_of, token_of
from tests.sso.hostile import Hostile
from tests.sso.stage import Sso, connect, verify_domain
from tests.tenants.stage import events


@pytest.fixture
def directory(acme: Tenant) -> ScimConnection:
    """Return the SCIM connection of the staff's directory."""
    verify_domain(acme)
    return connection_of(acme, "Staff directory")


@pytest.fixture
def staff(acme: Tenant, directory: ScimConnection) -> Scim:
    """Return that directory, as it speaks SCIM."""
    return Scim(token_of(acme, directory).secret)


def tied(acme: Tenant, idp: Hostile, directory: ScimConnection | None, **values: Any) -> Sso:
    return connect(acme, idp, scim_connection=directory, external_id_claim="employee", **values)


def person(idp: Hostile, **claims: Any) -> None:
    idp.claims |= {"sub": "u-7", "email": "", "employee": "", **claims}


def test_another_organizations_connection_is_none(acme: Tenant, globex: Tenant, idp: Hostile) -> None:
    foreign = connection_of(globex, "Theirs")
    sso = connect(acme, idp)
    address = f"/organizations/acme/sso/connections/{sso.connection.pk}"
    response = by(acme.owner).patch(address, {"scim_connection": str(foreign.pk)})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "#/scim_connection")
    page = f"/o/acme/accounts/ssoconnection/{sso.connection.pk}/change/"
    owner = signed_in(acme.owner)
    assert "Theirs" not in owner.get(page).text
    form = {"name": "Corporate", "provider": "other", "issuer": idp.issuer, "client_id": "gatehouse"}
    form |= {"joining": "known", "scopes": "openid", "email_claim": "email", "name_claim": "name"}
    form |= {"external_id_claim": "sub", "scim_connection": str(foreign.pk)}
    assert "Select a valid choice" in owner.post(page, form).text
    with tenant_scope(acme.organization), acting_as(SYSTEM), pytest.raises(Exception, match=r"gone|exist"):
        update_sso_connection(connection=sso.connection, scim_connection=foreign, actor=SYSTEM)
    with tenant_scope(acme.organization):
        assert SsoConnection.objects.get().scim_connection_id is None


def test_an_external_id_counts_although_another_connection_is_on(
    acme: Tenant, idp: Hostile, other_idp: Hostile, directory: ScimConnection, staff: Scim
) -> None:
    staff.user("grace", externalId="1001")
    sso = tied(acme, idp, directory)
    connect(acme, other_idp, name="Contractors")
    person(idp, employee="1001")
    assert sso.sign_in().response["Location"] == "/o/acme/"


def test_an_external_id_of_another_directory_is_nobody(
    acme: Tenant, idp: Hostile, directory: ScimConnection, staff: Scim
) -> None:
    staff.user("grace", externalId="1001")
    sso = tied(acme, idp, connection_of(acme, "Contractors' directory"))
    person(idp, employee="1001")
    assert sso.sign_in().response.status_code == 403


def test_the_same_id_in_two_directories_is_told_apart(
    acme: Tenant, idp: Hostile, directory: ScimConnection, staff: Scim
) -> None:
    contractors = Scim(token_of(acme, connection_of(acme, "Contractors' directory")).secret)
    contractors.user("mallory", externalId="1001")
    staff.user("grace", externalId="1001")
    person(idp, employee="1001")
    sso = tied(acme, idp, directory)
    user_id = sso.sign_in().user_id
    with acme.acting("owner"):
        grace = acme.membership("owner").__class__.objects.get(user__email="grace@acme.example")
    assert user_id == str(grace.user_id)


@pytest.mark.parametrize("is_tied", [True, False])
def test_a_user_name_is_an_address_in_a_verified_domain(
    acme: Tenant, idp: Hostile, directory: ScimConnection, staff: Scim, is_tied: bool
) -> None:
    """The directory knows them by a short name, and by another address."""
    emails = [{"primary": True, "value": "grace.hopper@acme.example"}]
    staff.user("Grace", emails=emails)
    person(idp, email="grace@acme.example")
    assert tied(acme, idp, directory if is_tied else None).sign_in().response["Location"] == "/o/acme/"


def test_a_user_name_elsewhere_is_nobody(acme: Tenant, idp: Hostile, directory: ScimConnection, staff: Scim) -> None:
    emails = [{"primary": True, "value": "grace@acme.example"}]
    staff.user("grace", domain="gmail.example", emails=emails)
    staff.user("ada", active=False, emails=[{"primary": True, "value": "ada.l@acme.example"}])
    for email in ("grace@gmail.example", "ada@acme.example"):
        person(idp, email=email)
        sso = tied(acme, idp, directory, name=f"For {email}")
        assert sso.sign_in().response.status_code == 403, email


def test_a_user_name_of_another_directory_is_nobody(
    acme: Tenant, idp: Hostile, directory: ScimConnection, staff: Scim
) -> None:
    staff.user("grace", emails=[{"primary": True, "value": "grace.hopper@acme.example"}])
    person(idp, email="grace@acme.example")
    sso = tied(acme, idp, connection_of(acme, "Contractors' directory"))
    assert sso.sign_in().response.status_code == 403


def test_a_user_name_is_no_way_to_an_owner(acme: Tenant, idp: Hostile, directory: ScimConnection, staff: Scim) -> None:
    staff.user("mallory", emails=[{"primary": True, "value": "owner@acme.example"}])
    person(idp, email="mallory@acme.example")
    visit = tied(acme, idp, directory).sign_in()
    assert "Sign in with your password first" in visit.response.text


def test_whose_directory_goes_falls_back(acme: Tenant, idp: Hostile, directory: ScimConnection) -> None:
    sso = tied(acme, idp, directory)
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        delete_scim_connection(connection=directory, actor=SYSTEM)
        assert SsoConnection.objects.get(pk=sso.connection.pk).scim_connection_id is None


def test_the_tie_is_in_the_audit_log_and_in_the_api(acme: Tenant, idp: Hostile, directory: ScimConnection) -> None:
    sso = connect(acme, idp)
    key = with_key(organization_key(acme, "sso:read", "sso:manage").secret)
    address = f"/organizations/acme/sso/connections/{sso.connection.pk}"
    change = {"scim_connection": str(directory.pk), "ends_at_provider": False}
    answer = key.patch(address, change).json()
    assert (answer["scim_connection"], answer["ends_at_provider"]) == (str(directory.pk), False)
    assert answer["backchannel_logout_uri"].endswith(f"/sso/{sso.connection.pk}/backchannel-logout/")
    (changed,) = events(acme, "sso_connection.updated")
    assert changed.after == {"scim_connection": "Staff directory", "ends_at_provider": False}
    assert key.patch(address, {"scim_connection": None}).json()["scim_connection"] is None
