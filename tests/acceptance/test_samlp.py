"""samlp in Chromium: an owner connects it by its metadata's address, a member comes and both sides end sessions."""

import signal
from urllib.request import urlopen

import pytest
from lxml import etree
from playwright.sync_api import Browser, Page, expect

from tests.acceptance import wizard
from tests.running import Run
from tests.sso.saml.samlp_server import samlp
from tests.tenants.domains.conftest import zone
from tests.tenants.domains.nameserver import NameServer

__all__ = ["zone"]

pytestmark = pytest.mark.acceptance

CERTIFICATE = "{http://www.w3.org/2000/09/xmldsig#}X509Certificate"
PEOPLE = {
    "member": {
        "id": "u-member",
        "displayName": "Mem Ber",
        "name": {"givenName": "Mem", "familyName": "Ber"},
        "emails": [{"value": "member@acme.example"}],
    }
}


def our_certificate(entity_id: str) -> str:
    """Return the certificate that signs, from our metadata, in PEM."""
    body = "".join(next(etree.fromstring(urlopen(entity_id).read()).iter(CERTIFICATE)).text.split())
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"


def sign_in_there(page: Page, address: str) -> None:
    """Type a name at samlp; its answer is a form of its own site that sends itself."""
    page.wait_for_url(f"{address}/**")
    page.get_by_label("Account").fill("member")
    page.get_by_role("button", name="Sign in").click()


def test_an_owner_connects_samlp_and_people_sign_in_and_out(
    portal: Run, browser: Browser, zone: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = wizard.started(portal, zone, monkeypatch)
    owner = wizard.owner_page(browser, home)
    with samlp(PEOPLE) as idp:
        wizard.choose(owner, home, "Auth0 by SAML 2.0")
        ours = {name: owner.locator(f"#{field}").input_value() for name, field in FIELDS.items()}
        owner.locator("#id_name").fill("Corporate directory")
        owner.locator("#id_metadata_url").fill(idp.metadata_url)
        connection = wizard.save(owner)
        idp.trust(**ours, certificate=our_certificate(ours["audience"]))
        window = wizard.begin_test(owner)
        sign_in_there(window, idp.address)
        wizard.read_test(window, home, "Test failed", "in no domain that this organization has verified", "u-member")
        wizard.verify_domain(owner, home, zone)
        owner.goto(connection)
        wizard.read_test(wizard.begin_test(owner), home, "Test passed", "member@acme.example")
        wizard.switch_on(owner, "Corporate directory")

        member = wizard.fresh_page(browser)
        wizard.discover(member, home, "member@acme.example")
        sign_in_there(member, idp.address)
        member.wait_for_url(f"{home}/o/acme/")
        member.goto(f"{home}/accounts/logout/")
        member.get_by_role("main").get_by_role("button", name="Sign out").click()
        member.wait_for_url(f"{home}/accounts/login/**")  # by way of samlp, which checked our signature
        wizard.discover(member, home, "member@acme.example")
        sign_in_there(member, idp.address)  # the session there has ended too
        member.wait_for_url(f"{home}/o/acme/")

        member.goto(f"{idp.address}/logout")  # and now there, which ends the session here
        expect(member.locator("body")).to_have_text("")
        member.goto(f"{home}/o/acme/")
        member.wait_for_url(f"{home}/accounts/login/**")
    owner.goto(connection)
    expect(owner.locator("body")).to_contain_text("Signed in")
    assert portal.stop(signal.SIGINT) == 0


FIELDS = {"audience": "entity-id", "acs": "acs-url", "slo": "slo-url"}
