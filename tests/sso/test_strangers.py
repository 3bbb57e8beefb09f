"""An organization's identity provider speaks for that organization, and for nobody and nothing else."""

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.models import Membership, Role, Source
from tenants.services.members import add_member
from tests.people import PASSWORD, Tenant, make_user, signed_in
from tests.sso.hostile import Hostile
from tests.sso.stage import Sso, connect, verify_domain
from tests.tenants.stage import events


def join(tenant: Tenant, user: User, role: str = "owner") -> None:
    """Make somebody a member of another organization as well."""
    with tenant_scope(tenant.organization):
        add_member(
            organization=tenant.organization,
            user=user,
            role=Role.objects.get(key=role, is_builtin=True),
            source=Source.MANUAL,
            actor=SYSTEM,
        )


def test_the_same_issuer_and_subject_through_another_connection_are_somebody_else(
    sso: Sso, globex: Tenant, idp: Hostile
) -> None:
    assert sso.sign_in().user_id == str(sso.tenant.member.pk)
    verify_domain(globex)
    foreign = connect(globex, idp)
    visit = foreign.sign_in()
    assert (visit.user_id, visit.response.status_code) == (None, 403)
    assert foreign.identities() == []


def test_a_foreign_address_is_nobody(sso: Sso, globex: Tenant, idp: Hostile) -> None:
    idp.claims |= {"sub": "u-9", "email": "owner@globex.example"}
    visit = sso.sign_in()
    assert (visit.user_id, visit.response.status_code) == (None, 403)
    with tenant_scope(sso.tenant.organization):
        assert not Membership.objects.filter(user=globex.owner).exists()
    assert "in no domain" in sso.logins()[-1].reason
    assert "globex" not in visit.response.content.decode()


def test_no_login_is_made_for_a_foreign_address(acme: Tenant, idp: Hostile) -> None:
    verify_domain(acme)
    sso = connect(acme, idp, joining="anybody")
    idp.claims |= {"sub": "u-9", "email": "ceo@bigcorp.example"}
    assert sso.sign_in().user_id is None
    assert not User.objects.filter(email="ceo@bigcorp.example").exists()


def test_a_session_reaches_the_one_organization_only(sso: Sso, globex: Tenant) -> None:
    member = sso.tenant.member
    join(globex, member)
    browser = sso.sign_in().browser
    assert browser.get("/o/acme/").status_code == 200
    assert "Globex" not in browser.get("/o/acme/").content.decode(), "the switcher"
    for path in ("/o/globex/", "/accounts/profile/", "/accounts/email/", "/accounts/password/change/"):
        assert browser.get(path).status_code == 403, path
    for path in ("/accounts/password/set/", "/accounts/profile/", "/organizations/new/"):
        assert browser.post(path, {"leave": str(globex.organization.pk)}).status_code == 403, path
    assert browser.get("/").headers["Location"] == "/o/acme/"
    assert browser.get("/api/v1/organizations/acme").status_code == 200
    assert browser.get("/api/v1/organizations/globex").status_code == 404
    assert "globex" not in browser.get("/api/v1/me").content.decode()


def test_the_password_opens_the_rest(sso: Sso, globex: Tenant) -> None:
    join(globex, sso.tenant.member)
    browser = sso.sign_in().browser
    wrong = browser.post("/accounts/reauthenticate/", {"password": "wrong"})
    assert wrong.status_code == 200
    assert browser.get("/o/globex/").status_code == 403
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert browser.get("/o/globex/").status_code == 200


def test_an_operator_is_none_through_an_organizations_provider(sso: Sso, idp: Hostile) -> None:
    operator = make_user("root@acme.example", is_operator=True)
    join(sso.tenant, operator, "viewer")
    idp.claims |= {"sub": "u-op", "email": "root@acme.example"}
    visit = sso.sign_in()
    assert visit.user_id == str(operator.pk)
    assert visit.browser.get("/admin/").status_code == 403
    assert visit.browser.get("/o/acme/").status_code == 200


def test_the_log_of_another_organization_hears_nothing(sso: Sso, globex: Tenant) -> None:
    join(globex, sso.tenant.member)
    sso.sign_in()
    assert len(events(sso.tenant, "user.signed_in")) == 1
    assert events(globex, "user.signed_in") == []


def test_a_session_that_the_password_opened_stays_whole(sso: Sso, globex: Tenant) -> None:
    join(globex, sso.tenant.member)
    browser = signed_in(sso.tenant.member)
    assert sso.sign_in(browser).user_id == str(sso.tenant.member.pk)
    assert browser.get("/o/globex/").status_code == 200


def test_somebody_elses_session_ends(sso: Sso, globex: Tenant) -> None:
    browser = signed_in(globex.owner)
    assert sso.sign_in(browser).user_id == str(sso.tenant.member.pk)
    assert browser.get("/o/globex/").status_code == 404


@pytest.mark.parametrize("path", ["change/", "delete/", "enable/", "disable/"])
def test_the_console_shows_another_organizations_connection_to_nobody(sso: Sso, globex: Tenant, path: str) -> None:
    address = f"/o/globex/accounts/ssoconnection/{sso.connection.pk}/{path}"
    assert signed_in(globex.owner).get(address).status_code in {302, 404}
    assert signed_in(globex.owner).get(f"/o/globex/sso/{sso.connection.pk}/test/").status_code == 404
    assert signed_in(globex.owner).get(f"/o/acme/accounts/ssoconnection/{sso.connection.pk}/change/").status_code == 404


@pytest.mark.parametrize("role", ["member", "viewer", "auditor", "none"])
def test_the_console_is_for_who_manages_single_sign_on(sso: Sso, role: str) -> None:
    browser = signed_in(sso.tenant.people[role])
    assert browser.get(f"/o/acme/sso/{sso.connection.pk}/test/").status_code == 403
    assert browser.get("/o/acme/accounts/ssoconnection/").status_code == 403


def test_another_site_ends_no_session(sso: Sso, globex: Tenant) -> None:
    browser = signed_in(globex.owner)
    page = browser.get(sso.start, headers={"Sec-Fetch-Site": "cross-site"})
    assert page.status_code == 200
    assert "You are signed in as owner@globex.example at present." in page.content.decode()
    assert "http-equiv" not in page.content.decode()
    assert Client().get(sso.start, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 302


def test_nobody_learns_of_connections_without_a_verified_domain(acme: Tenant, idp: Hostile) -> None:
    connect(acme, idp)
    page = Client().post("/sso/", {"email": "member@acme.example"}).content.decode()
    assert "Nobody signs in with single sign-on at acme.example" in page
    assert idp.issuer not in page


@pytest.mark.parametrize("client", ["browser", "app"])
def test_no_address_lists_connections_to_nobody(sso: Sso, client: str) -> None:
    """The headless interface of allauth, which lists every tenant's, is not there."""
    answers = [Client().get(f"/_allauth/{client}/v1/config"), Client().get("/_allauth/openapi.json")]
    assert {answer.status_code for answer in answers} == {404}
    assert not [answer for answer in answers if "Corporate" in answer.content.decode()]
    assert "allauth.headless" not in settings.INSTALLED_APPS
    assert "allauth.socialaccount" not in settings.INSTALLED_APPS
