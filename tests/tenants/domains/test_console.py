"""The pages about domains: the organization's own, and the operators'."""

from typing import Any

import dns.rcode
import pytest
from django.test import Client

from accounts.models import User
from isolation.scope import tenant_scope
from tenants.models import Domain
from tenants.tasks import check_domains
from tests.browsers import assert_closed, assert_not_in_ones_own, elsewhere, owner, rows_of, viewer
from tests.people import Tenant, signed_in
from tests.tenants.domains.nameserver import NameServer
from tests.tenants.domains.stage import claim, proven, stored
from tests.tenants.stage import events

__all__ = ["elsewhere", "owner", "viewer"]  # fixtures of these tests

LIST = "tenants/domain/"


def pages(domain: Domain) -> list[str]:
    return [f"{LIST}{domain.pk}/{part}/" for part in ("change", "check", "remove-domain")]


def post(client: Client, url: str, **data: Any) -> tuple[int, str]:
    response = client.post(url, data, follow=True)
    return response.status_code, response.content.decode()


@pytest.fixture
def console(operator: User) -> Client:
    return signed_in(operator)


def test_a_stranger_finds_no_page(acme: Tenant, elsewhere: Client, zone: NameServer):
    domain = proven(acme, zone)
    before = rows_of(acme, "tenants")
    assert_closed(elsewhere, [LIST, f"{LIST}add/", *pages(domain)], {"name": "stolen.example"})
    assert_not_in_ones_own(elsewhere, pages(domain), {"name": "stolen.example"})
    assert rows_of(acme, "tenants") == before


def test_who_does_not_manage_domains_changes_none(acme: Tenant, viewer: Client):
    domain = claim(acme)
    for url in [LIST, f"{LIST}add/", *pages(domain)]:
        assert viewer.get(f"/o/acme/{url}").status_code == 403, url
        assert viewer.post(f"/o/acme/{url}", {"name": "x.example"}).status_code == 403, url


def test_a_domain_is_added_checked_and_removed(acme: Tenant, owner: Client, zone: NameServer):
    assert "No domains yet" in owner.get(f"/o/acme/{LIST}").content.decode()
    status, page = post(owner, f"/o/acme/{LIST}add/", name=" Bücher.Example ")
    assert status == 200
    with tenant_scope(acme.organization):
        domain = Domain.objects.get()
    for part in ("xn--bcher-kva.example", "bücher.example", domain.record_name, domain.record_value, "Not verified"):
        assert part in page
    change, check, remove = (f"/o/acme/{url}" for url in pages(domain))

    page = post(owner, check)[1]
    assert "The record was not found." in page
    assert "does not exist in DNS (NXDOMAIN)" in page
    zone.broken[domain.record_name] = dns.rcode.SERVFAIL
    assert "The name servers gave no answer." in post(owner, check)[1]
    zone.broken.clear()
    zone.publish(domain)
    page = post(owner, check)[1]
    assert "The record was found" in page
    assert "NXDOMAIN" not in page
    assert ">Verified<" in owner.get(f"/o/acme/{LIST}").content.decode()

    zone.records.clear()
    check_domains()
    assert "Record missing" in owner.get(change).content.decode()
    assert "What the last check found" in owner.get(change).content.decode()
    assert owner.get(remove).status_code == 200
    assert "was removed" in post(owner, remove)[1]
    assert owner.get(change).status_code == 404


def test_a_refused_name_says_why(acme: Tenant, owner: Client):
    page = post(owner, f"/o/acme/{LIST}add/", name="gmail.com")[1]
    assert "gmail.com is a public mail service" in page
    claim(acme)
    assert "This domain is in the list already." in post(owner, f"/o/acme/{LIST}add/", name="acme.example")[1]


def test_what_another_organization_has_is_said(acme: Tenant, globex: Tenant, owner: Client, zone: NameServer):
    proven(globex, zone)
    domain = claim(acme)
    zone.publish(domain)
    page = post(owner, f"/o/acme/{pages(domain)[1]}")[1]
    assert "verified by another organization of this installation" in page
    assert "globex" not in page.lower()


def test_the_list_asks_the_same_for_many(acme: Tenant, owner: Client, django_assert_max_num_queries):
    for number in range(30):
        claim(acme, f"d{number}.example")
    owner.get(f"/o/acme/{LIST}")
    with django_assert_max_num_queries(14):
        assert b"d29.example" in owner.get(f"/o/acme/{LIST}").content
    for state, found in {"pending": True, "verified": False, "failing": False}.items():
        page = owner.get(f"/o/acme/{LIST}?state={state}").content
        assert (b"d29.example" in page) is found


def test_nobody_but_operators_vouches(acme: Tenant, owner: Client):
    domain = claim(acme)
    for url in (
        "/admin/tenants/domain/",
        f"/admin/tenants/domain/{domain.pk}/confirm/",
        f"/admin/tenants/domain/{domain.pk}/withdraw/",
        f"/admin/tenants/organization/{acme.organization.pk}/confirm-domain/",
    ):
        assert owner.get(url).status_code == 403
        assert owner.post(url, {"name": "acme.example", "reason": "x"}).status_code == 403
    assert not stored(acme, domain).is_verified


def test_an_operator_vouches_and_takes_it_back(acme: Tenant, console: Client, mailoutbox):
    organization = f"/admin/tenants/organization/{acme.organization.pk}"
    assert console.post(f"{organization}/confirm-domain/", {"name": "acme.example", "reason": ""}).status_code == 422
    page = post(console, f"{organization}/confirm-domain/", name="gmail.com", reason="Contract 12")[1]
    assert "public mail service" in page
    page = post(console, f"{organization}/confirm-domain/", name="ACME.example", reason="Contract 12")[1]
    assert "acme.example is confirmed for Acme." in page
    with tenant_scope(acme.organization):
        domain = Domain.objects.get()
    of_domain = f"/admin/tenants/domain/{domain.pk}"
    assert "Contract 12" in console.get(f"{of_domain}/change/").content.decode()
    assert "acme.example" in console.get("/admin/tenants/domain/?q=acme").content.decode()
    assert "not possible any more" in post(console, f"{of_domain}/confirm/", reason="Again")[1]

    assert "is not verified any more" in post(console, f"{of_domain}/withdraw/", reason="A mistake")[1]
    assert stored(acme, domain).state == "pending"
    assert "A mistake" in mailoutbox[0].body
    assert "is confirmed for Acme" in post(console, f"{of_domain}/confirm/", reason="Contract 13")[1]
    assert [event.reason for event in events(acme, "domain.verified")] == ["Contract 12", "Contract 13"]


def test_the_owner_reads_what_an_operator_said(acme: Tenant, owner: Client, console: Client):
    organization = f"/admin/tenants/organization/{acme.organization.pk}"
    post(console, f"{organization}/confirm-domain/", name="acme.example", reason="Contract <12>")
    with tenant_scope(acme.organization):
        domain = Domain.objects.get()
    page = owner.get(f"/o/acme/{pages(domain)[0]}").content.decode()
    assert "Contract &lt;12&gt;" in page
    assert domain.record_value not in page
    assert "Check now" not in page
