"""Refusals: what they say, what they never say, and that they work everywhere."""

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import MissingPermission
from isolation.scope import tenant_scope
from portal.views import refused
from tenants.access import user_actor
from tenants.grantors import who_can_grant
from tenants.permissions import P
from tenants.services.groups import add_group_member, create_group, set_group_role
from tenants.services.members import set_member_active
from tenants.services.organizations import suspend_organization
from tenants.services.roles import create_role
from tests.people import Tenant, signed_in
from tests.tenants.stage import join

pytestmark = pytest.mark.django_db


def refusal_in(tenant: Tenant, user: User, permission: str, rf: RequestFactory) -> HttpResponse:
    """Return the page that `user` gets in the organization for a missing permission."""
    request: HttpRequest = rf.get(f"/o/{tenant.organization.slug}/members/")
    with tenant_scope(tenant.organization):
        actor = user_actor(user, tenant.organization.pk)
        request.user, request.organization, request.actor = user, tenant.organization, actor  # type: ignore[attr-defined]
        with acting_as(actor):
            return refused.forbidden(request, MissingPermission(permission))


def test_a_stranger_learns_nobodys_name(acme: Tenant, stranger: User, rf: RequestFactory) -> None:
    page = refusal_in(acme, stranger, P.MEMBERS_INVITE, rf)
    assert page.status_code == 403
    assert "acme" not in page.content.decode().lower().replace("/o/acme/", "").replace("back to acme", "")
    # By the address they never get as far as the page above.
    response = signed_in(stranger).get("/o/acme/")
    assert response.status_code == 404
    assert "owner@acme.example" not in response.text
    assert "Acme" not in response.text


def test_the_missing_permission_is_named_with_who_can_grant_it(acme: Tenant, rf: RequestFactory) -> None:
    page = refusal_in(acme, acme.viewer, P.MEMBERS_INVITE, rf)
    text = page.content.decode()
    assert page.status_code == 403
    assert "members:invite" in text
    assert "Owner, Admin" in text
    assert "owner@acme.example" in text
    assert "admin@acme.example" in text
    assert "member@acme.example" not in text
    assert 'href="/o/acme/"' in text


def test_nobody_is_named_who_does_not_hold_it_themselves(acme: Tenant, rf: RequestFactory) -> None:
    text = refusal_in(acme, acme.admin, P.ORGANIZATION_DELETE, rf).content.decode()
    assert "owner@acme.example" in text
    assert "mailto:admin@acme.example" not in text


def test_custom_roles_and_groups_count(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        people = create_role(
            organization=acme.organization, name="People", permissions=[P.MEMBERS_MANAGE, P.MEMBERS_INVITE], actor=actor
        )
        group = create_group(organization=acme.organization, name="HR", actor=actor)
        set_group_role(group=group, role=people, actor=actor)
        add_group_member(group=group, membership=acme.membership("viewer"), actor=actor)
        set_member_active(membership=acme.membership("admin"), active=False, actor=actor)
        helpers = [member.user.email for member in who_can_grant(P.MEMBERS_INVITE)]
    assert helpers == ["owner@acme.example", "viewer@acme.example"]


def test_at_most_five_are_named_owners_first(acme: Tenant) -> None:
    with acme.acting("owner"):
        for number in range(6):
            join(acme, f"a{number}", acme.role("admin"))
        helpers = [member.user.email for member in who_can_grant(P.MEMBERS_INVITE)]
    assert helpers == ["owner@acme.example", *(f"a{number}@acme.example" for number in range(4))]


def test_the_operator_console_is_for_operators(acme: Tenant) -> None:
    response = signed_in(acme.owner).get("/admin/")
    assert response.status_code == 403
    assert "For operators only" in response.text
    assert Client().get("/admin/")["Location"] == "/accounts/login/?next=%2Fadmin%2F"


@pytest.mark.parametrize("address", ["/o/acme/", "/o/acme/no/such/page/", "/o/nowhere/", "/o/nowhere/members/"])
def test_foreign_and_missing_organizations_look_the_same(acme: Tenant, stranger: User, address: str) -> None:
    response = signed_in(stranger).get(address)
    assert response.status_code == 404
    assert "There is no such page" in response.text
    assert "acme" not in response.text.lower().replace("acme.example", "")


def test_a_missing_page_inside_leads_back(acme: Tenant) -> None:
    response = signed_in(acme.viewer).get("/o/acme/no/such/page/")
    assert response.status_code == 404
    assert 'href="/o/acme/"' in response.text
    assert 'href="/accounts/profile/"' in response.text


def test_a_missing_page_outside(db: None) -> None:
    assert "There is no such page" in Client().get("/no-such-page/").text


def test_the_server_error_page_asks_nothing(rf: RequestFactory) -> None:
    with CaptureQueriesContext(connection) as queries:
        response = refused.server_error(rf.get("/"))
    assert response.status_code == 500
    assert not queries
    assert "The fault is ours" in response.content.decode()


def test_a_server_error_names_the_request(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.views.landing.memberships_of", lambda _: 1 / 0)
    client = signed_in(acme.viewer)
    client.raise_request_exception = False
    response = client.get("/")
    assert response.status_code == 500
    assert response["X-Request-ID"] in response.text


def test_a_suspended_organization_tells_its_members_why(acme: Tenant, stranger: User) -> None:
    with tenant_scope(acme.organization):
        suspend_organization(organization=acme.organization, actor=SYSTEM, reason="The invoice of May is open")
    response = signed_in(acme.viewer).get("/o/acme/")
    assert response.status_code == 403
    assert "The invoice of May is open" in response.text
    assert "owner@acme.example" in response.text
    assert signed_in(stranger).get("/o/acme/").status_code == 404


def test_a_page_that_shows_no_switcher_asks_for_none(db: None) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert Client().get("/no-such-page/").status_code == 404
    assert not queries


@pytest.mark.parametrize("address", ["/", "/accounts/login/", "/no-such-page/", "/o/acme/", "/admin/"])
def test_headers(acme: Tenant, address: str) -> None:
    response = signed_in(acme.viewer).get(address)
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert response["X-Frame-Options"] == "DENY"
    in_console = address.startswith(("/o/", "/admin/"))
    assert ("unsafe" in policy) is in_console
    assert response["Referrer-Policy"] == ("same-origin" if in_console else "strict-origin")
