"""What a name server's answer means for a domain, and the sentence that people read."""

import socket

import dns.rcode
import pytest

from isolation.exceptions import DomainError
from tenants.models import Domain
from tenants.resolvers import read_resolvers
from tests.people import Tenant
from tests.tenants.domains.nameserver import NameServer
from tests.tenants.domains.stage import claim, proven, stored, verify
from tests.tenants.stage import at_once, events


@pytest.fixture
def domain(acme: Tenant) -> Domain:
    return claim(acme)


def refusal(tenant: Tenant, domain: Domain) -> DomainError:
    with pytest.raises(DomainError) as refused:
        verify(tenant, domain)
    assert not stored(tenant, domain).is_verified
    return refused.value


def test_the_record_proves_the_domain(acme: Tenant, domain: Domain, zone: NameServer):
    zone.publish(domain)
    verified = verify(acme, domain)
    assert (verified.state, verified.method) == ("verified", "dns")
    assert zone.asked == [("_gatehouse.acme.example", "udp")]
    [event] = events(acme, "domain.verified")
    assert (event.target_label, event.actor_label, event.after["method"]) == (
        "acme.example",
        "owner@acme.example",
        "dns",
    )


def test_the_record_may_stand_at_the_domain_itself(acme: Tenant, domain: Domain, zone: NameServer):
    zone.records["acme.example"] = ["v=spf1 -all"]
    zone.publish(domain, at="acme.example")
    assert verify(acme, domain).is_verified


@pytest.mark.parametrize("written", ["plain", "split", "padded", "quoted"])
def test_the_record_is_read_as_providers_write_it(acme: Tenant, domain: Domain, zone: NameServer, written: str):
    value = domain.record_value
    ways = {"plain": value, "split": [value[:20], value[20:]], "padded": f" {value} ", "quoted": f'"{value}"'}
    zone.records[domain.record_name] = ["something else", ways[written]]
    assert verify(acme, domain).is_verified


def test_an_alias_is_followed(acme: Tenant, domain: Domain, zone: NameServer):
    zone.aliases[domain.record_name] = "records.acme.example"
    zone.publish(domain, at="records.acme.example")
    assert verify(acme, domain).is_verified


def test_an_answer_too_long_for_udp_comes_by_tcp(acme: Tenant, domain: Domain, zone: NameServer):
    zone.records[domain.record_name] = [f"filler {number} {'x' * 200}" for number in range(10)]
    zone.publish(domain)
    assert verify(acme, domain).is_verified
    assert zone.asked[-1] == (domain.record_name, "tcp")


def test_no_such_name(acme: Tenant, domain: Domain, zone: NameServer):
    error = refusal(acme, domain)
    assert error.code == "record_missing"
    assert "The name _gatehouse.acme.example does not exist in DNS (NXDOMAIN)." in error.message
    assert "The name acme.example does not exist" in error.message
    assert f"Create a TXT record named _gatehouse.acme.example with the value {domain.record_value}" in error.message
    found = stored(acme, domain)
    assert found.checked_at is not None
    assert found.problem == error.message


def test_no_txt_record(acme: Tenant, domain: Domain, zone: NameServer):
    zone.records[domain.record_name] = []
    zone.records["acme.example"] = ["v=spf1 -all", "other"]
    error = refusal(acme, domain)
    assert error.code == "record_missing"
    assert "_gatehouse.acme.example has no TXT record." in error.message
    assert "acme.example has 2 TXT records, none of them with this value." in error.message


@pytest.mark.parametrize("almost", ["", "x", "gatehouse-domain=", "GATEHOUSE-DOMAIN="])
def test_another_value(acme: Tenant, globex: Tenant, domain: Domain, zone: NameServer, almost: str):
    theirs = claim(globex)
    zone.publish(theirs)
    zone.records[domain.record_name] += [f"{almost}{domain.token}"] if almost != "gatehouse-domain=" else [almost]
    error = refusal(acme, domain)
    assert error.code == "record_missing"
    assert "has a TXT record with another value: " in error.message
    assert f"“{theirs.record_value}”" in error.message


def test_what_strangers_wrote_is_cut_and_cleaned(acme: Tenant, domain: Domain, zone: NameServer):
    zone.records[domain.record_name] = ["gatehouse-domain=\\027[31m" + "x" * 200]
    message = refusal(acme, domain).message
    assert "\x1b" not in message
    assert "x" * 100 not in message


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_broken_name_server_says_nothing_about_the_domain(
    acme: Tenant, domain: Domain, zone: NameServer, code: dns.rcode.Rcode
):
    zone.broken[domain.record_name] = code
    error = refusal(acme, domain)
    assert error.code == "lookup_failed"
    assert f"the name server answered {dns.rcode.to_text(code)}" in error.message
    assert "says nothing about the domain" in error.message


def test_a_broken_name_server_for_the_domain_itself(acme: Tenant, domain: Domain, zone: NameServer):
    zone.broken["acme.example"] = dns.rcode.SERVFAIL
    assert refusal(acme, domain).code == "lookup_failed"


def test_a_silent_name_server(acme: Tenant, domain: Domain, zone: NameServer):
    zone.silent.add(domain.record_name)
    error = refusal(acme, domain)
    assert error.code == "lookup_failed"
    assert "no name server answered in 1 second" in error.message
    assert all(name == domain.record_name for name, _ in zone.asked)


def test_an_unreachable_name_server(acme: Tenant, domain: Domain, settings):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    settings.DNS_RESOLVERS, settings.DNS_TIMEOUT = [("127.0.0.1", port)], 1
    assert refusal(acme, domain).code == "lookup_failed"


def test_a_second_name_server_helps(acme: Tenant, domain: Domain, zone: NameServer, settings):
    broken = NameServer()
    with broken.running():
        broken.broken[domain.record_name] = dns.rcode.SERVFAIL
        settings.DNS_RESOLVERS = [broken.address, zone.address]
        zone.publish(domain)
        assert verify(acme, domain).is_verified


def test_two_organizations_prove_the_same_domain_one_after_the_other(acme: Tenant, globex: Tenant, zone: NameServer):
    proven(acme, zone)
    theirs = claim(globex)
    zone.publish(theirs)
    with pytest.raises(DomainError, match="verified by another organization") as refused:
        verify(globex, theirs)
    assert refused.value.code == "duplicate"
    assert not stored(globex, theirs).is_verified


def test_two_organizations_prove_the_same_domain_at_once(acme: Tenant, globex: Tenant, zone: NameServer):
    claims = [(tenant, claim(tenant)) for tenant in (acme, globex)]
    for _, domain in claims:
        zone.publish(domain)
    results = at_once(*(lambda tenant=tenant, domain=domain: verify(tenant, domain) for tenant, domain in claims))
    assert sorted(stored(tenant, domain).is_verified for tenant, domain in claims) == [False, True]
    [refused] = [result for result in results if isinstance(result, Exception)]
    assert isinstance(refused, DomainError)
    assert refused.code == "duplicate"


def test_the_same_domain_is_added_once_at_once(acme: Tenant, zone: NameServer):
    results = at_once(*[lambda: claim(acme)] * 3)
    assert [type(result) for result in results if isinstance(result, Exception)] == [DomainError, DomainError]


@pytest.mark.parametrize(
    ("items", "resolvers"),
    [
        ([], []),
        (["10.0.0.2"], [("10.0.0.2", 53)]),
        (["10.0.0.2:5353", "fd00::2"], [("10.0.0.2", 5353), ("fd00::2", 53)]),
        (["[fd00::2]:5353", "[fd00::3]"], [("fd00::2", 5353), ("fd00::3", 53)]),
    ],
)
def test_resolvers_are_addresses(items: list[str], resolvers: list[tuple[str, int]]):
    assert read_resolvers(items) == resolvers


@pytest.mark.parametrize(
    "item", ["dns.example", "10.0.0.2:", "10.0.0.2:x", "10.0.0.2:0", "10.0.0.2:70000", "[::1", "1.2.3"]
)
def test_anything_else_stops_the_start(item: str):
    with pytest.raises(ValueError, match="not an IP address"):
        read_resolvers([item])
