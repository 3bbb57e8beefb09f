"""Who manages connections or provisioning says who people are, and becomes nobody who is more than they are."""

import pytest
from django.test import Client

from accounts.services.sso_connections import create_sso_connection, set_sso_enabled
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.models import Group
from tenants.services.groups import set_group_role
from tenants.services.invitations import invite_member
from tenants.services.members import change_role
from tests.people import Tenant, signed_in
from tests.scim.stage import Scim, connection_of, token_of
from tests.sso.hostile import Hostile
from tests.sso.stage import CLIENT_ID, CLIENT_SECRET, Sso, connect, verify_domain
from tests.tenants.stage import at_once, events

ADVICE = "Sign in with your password first"


@pytest.fixture
def rogue(acme: Tenant, idp: Hostile) -> Sso:
    """Return a connection to a provider of the admin's own, which says whatever they like."""
    verify_domain(acme)
    with acme.acting("admin") as admin:
        connection = create_sso_connection(
            organization=acme.organization,
            name="Mine",
            issuer=idp.issuer,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            actor=admin,
        )
        connection = set_sso_enabled(connection=connection, enabled=True, actor=admin)
    return Sso(acme, idp, connection)


def outside(sso: Sso, browser: Client | None = None) -> None:
    """Assert that nobody comes in, and that nothing is remembered."""
    before = sso.identities()
    visit = sso.sign_in(browser)
    assert visit.response.status_code == 403
    assert ADVICE in visit.response.content.decode()
    assert "is an owner" in sso.logins()[-1].reason
    assert sso.identities() == before


def test_an_admin_is_no_owner_through_a_provider_of_their_own(rogue: Sso) -> None:
    rogue.idp.claims |= {"sub": "u-9", "email": "owner@acme.example"}
    outside(rogue)
    admin = signed_in(rogue.tenant.admin)
    outside(rogue, admin)
    assert admin.session["_auth_user_id"] == str(rogue.tenant.admin.pk)


def test_an_owner_comes_through_the_provider_after_their_password(rogue: Sso) -> None:
    rogue.idp.claims |= {"sub": "u-9", "email": "owner@acme.example"}
    browser = signed_in(rogue.tenant.owner)
    assert rogue.sign_in(browser).user_id == str(rogue.tenant.owner.pk)
    assert rogue.sign_in().user_id == str(rogue.tenant.owner.pk), "they are known from then on"


def test_a_session_by_single_sign_on_proves_no_owner(rogue: Sso) -> None:
    other = connect(rogue.tenant, rogue.idp, name="Other")
    rogue.idp.claims |= {"sub": "u-9", "email": "owner@acme.example"}
    browser = signed_in(rogue.tenant.owner)
    rogue.sign_in(browser)
    confined = rogue.sign_in().browser
    outside(other, confined)


def test_an_invitation_to_own_is_not_accepted_for_somebody(rogue: Sso) -> None:
    acme = rogue.tenant
    with acme.acting("owner") as owner:
        invite_member(organization=acme.organization, email="ceo@acme.example", role=acme.role("owner"), actor=owner)
    rogue.idp.claims |= {"sub": "u-9", "email": "ceo@acme.example"}
    outside(rogue)
    with acme.acting("owner"):
        assert not type(acme.membership("owner")).objects.filter(user__email="ceo@acme.example").exists()


def test_an_external_id_is_no_way_to_an_owner(acme: Tenant, idp: Hostile) -> None:
    """Who has the token of provisioning needs no more than an account at the organization's provider."""
    verify_domain(acme)
    scim = Scim(token_of(acme, connection_of(acme)).secret)
    scim.user("owner", externalId="u-mallory")
    sso = connect(acme, idp)
    idp.claims |= {"sub": "u-mallory", "email": "mallory@acme.example"}
    outside(sso)


def test_who_owns_by_a_group_is_an_owner(acme: Tenant, idp: Hostile) -> None:
    verify_domain(acme)
    scim = Scim(token_of(acme, connection_of(acme)).secret)
    scim.group("Founders", scim.user("ada"))
    with acme.acting("owner") as owner:
        founders = Group.objects.get(name="Founders")
        set_group_role(group=founders, role=acme.role("owner"), actor=owner, allow_owner=True)
    sso = connect(acme, idp)
    idp.claims |= {"sub": "u-9", "email": "ada@acme.example"}
    outside(sso)


def test_who_becomes_an_owner_later_is_known_already(acme: Tenant, idp: Hostile) -> None:
    verify_domain(acme)
    sso = connect(acme, idp)
    idp.claims |= {"sub": "u-1", "email": "member@acme.example"}
    sso.sign_in()
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        membership = acme.membership("member")
        change_role(membership=membership, role=acme.role("owner"), actor=SYSTEM)
    assert sso.sign_in().user_id == str(acme.member.pk)


def test_the_same_external_id_in_another_directory_is_somebody_else(
    acme: Tenant, idp: Hostile, other_idp: Hostile
) -> None:
    verify_domain(acme)
    scim = Scim(token_of(acme, connection_of(acme)).secret)
    scim.user("grace", externalId="1001")
    connect(acme, idp)
    contractors = connect(acme, other_idp, name="Contractors")
    other_idp.claims |= {"sub": "1001", "email": "mallory@contractor.example"}
    visit = contractors.sign_in()
    assert (visit.user_id, visit.response.status_code) == (None, 403)
    assert contractors.identities() == []


@pytest.mark.parametrize("time", range(3))
def test_two_first_sign_ins_at_once_are_one_person(acme: Tenant, idp: Hostile, time: int) -> None:
    verify_domain(acme)
    sso = connect(acme, idp, joining="anybody")
    visits = at_once(sso.sign_in, sso.sign_in)
    assert [visit.response.status_code for visit in visits] == [302, 302], visits
    assert visits[0].user_id == visits[1].user_id
    assert sso.identities() == ["grace"]
    assert len(events(acme, "sso_identity.linked")) == 1
