"""Single sign-on in Chromium: an owner connects a real OpenID provider, tests it, and a member signs in through it."""

import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance import wizard
from tests.running import Run
from tests.sso.provider import Account, Provider, npm_provider
from tests.tenants.domains.conftest import zone
from tests.tenants.domains.nameserver import NameServer

__all__ = ["zone"]

pytestmark = pytest.mark.acceptance

SECRET = "a secret of at least 32 characters, for the client"
PEOPLE = {
    "owner": Account("u-owner", {"email": "owner@acme.example", "email_verified": True, "name": "Olivia Owner"}),
    "member": Account("u-member", {"email": "member@acme.example", "email_verified": True, "name": "Mem Ber"}),
}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with npm_provider(clients=[], accounts=PEOPLE) as running:
        yield running


def sign_in_there(page: Page, provider: Provider, name: str) -> None:
    """Type a name at the provider, and allow what the portal asks for."""
    page.wait_for_url(f"{provider.issuer}/**")
    page.locator("input[name=account]").fill(name)
    page.get_by_role("button").first.click()
    if page.url.startswith(provider.issuer):
        page.get_by_role("button").first.click()


def connect(owner: Page, home: str, provider: Provider) -> str:
    """Register the portal at the provider, connect it, and return the address of the connection's page."""
    wizard.choose(owner, home, "Another one by OpenID Connect")
    redirect_uri = owner.get_by_label("Redirect URI", exact=True).input_value()
    provider.configure(clients=[{"client_id": "portal", "client_secret": SECRET, "redirect_uris": [redirect_uri]}])
    owner.locator("#id_name").fill("Corporate directory")
    owner.get_by_label("Issuer").fill(provider.issuer)
    owner.get_by_label("Client ID").fill("portal")
    owner.get_by_label("Client secret").fill(SECRET)
    connection = wizard.save(owner)
    assert owner.get_by_label("Redirect URI", exact=True).input_value() == redirect_uri
    expect(owner.locator("body")).to_contain_text("Verify the domain of your people's addresses")
    return connection


def test_an_owner_connects_a_provider_and_people_sign_in(
    portal: Run, browser: Browser, provider: Provider, zone: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = wizard.started(portal, zone, monkeypatch)
    owner = wizard.owner_page(browser, home)
    connection = connect(owner, home, provider)
    told = "in no domain that this organization has verified"
    window = wizard.begin_test(owner)
    sign_in_there(window, provider, "member")
    wizard.read_test(window, home, "Test failed", told, "Mem Ber")
    wizard.verify_domain(owner, home, zone)
    owner.goto(connection)
    wizard.read_test(wizard.begin_test(owner), home, "Test passed")  # the provider's session is still there
    wizard.switch_on(owner, "Corporate directory")

    member = wizard.fresh_page(browser)
    wizard.discover(member, home, "member@acme.example")
    sign_in_there(member, provider, "member")
    member.wait_for_url(f"{home}/o/acme/")
    member.goto(f"{home}/accounts/profile/")
    expect(member.locator("h1")).to_have_text("Confirm your password")

    owner.goto(connection)
    expect(owner.locator("body")).to_contain_text("Signed in")
    assert portal.stop(signal.SIGINT) == 0
