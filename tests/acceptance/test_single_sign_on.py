"""Single sign-on in Chromium: an owner connects a real OpenID provider, tests it, and a member signs in through it."""

import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from portal.demo import PASSWORD
from tests.running import Run
from tests.sso.provider import Account, Provider, npm_provider
from tests.tenants.domains.nameserver import NameServer

pytestmark = pytest.mark.acceptance

CONNECTIONS = "/o/acme/accounts/ssoconnection/"
SECRET = "a secret of at least 32 characters, for the client"
PEOPLE = {
    "owner": Account("u-owner", {"email": "owner@acme.example", "email_verified": True, "name": "Olivia Owner"}),
    "member": Account("u-member", {"email": "member@acme.example", "email_verified": True, "name": "Mem Ber"}),
}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with npm_provider(clients=[], accounts=PEOPLE) as running:
        yield running


@pytest.fixture
def zone() -> Iterator[NameServer]:
    server = NameServer()
    with server.running():
        yield server


def fresh_page(browser: Browser) -> Page:
    """Return a page in a browser of its own; anything that the pages fail at fails the test."""
    page = browser.new_context().new_page()
    page.set_default_timeout(10_000)
    page.on("pageerror", lambda error: pytest.fail(f"JavaScript: {error}"))
    return page


def sign_in_there(page: Page, provider: Provider, name: str) -> None:
    """Type a name at the provider, and allow what the portal asks for."""
    page.wait_for_url(f"{provider.issuer}/**")
    page.locator("input[name=account]").fill(name)
    page.get_by_role("button").first.click()
    if page.url.startswith(provider.issuer):
        page.get_by_role("button").first.click()


def connect(owner: Page, home: str, provider: Provider) -> str:
    """Register the portal at the provider, connect it, and return the address of the connection's page."""
    owner.goto(f"{home}{CONNECTIONS}add/")
    owner.get_by_role("link", name="Another one by OpenID Connect").click()
    redirect_uri = owner.get_by_label("Redirect URI", exact=True).input_value()
    provider.configure(clients=[{"client_id": "portal", "client_secret": SECRET, "redirect_uris": [redirect_uri]}])
    owner.locator("#id_name").fill("Corporate directory")
    owner.get_by_label("Issuer").fill(provider.issuer)
    owner.get_by_label("Client ID").fill("portal")
    owner.get_by_label("Client secret").fill(SECRET)
    owner.get_by_role("button", name="Save", exact=True).click()
    expect(owner.locator("body")).to_contain_text("Test it, then switch it on.")
    assert owner.get_by_label("Redirect URI", exact=True).input_value() == redirect_uri
    expect(owner.locator("body")).to_contain_text("Verify the domain of your people's addresses")
    return owner.url


def try_it(owner: Page, home: str, *told: str, provider: Provider | None = None) -> None:
    """Test the connection as the member, in a window of its own; without a provider, whose session is still there."""
    with owner.expect_popup() as opened:
        owner.get_by_role("link", name="Test sign-in").click()
    test = opened.value
    if provider is not None:
        sign_in_there(test, provider, "member")
    test.wait_for_url(f"{home}/o/acme/accounts/ssologin/**")
    for text in told:
        expect(test.locator("body")).to_contain_text(text)
    test.close()


def verify_domain(owner: Page, home: str, zone: NameServer) -> None:
    """Publish the record of a domain and let it be looked for."""
    owner.goto(f"{home}/o/acme/tenants/domain/add/")
    owner.locator("#id_name").fill("acme.example")
    owner.get_by_role("button", name="Save", exact=True).click()
    name, value = (owner.locator(f"#record-{part}").input_value() for part in ("name", "value"))
    zone.records[name] = [value]
    owner.get_by_role("button", name="Check now").click()
    expect(owner.locator("body")).to_contain_text("Verified")


def test_an_owner_connects_a_provider_and_people_sign_in(
    portal: Run, browser: Browser, provider: Provider, zone: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, port = zone.address
    settings = {"DEMO": "1", "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8", "DNS_RESOLVERS": f"{host}:{port}"}
    monkeypatch.setattr(portal, "environment", lambda **extra: Run.environment(portal, **settings, **extra))
    portal.start()
    portal.wait_until_ready()
    home = f"http://127.0.0.1:{portal.port}"

    owner = fresh_page(browser)
    owner.goto(f"{home}/accounts/login/")
    owner.get_by_label(re.compile("e-?mail", re.IGNORECASE)).fill("owner@acme.example")
    owner.get_by_label("Password", exact=True).fill(PASSWORD)
    owner.get_by_role("button", name="Sign in").first.click()
    owner.wait_for_url(f"{home}/**")
    connection = connect(owner, home, provider)
    told = "in no domain that this organization has verified"
    try_it(owner, home, "Test failed", told, "Mem Ber", provider=provider)
    verify_domain(owner, home, zone)
    owner.goto(connection)
    try_it(owner, home, "Test passed")
    owner.get_by_role("link", name="Switch on").click()
    owner.get_by_role("button", name="Switch on").click()
    expect(owner.locator("body")).to_contain_text("People can sign in through Corporate directory now.")

    member = fresh_page(browser)
    member.goto(f"{home}/accounts/login/")
    member.get_by_role("link", name="Single sign-on").click()
    member.get_by_label("E-mail address").fill("member@acme.example")
    member.get_by_role("button", name="Continue").click()
    sign_in_there(member, provider, "member")
    member.wait_for_url(f"{home}/o/acme/")
    member.goto(f"{home}/accounts/profile/")
    expect(member.locator("h1")).to_have_text("Confirm your password")

    owner.goto(connection)
    expect(owner.locator("body")).to_contain_text("Signed in")
    assert portal.stop(signal.SIGINT) == 0
