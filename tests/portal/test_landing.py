"""The landing page: what each person sees, and creating an organization."""

import psycopg
import pytest
from django.test import Client

from accounts.models import User
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.models import Membership, Organization
from tenants.models.installation import WhoMayCreate
from tenants.services.installation import update_installation_settings
from tenants.services.invitations import invite_member
from tenants.services.members import set_member_active
from tenants.services.organizations import request_deletion, suspend_organization
from tests.people import PASSWORD, Tenant, make_tenant, make_user, signed_in

pytestmark = pytest.mark.django_db


def test_a_stranger_sees_nothing_of_another_organization(acme: Tenant, stranger: User) -> None:
    page = signed_in(stranger).get("/")
    assert page.status_code == 200
    assert "Acme" not in page.text
    assert "/o/acme/" not in page.text
    assert "Globex" in page.text


def test_signed_out_leads_to_sign_in() -> None:
    response = Client().get("/")
    assert response.status_code == 302
    assert response["Location"] == "/accounts/login/"


def test_organizations_are_listed_with_role_and_state(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        request_deletion(organization=acme.organization, actor=actor)
    page = signed_in(acme.viewer).get("/")
    assert 'href="/o/acme/"' in page.text
    assert "Viewer" in page.text
    assert "Will be deleted on" in page.text
    with tenant_scope(acme.organization):
        suspend_organization(organization=acme.organization, actor=SYSTEM, reason="Unpaid")
    assert "Suspended" in signed_in(acme.viewer).get("/").text


def test_a_deactivated_membership_is_no_way_in(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        set_member_active(membership=acme.membership("viewer"), active=False, actor=actor)
    page = signed_in(acme.viewer).get("/")
    assert 'href="/o/acme/"' not in page.text
    assert "Your membership is deactivated" in page.text


def test_somebody_without_an_organization_is_told_what_to_do(db: None) -> None:
    user = make_user("lone@example.org")
    page = signed_in(user).get("/").text
    assert "lone@example.org" in page
    assert "Ask to be invited" in page
    assert 'href="/organizations/new/"' in page
    update_installation_settings(actor=SYSTEM, organization_creation=WhoMayCreate.OPERATORS)
    page = signed_in(user).get("/").text
    assert 'href="/organizations/new/"' not in page
    assert "only the operators of this installation create organizations" in page


def test_operators_find_their_console(operator: User) -> None:
    assert 'href="/admin/"' in signed_in(operator).get("/").text


@pytest.mark.parametrize("organizations", [0, 3])
def test_the_number_of_queries_does_not_grow(django_assert_num_queries, organizations: int) -> None:
    user = make_user("busy@example.org")
    for number in range(organizations):
        tenant = make_tenant(f"place-{number}", everybody=False)
        with tenant.acting("owner") as actor:
            invite_member(organization=tenant.organization, email=user.email, role=tenant.role("viewer"), actor=actor)
    client = signed_in(user)
    # transaction (2), session, user, memberships, address, invitations, installation settings
    with django_assert_num_queries(8):
        assert client.get("/").status_code == 200


def test_creating_an_organization_makes_its_owner(db: None) -> None:
    client = signed_in(make_user("founder@example.org"))
    assert "pattern=" in client.get("/organizations/new/").text
    response = client.post("/organizations/new/", {"name": "Initech", "slug": "initech"})
    assert response["Location"] == "/o/initech/"
    summary = _organization("initech")
    with tenant_scope(summary):
        assert Membership.objects.get(user__email="founder@example.org").role.is_owner


def test_a_refused_organization_says_why_at_the_field(acme: Tenant) -> None:
    client = signed_in(acme.viewer)
    update_installation_settings(
        actor=SYSTEM, organization_naming_pattern="^(acme|client-.+)$", organization_naming_hint="client-acme-corp"
    )
    assert "client-acme-corp" in client.get("/organizations/new/").text
    for slug, words in {"acme": "is taken", "Bad Slug": "lower-case letters", "other": "follow a pattern"}.items():
        response = client.post("/organizations/new/", {"name": "X", "slug": slug})
        assert response.status_code == 200
        assert words in " ".join(response.context["form"].errors["slug"])


def test_only_operators_create_when_the_installation_says_so(acme: Tenant, operator: User) -> None:
    update_installation_settings(actor=SYSTEM, organization_creation=WhoMayCreate.OPERATORS)
    response = signed_in(acme.owner).post("/organizations/new/", {"name": "X", "slug": "x-corp"})
    assert response.status_code == 403
    assert "Only operators create organizations" in response.text
    assert signed_in(operator).post("/organizations/new/", {"name": "X", "slug": "x-corp"}).status_code == 302


def test_signing_in_leads_to_the_only_organization(acme: Tenant, globex: Tenant) -> None:
    def after_sign_in(email: str) -> str:
        return Client().post("/accounts/login/", {"login": email, "password": PASSWORD})["Location"]

    assert after_sign_in(acme.viewer.email) == "/o/acme/"
    with globex.acting("owner") as actor:
        invite_member(
            organization=globex.organization, email=acme.viewer.email, role=globex.role("viewer"), actor=actor
        )
    assert after_sign_in(acme.viewer.email) == "/"


def test_leaving_an_organization(acme: Tenant) -> None:
    client = signed_in(acme.viewer)
    assert "Leave Acme" in client.get("/accounts/profile/").text
    assert client.post("/accounts/profile/", {"leave": acme.organization.pk}).status_code == 302
    with tenant_scope(acme.organization):
        assert not Membership.objects.filter(user=acme.viewer).exists()


def test_the_last_owner_cannot_leave(acme: Tenant) -> None:
    client = signed_in(acme.owner)
    response = client.post("/accounts/profile/", {"leave": acme.organization.pk}, follow=True)
    assert "keeps at least one active owner" in response.text


@pytest.mark.parametrize("target", ["nonsense", "organization"])
def test_nobody_leaves_for_others(acme: Tenant, stranger: User, target: str) -> None:
    leave = str(acme.organization.pk) if target == "organization" else target
    assert signed_in(stranger).post("/accounts/profile/", {"leave": leave}).status_code == 404


def test_the_name_is_changed_on_the_profile(acme: Tenant) -> None:
    signed_in(acme.viewer).post("/accounts/profile/", {"name": "Vera"})
    acme.viewer.refresh_from_db()
    assert acme.viewer.name == "Vera"


def test_an_expired_invitation_is_not_offered(acme: Tenant, superuser: psycopg.Connection) -> None:
    user = make_user("guest@example.org")
    with acme.acting("owner") as actor:
        invite_member(organization=acme.organization, email=user.email, role=acme.role("viewer"), actor=actor)
    assert "Accept" in signed_in(user).get("/").text
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("UPDATE tenants_invitation SET expires_at = now() - interval '1 minute'")
    assert "Accept" not in signed_in(user).get("/").text


def _organization(slug: str) -> Organization:
    from tenants.lookups import organization_id_of  # noqa: PLC0415

    organization_id = organization_id_of(slug)
    assert organization_id
    with tenant_scope(organization_id):
        organization: Organization = Organization.objects.get()
        return organization
