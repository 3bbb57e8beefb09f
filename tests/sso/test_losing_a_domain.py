"""A domain that fails its check: who manages single sign-on hears what rests on it, before it is lost and then."""

from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import SsoRequired
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants.models import Domain
from tenants.services.domains import claim_domain, remove_domain
from tenants.tasks import check_domains
from tests.accounts.factors import give_totp
from tests.people import Tenant, signed_in
from tests.sso.hostile import Hostile
from tests.sso.keys import personal_key
from tests.sso.stage import Sso, connect
from tests.sso.test_required import by_password, require
from tests.tenants.domains.conftest import zone
from tests.tenants.domains.nameserver import NameServer
from tests.tenants.domains.stage import failing_for, proven, verify

__all__ = ["zone"]


@pytest.fixture
def domain(acme: Tenant, zone: NameServer) -> Domain:
    return proven(acme, zone)


@pytest.fixture
def sso(acme: Tenant, idp: Hostile, domain: Domain) -> Sso:
    idp.claims |= {"sub": "u-1", "email": "member@acme.example"}
    return connect(acme, idp)


def notices(mailoutbox) -> dict[str, str]:
    """Return the mails about single sign-on, by their addresses."""
    return {mail.to[0]: f"{mail.subject}\n{mail.body}" for mail in mailoutbox if "single sign-on" in mail.subject}


def test_nobody_else_and_no_other_organization_hears(
    sso: Sso, globex: Tenant, other_idp: Hostile, zone: NameServer, mailoutbox
) -> None:
    connect(globex, other_idp)
    zone.records.clear()
    check_domains()
    assert set(notices(mailoutbox)) == {"owner@acme.example", "admin@acme.example"}


def test_who_manages_single_sign_on_hears_it_before_and_then(
    sso: Sso, domain: Domain, zone: NameServer, superuser, mailoutbox
) -> None:
    sso.sign_in()
    zone.records.clear()
    check_domains()
    check_domains()
    before = notices(mailoutbox)["admin@acme.example"]
    assert "Acme: single sign-on is about to lose acme.example" in before
    assert "In 7 days the domain is lost" in before
    assert "to Corporate." in before
    assert f"/o/acme/tenants/domain/{domain.pk}/change/" in before
    assert len([mail for mail in mailoutbox if mail.to == ["admin@acme.example"]]) == 1, "once"
    mailoutbox.clear()
    failing_for(superuser, domain, timedelta(days=7))
    check_domains()
    assert "single sign-on has lost acme.example" in notices(mailoutbox)["admin@acme.example"]
    assert "Nobody signs in with single sign-on" in Client().post("/sso/", {"email": "ada@acme.example"}).text
    sso.idp.claims |= {"sub": "u-2", "email": "viewer@acme.example"}
    assert sso.sign_in().user_id is None
    sso.idp.claims |= {"sub": "u-1"}
    assert sso.sign_in().user_id == str(sso.tenant.member.pk), "who has come before is known"


def lose(domain: Domain, zone: NameServer, superuser) -> None:
    """Let the domain's record be missing for as long as it takes."""
    zone.records.clear()
    check_domains()
    failing_for(superuser, domain, timedelta(days=7))
    check_domains()


def test_losing_it_frees_nobody_from_single_sign_on(
    sso: Sso, domain: Domain, zone: NameServer, superuser, mailoutbox
) -> None:
    """By then the mailboxes may be somebody else's, and with them each "forgot your password"."""
    acme, bearer = sso.tenant, {"Authorization": f"Bearer {personal_key(sso.tenant, 'viewer')}"}
    sso.idp.claims |= {"sub": "u-admin", "email": "admin@acme.example"}
    admin = sso.sign_in().browser
    give_totp(acme.owner)
    require(sso, SsoRequired.DOMAINS)
    mailoutbox.clear()
    lose(domain, zone, superuser)
    assert all("In Acme they stay held to it." in text for text in notices(mailoutbox).values())
    browser, _ = by_password(acme.viewer)
    assert browser.get("/accounts/profile/").status_code == 200, "about the login the organization has no say any more"
    assert browser.get("/o/acme/").status_code == 403
    assert Client().get("/api/v1/organizations/acme", headers=bearer).json()["code"] == "sso_required"
    assert sso.sign_in().browser.get("/o/acme/").status_code == 200, "who has come before is known"
    page = admin.get(f"/o/acme/tenants/domain/{domain.pk}/change/").text
    assert "people with an address there are held to single sign-on" in page


def test_removing_it_frees_people_only_at_the_word_of_who_may_say_so(sso: Sso, domain: Domain) -> None:
    acme = sso.tenant
    sso.sign_in()
    give_totp(acme.owner)
    require(sso, SsoRequired.DOMAINS)
    with acme.acting("admin") as admin, pytest.raises(DomainError, match="Ask an owner"):
        remove_domain(domain=domain, actor=admin)
    with acme.acting("admin") as admin:
        remove_domain(
            domain=claim_domain(organization=acme.organization, name="other.example", actor=admin), actor=admin
        )
    assert signed_in(acme.viewer).get("/o/acme/").status_code == 403
    with acme.acting("owner") as owner:
        remove_domain(domain=domain, actor=owner)
    assert signed_in(acme.viewer).get("/o/acme/").status_code == 200


def test_verified_again_it_is_as_before(sso: Sso, domain: Domain, zone: NameServer, superuser) -> None:
    lose(domain, zone, superuser)
    zone.publish(domain)
    again = verify(sso.tenant, domain)
    assert again.is_verified
    assert again.lost_at is None


def test_a_connection_that_is_off_is_not_worth_a_mail(acme: Tenant, idp, domain: Domain, zone, mailoutbox) -> None:
    connect(acme, idp, enabled=False)
    zone.records.clear()
    check_domains()
    assert notices(mailoutbox) == {}


def test_the_pages_say_it_before_it_happens(sso: Sso, domain: Domain, zone: NameServer) -> None:
    owner = signed_in(sso.tenant.owner)
    connection = f"/o/acme/accounts/ssoconnection/{sso.connection.pk}/change/"
    assert "first sign-in by it" in owner.get(f"/o/acme/tenants/domain/{domain.pk}/change/").text
    assert "The DNS record of acme.example is missing." not in owner.get(connection).text
    zone.records.clear()
    check_domains()
    page = owner.get(connection).text
    assert "The DNS record of acme.example is missing." in page
    assert "first sign-ins by such an address are refused" in page
    with tenant_scope(sso.tenant.organization):
        assert Domain.objects.get().failing_since
