"""Domains by API."""

import dns.rcode
import pytest

from accounts.models import User
from tests.accounts.api.stage import organization_key, with_key
from tests.api.calls import by
from tests.people import Tenant
from tests.tenants.domains.nameserver import NameServer
from tests.tenants.domains.stage import claim, proven, stored
from tests.tenants.stage import events

DOMAINS = "/organizations/acme/domains"


def test_a_stranger_finds_nothing(acme: Tenant, stranger: User, zone: NameServer):
    domain = proven(acme, zone)
    caller = by(stranger)
    for home in (DOMAINS, DOMAINS.replace("acme", "globex")):
        assert caller.get(f"{home}/{domain.pk}").status_code == 404
        assert caller.delete(f"{home}/{domain.pk}").status_code == 404
        assert caller.post(f"{home}/{domain.pk}/verify", {}).status_code == 404
    assert caller.get(DOMAINS.replace("acme", "globex")).json()["data"] == []
    assert stored(acme, domain).is_verified


@pytest.mark.parametrize("door", ["session", "key"])
def test_a_program_proves_a_domain(acme: Tenant, zone: NameServer, door: str):
    if door == "key":
        caller = with_key(organization_key(acme, "domains:read", "domains:manage").secret)
    else:
        caller = by(acme.admin)
    response = caller.post(DOMAINS, {"name": "ACME.example"})
    assert response.status_code == 201, response.json()
    made = response.json()
    assert (made["name"], made["state"], made["verified_at"]) == ("acme.example", "pending", None)
    one = f"{DOMAINS}/{made['id']}"

    refused = caller.post(f"{one}/verify", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "record_missing")
    assert made["record"]["value"] in refused.json()["detail"]
    assert caller.get(one).json()["problem"] == refused.json()["detail"]
    assert caller.get(one).json()["checked_at"] is not None

    zone.broken[made["record"]["name"]] = dns.rcode.SERVFAIL
    refused = caller.post(f"{one}/verify", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "lookup_failed")

    zone.broken.clear()
    zone.records[made["record"]["name"]] = [made["record"]["value"]]
    verified = caller.post(f"{one}/verify", {})
    assert verified.status_code == 200
    assert (verified.json()["state"], verified.json()["method"], verified.json()["problem"]) == ("verified", "dns", "")
    assert [row["id"] for row in caller.get(f"{DOMAINS}?state=verified").json()["data"]] == [made["id"]]
    assert caller.get(f"{DOMAINS}?state=pending").json()["data"] == []
    assert caller.get(f"{DOMAINS}?name=acme.example").json()["data"][0] == verified.json()
    assert events(acme, "domain.verified")[0].via == "api"

    assert caller.delete(one).status_code == 204
    assert caller.get(one).status_code == 404


def test_refusals_name_the_field(acme: Tenant):
    caller = by(acme.owner)
    refused = caller.post(DOMAINS, {"name": "gmail.com"})
    assert (refused.status_code, refused.json()["code"]) == (422, "public_mail_domain")
    assert refused.json()["errors"][0]["pointer"] == "#/name"
    claim(acme)
    assert caller.post(DOMAINS, {"name": "acme.example"}).status_code == 409


def test_a_domain_of_another_organization_is_a_conflict(acme: Tenant, globex: Tenant, zone: NameServer):
    proven(globex, zone)
    domain = claim(acme)
    zone.publish(domain)
    refused = by(acme.owner).post(f"{DOMAINS}/{domain.pk}/verify", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "duplicate")
    assert "verified by another organization" in refused.json()["detail"]
