"""The life of a verified domain: checked each day, failing, recovered or lost; the owners hear of it."""

from datetime import timedelta
from io import StringIO

import dns.rcode
import pytest
from django.core.management import call_command

from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.models import Domain
from tenants.selectors import is_verified_domain
from tenants.services.domains import confirm_domain, recheck_domain
from tenants.tasks import check_domain, check_domains
from tests.people import Tenant
from tests.tenants.domains.nameserver import NameServer
from tests.tenants.domains.stage import claim, failing_for, proven, stored, verify
from tests.tenants.stage import events


@pytest.fixture
def domain(acme: Tenant, zone: NameServer) -> Domain:
    return proven(acme, zone)


def actions(tenant: Tenant) -> list[str]:
    return [event.action for event in events(tenant) if event.action.startswith("domain.")]


def test_a_domain_that_keeps_its_record_stays_verified_without_a_word(acme: Tenant, domain: Domain, zone, mailoutbox):
    before = stored(acme, domain).checked_at or pytest.fail("It was not checked")
    assert check_domains() == 1
    after = stored(acme, domain)
    assert after.state == "verified"
    assert after.checked_at is not None
    assert after.checked_at > before
    assert actions(acme) == ["domain.claimed", "domain.verified"]
    assert not mailoutbox


def test_a_missing_record_is_told_once_and_the_domain_still_counts(acme: Tenant, domain: Domain, zone, mailoutbox):
    zone.records.clear()
    check_domains()
    check_domains()
    failing = stored(acme, domain)
    assert failing.state == "failing"
    assert "NXDOMAIN" in failing.problem
    [event] = events(acme, "domain.failing")
    assert event.actor_kind == "system"
    [mail] = mailoutbox
    assert mail.to == ["owner@acme.example"]
    assert mail.subject == "Acme: the DNS record of acme.example is missing"
    for part in (domain.record_name, domain.record_value, "7 days", f"/o/acme/tenants/domain/{domain.pk}/change/"):
        assert part in mail.body
        assert part in mail.alternatives[0][0]
    with tenant_scope(acme.organization):
        assert is_verified_domain("ada@acme.example")


def test_after_seven_days_it_is_lost(acme: Tenant, globex: Tenant, domain: Domain, zone, superuser, mailoutbox):
    zone.records.clear()
    check_domains()
    failing_for(superuser, domain, timedelta(days=6, hours=23))
    check_domains()
    assert stored(acme, domain).state == "failing"
    failing_for(superuser, domain, timedelta(days=7))
    check_domains()
    lost = stored(acme, domain)
    assert (lost.state, lost.method, lost.failing_since) == ("pending", "", None)
    [event] = events(acme, "domain.lost")
    assert event.reason == "Its record was missing for 7 days"
    assert [mail.subject for mail in mailoutbox] == [
        "Acme: the DNS record of acme.example is missing",
        "Acme: acme.example is not verified any more",
    ]
    with tenant_scope(acme.organization):
        assert not is_verified_domain("ada@acme.example")
    assert check_domains() == 0
    # It is free for whoever proves it now, and the former owner's claim is still there.
    assert proven(globex, zone).is_verified


def test_a_record_that_comes_back_ends_it(acme: Tenant, domain: Domain, zone, superuser, mailoutbox):
    zone.records.clear()
    check_domains()
    failing_for(superuser, domain, timedelta(days=9))
    zone.publish(domain)
    check_domains()
    assert stored(acme, domain).state == "verified"
    assert actions(acme)[-2:] == ["domain.failing", "domain.recovered"]
    assert len(mailoutbox) == 1


def test_a_person_who_checks_ends_it_too(acme: Tenant, domain: Domain, zone):
    zone.records.clear()
    check_domains()
    zone.publish(domain)
    assert verify(acme, domain).state == "verified"
    assert events(acme, "domain.recovered")[0].actor_label == "owner@acme.example"


def test_name_servers_that_do_not_answer_are_no_failure(acme: Tenant, domain: Domain, zone, superuser, mailoutbox):
    zone.broken[domain.record_name] = dns.rcode.SERVFAIL
    check_domains()
    found = stored(acme, domain)
    assert found.state == "verified"
    assert "SERVFAIL" in found.problem
    zone.broken.clear()
    zone.records.clear()
    check_domains()
    failing_for(superuser, domain, timedelta(days=30))
    zone.silent.add(domain.record_name)
    check_domains()
    assert stored(acme, domain).state == "failing"
    assert len(mailoutbox) == 1


def test_neither_claims_nor_an_operators_word_are_checked(acme: Tenant, zone):
    claim(acme)
    with tenant_scope(acme.organization):
        vouched = confirm_domain(
            organization=acme.organization, name="other.example", reason="Contract 12", actor=SYSTEM
        )
        assert recheck_domain(domain=vouched).is_verified
    assert check_domains() == 0
    assert not zone.asked


def test_a_domain_that_is_gone_meanwhile_is_no_trouble(acme: Tenant, globex: Tenant, domain: Domain):
    check_domain(str(globex.organization.pk), str(domain.pk))
    assert stored(acme, domain).is_verified


def test_the_command_says_what_it_found(acme: Tenant, globex: Tenant, domain: Domain, zone, superuser):
    other = proven(globex, zone, "globex.example")
    del zone.records[domain.record_name]
    out = StringIO()
    call_command("check_domains", stdout=out)
    assert sorted(line.partition(".example")[2][:9] for line in out.getvalue().splitlines()) == [
        ": failing",
        ": verifie",
    ]
    assert "acme: acme.example: failing. The name _gatehouse.acme.example" in out.getvalue()
    failing_for(superuser, domain, timedelta(days=8))
    del zone.records[other.record_name]
    out = StringIO()
    call_command("check_domains", stdout=out)
    assert "acme: acme.example: lost" in out.getvalue()
    assert "globex: globex.example: failing" in out.getvalue()
