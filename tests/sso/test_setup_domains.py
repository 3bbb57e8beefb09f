"""Whoever sets up a connection by a link publishes the records of the organization's domains, and nothing more."""

import pytest
from django.test import Client

from accounts.services.sso_setup import IssuedSetupLink, holder_of, look_for_domain, waiting_domains
from isolation.context import acting_as
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tenants.models import Domain
from tenants.services.domains import claim_domain, remove_domain, verify_domain
from tests.people import Tenant
from tests.sso.hostile import Hostile
from tests.sso.test_setup_links import filled_in, home_of, made, opened
from tests.tenants.domains.conftest import zone
from tests.tenants.domains.nameserver import NameServer
from tests.tenants.domains.stage import claim, proven, stored
from tests.tenants.stage import events

__all__ = ["zone"]


@pytest.fixture
def issued(acme: Tenant) -> IssuedSetupLink:
    return made(acme)


@pytest.fixture
def holder(issued: IssuedSetupLink, idp: Hostile) -> Client:
    """Return a browser that has opened the link and made its connection."""
    browser = opened(issued)
    assert filled_in(browser, issued, idp).status_code == 302
    return browser


def page(holder: Client, issued: IssuedSetupLink) -> str:
    return holder.get(f"{home_of(issued)}connection/").text


def check(holder: Client, issued: IssuedSetupLink, domain: Domain) -> str:
    """Press the button; return what the page says then."""
    return holder.post(f"{home_of(issued)}domains/{domain.pk}/", follow=True).text


def test_another_organizations_domain_is_not_looked_for(
    globex: Tenant, zone: NameServer, issued: IssuedSetupLink, holder: Client
) -> None:
    theirs = claim(globex, "globex.example")
    zone.publish(theirs)
    assert "globex.example" not in page(holder, issued)
    assert "waits for no record" in check(holder, issued, theirs)
    assert not stored(globex, theirs).is_verified


def test_a_record_is_published_and_found(
    acme: Tenant, zone: NameServer, issued: IssuedSetupLink, holder: Client
) -> None:
    known = proven(acme, zone, "known.example")
    domain = claim(acme)
    shown = page(holder, issued)
    assert domain.record_value in shown
    assert known.name not in shown, "what needs nothing is not told"
    assert "_gatehouse.acme.example" in check(holder, issued, domain)
    assert not stored(acme, domain).is_verified
    zone.publish(domain)
    told = check(holder, issued, domain)
    assert "The record was found" in told
    assert "acme.example" not in told
    assert stored(acme, domain).is_verified
    verified = events(acme, "domain.verified")[-1]
    assert (verified.actor_label, verified.actor_id) == ("Set-up link for it@partner.example", issued.link.pk)


def test_a_domain_that_another_organization_has_stays_there(
    acme: Tenant, globex: Tenant, zone: NameServer, issued: IssuedSetupLink, holder: Client
) -> None:
    theirs = proven(globex, zone, "shared.example")
    ours = claim(acme, "shared.example")
    zone.records[ours.record_name] = [theirs.record_value, ours.record_value]
    assert "verified by another organization" in check(holder, issued, ours)
    assert stored(globex, theirs).is_verified
    assert not stored(acme, ours).is_verified


def test_before_the_connection_is_there_nothing_is_told(
    acme: Tenant, zone: NameServer, issued: IssuedSetupLink
) -> None:
    domain = claim(acme)
    browser = opened(issued)
    chosen = browser.get(f"{home_of(issued)}connection/?provider=okta&protocol=oidc").text
    assert domain.name not in chosen


def test_the_holder_names_and_removes_none(acme: Tenant, zone: NameServer, issued: IssuedSetupLink) -> None:
    domain = claim(acme)
    with tenant_scope(acme.organization):
        actor = holder_of(issued.link)
        with acting_as(actor):
            with pytest.raises(MissingPermission):
                claim_domain(organization=acme.organization, name="other.example", actor=actor)
            for verb in (verify_domain, remove_domain):
                with pytest.raises(MissingPermission):
                    verb(domain=domain, actor=actor)
    assert stored(acme, domain).state == "pending"


def test_a_closed_link_looks_for_nothing(
    acme: Tenant, zone: NameServer, issued: IssuedSetupLink, holder: Client
) -> None:
    domain = claim(acme)
    zone.publish(domain)
    holder.post(f"{home_of(issued)}finish/")
    assert holder.post(f"{home_of(issued)}domains/{domain.pk}/").status_code == 410
    with tenant_scope(acme.organization):
        issued.link.refresh_from_db()
        with pytest.raises(DomainError, match="finished"):
            look_for_domain(link=issued.link, domain_id=domain.pk)
        assert list(waiting_domains(issued.link)) == [domain]


def test_a_form_of_another_site_checks_nothing(acme: Tenant, zone: NameServer, issued: IssuedSetupLink) -> None:
    domain = claim(acme)
    zone.publish(domain)
    browser = opened(issued, Client(enforce_csrf_checks=True))
    assert browser.post(f"{home_of(issued)}domains/{domain.pk}/").status_code == 403
    assert browser.get(f"{home_of(issued)}domains/{domain.pk}/").status_code == 405
    assert not stored(acme, domain).is_verified
