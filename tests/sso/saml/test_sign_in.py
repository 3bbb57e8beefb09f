"""People sign in through their organization's SAML identity provider."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import SamlMessage, SsoSession
from accounts.sso.returning import Return
from accounts.sso.signed_in import SignedIn
from accounts.tasks import forget_requests
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.models import Source
from tenants.services.members import add_member
from tests.people import Tenant, make_user
from tests.sso.saml.provider import CLASS, SamlIdp, Wrong
from tests.sso.saml.stage import Saml, connect_saml
from tests.sso.stage import verify_domain
from tests.tenants.stage import events


def test_a_member_signs_in_and_comes_again(saml: Saml, idp: SamlIdp) -> None:
    visit = saml.sign_in()
    assert visit.response.status_code == 302, [(login.reason, login.checks) for login in saml.logins()]
    assert visit.response.headers["Location"] == "/o/acme/"
    assert visit.user_id == str(saml.tenant.member.pk)
    assert saml.identities() == ["u-1"]
    idp.attributes |= {"email": "changed@acme.example"}
    assert saml.sign_in().user_id == str(saml.tenant.member.pk), "the subject counts, not the address"
    assert [login.succeeded for login in saml.logins()] == [True, True]


def test_it_is_in_the_audit_log(saml: Saml) -> None:
    saml.sign_in()
    (linked,) = events(saml.tenant, "sso_identity.linked")
    assert (linked.actor_kind, linked.actor_label) == ("identity_provider", "Corporate (single sign-on)")
    assert len(events(saml.tenant, "user.signed_in")) == 1


def test_the_request_is_signed(saml: Saml) -> None:
    query = parse_qs(urlsplit(Client().get(f"/sso/{saml.connection.pk}/start/")["Location"]).query)
    assert {"SAMLRequest", "SigAlg", "Signature"} == query.keys()


def test_a_provider_that_takes_forms_only(acme: Tenant, idp: SamlIdp) -> None:
    idp.endpoints = {"SSO-POST": "/sso"}
    saml = connect_saml(acme, idp)
    page = Client().get(f"/sso/{saml.connection.pk}/start/")
    assert page.status_code == 200
    assert 'action="https://idp.example/sso"' in page.content.decode()
    assert "form-action https: https://idp.example;" in page.headers["Content-Security-Policy"]


def test_the_way_back_stays_inside_the_organization(saml: Saml) -> None:
    assert saml.sign_in(next="/o/acme/tenants/project/").response["Location"] == "/o/acme/tenants/project/"
    assert saml.sign_in(next="https://evil.example/").response["Location"] == "/o/acme/"


def test_somebody_unknown_stays_outside(saml: Saml, idp: SamlIdp) -> None:
    idp.name_id, idp.attributes = "u-2", {"email": "grace@acme.example"}
    assert saml.sign_in().response.status_code == 403
    assert "neither provisioned nor invited" in saml.logins()[-1].reason


def test_a_foreign_address_is_nobody(saml: Saml, idp: SamlIdp, globex: Tenant) -> None:
    idp.name_id, idp.attributes = "u-2", {"email": "owner@globex.example"}
    assert saml.sign_in().user_id is None
    assert "in no domain" in saml.logins()[-1].reason


def test_the_same_subject_through_another_organizations_connection_is_somebody_else(
    saml: Saml, globex: Tenant, idp: SamlIdp
) -> None:
    assert saml.sign_in().user_id
    verify_domain(globex)
    assert connect_saml(globex, idp).sign_in().user_id is None


def test_an_owner_proves_the_password_first(saml: Saml, idp: SamlIdp) -> None:
    idp.name_id, idp.attributes = "u-o", {"email": "owner@acme.example"}
    assert saml.sign_in().user_id is None
    assert "is an owner" in saml.logins()[-1].reason


def test_a_session_ends_with_the_providers(saml: Saml) -> None:
    browser = saml.sign_in(wrong=Wrong(session_until=timedelta(minutes=30))).browser
    assert browser.get("/api/v1/organizations/acme").status_code == 200
    with tenant_scope(saml.tenant.organization):
        SsoSession.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    assert browser.get("/api/v1/organizations/acme").status_code == 401


def test_what_is_used_up_is_forgotten(saml: Saml) -> None:
    saml.sign_in()
    with tenant_scope(saml.tenant.organization):
        assert SamlMessage.objects.count() == 1
        SamlMessage.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    forget_requests()
    with tenant_scope(saml.tenant.organization):
        assert SamlMessage.objects.count() == 0


def test_how_they_proved_who_they_are_is_kept(saml: Saml, monkeypatch: Any) -> None:
    seen: list[SignedIn] = []
    let_in = Return._let_in

    def watched(self: Return, membership: Any, found: SignedIn) -> Any:
        seen.append(found)
        return let_in(self, membership, found)

    monkeypatch.setattr(Return, "_let_in", watched)
    saml.sign_in()
    assert [found.assurance for found in seen] == [(CLASS,)]


def test_a_sign_in_takes_the_same_statements_however_many_people_there_are(saml: Saml, idp: SamlIdp) -> None:
    def statements() -> int:
        browser = Client()
        content = idp.response(saml.leave(browser))
        with CaptureQueriesContext(database) as queries:
            assert saml.bring(browser, content).status_code == 302
        return len(queries)

    saml.sign_in()
    few = statements()
    for number in range(20):
        user = make_user(f"more{number}@acme.example")
        with tenant_scope(saml.tenant.organization):
            role = saml.tenant.role("viewer")
            add_member(organization=saml.tenant.organization, user=user, role=role, source=Source.MANUAL, actor=SYSTEM)
    assert statements() == few
