"""A domain that fails its check: who manages single sign-on hears what rests on it, before it is lost and then."""

from datetime import timedelta

import pytest
from django.test import Client

from isolation.scope import tenant_scope
from tenants.models import Domain
from tenants.tasks import check_domains
from tests.people import Tenant, signed_in
from tests.sso.hostile import Hostile
from tests.sso.stage import Sso, connect
from tests.tenants.domains.conftest import zone
from tests.tenants.domains.nameserver import NameServer
from tests.tenants.domains.stage import failing_for, proven

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
