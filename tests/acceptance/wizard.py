"""What the tests of single sign-on in Chromium share: a portal, its owner, and the steps of the wizard."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from portal.demo import PASSWORD
from tests.running import Run
from tests.tenants.domains.nameserver import NameServer

CONNECTIONS = "/o/acme/accounts/ssoconnection/"


def started(portal: Run, zone: NameServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Start a portal that may reach providers on loopback; return its address."""
    host, port = zone.address
    settings = {"DEMO": "1", "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8", "DNS_RESOLVERS": f"{host}:{port}"}
    monkeypatch.setattr(portal, "environment", lambda **extra: Run.environment(portal, **settings, **extra))
    portal.start()
    portal.wait_until_ready()
    return f"http://127.0.0.1:{portal.port}"


def fresh_page(browser: Browser) -> Page:
    """Return a page in a browser of its own; anything that the pages fail at fails the test."""
    page = browser.new_context().new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: pytest.fail(f"JavaScript: {error}"))
    return page


def owner_page(browser: Browser, home: str) -> Page:
    """Return a page in which acme's owner has signed in by password."""
    owner = fresh_page(browser)
    owner.goto(f"{home}/accounts/login/")
    owner.get_by_label(re.compile("e-?mail", re.IGNORECASE)).fill("owner@acme.example")
    owner.get_by_label("Password", exact=True).fill(PASSWORD)
    owner.get_by_role("button", name="Sign in").first.click()
    owner.wait_for_url(f"{home}/**")
    return owner


def choose(owner: Page, home: str, way: str) -> None:
    """Choose a provider and how it is spoken to, such as “Okta by OpenID Connect”."""
    owner.goto(f"{home}{CONNECTIONS}add/")
    owner.get_by_role("link", name=way).click()


def save(owner: Page) -> str:
    """Save a new connection; return the address of its page."""
    owner.get_by_role("button", name="Save", exact=True).click()
    expect(owner.locator("body")).to_contain_text("Test it, then switch it on.")
    return owner.url


def verify_domain(owner: Page, home: str, zone: NameServer) -> None:
    """Publish the record of a domain and let it be looked for."""
    owner.goto(f"{home}/o/acme/tenants/domain/add/")
    owner.locator("#id_name").fill("acme.example")
    owner.get_by_role("button", name="Save", exact=True).click()
    name, value = (owner.locator(f"#record-{part}").input_value() for part in ("name", "value"))
    zone.records[name] = [value]
    owner.get_by_role("button", name="Check now").click()
    expect(owner.locator("body")).to_contain_text("Verified")


def begin_test(owner: Page) -> Page:
    """Begin the test of a connection; return its window."""
    with owner.expect_popup() as opened:
        owner.get_by_role("link", name="Test sign-in").click()
    window: Page = opened.value
    return window


def read_test(window: Page, home: str, *told: str) -> None:
    """Wait for the outcome of a test, compare what it says, and close its window."""
    window.wait_for_url(f"{home}/o/acme/accounts/ssologin/**")
    for text in told:
        expect(window.locator("body")).to_contain_text(text)
    window.close()


def switch_on(owner: Page, name: str) -> None:
    """Let people sign in through a connection."""
    owner.get_by_role("link", name="Switch on").click()
    owner.get_by_role("button", name="Switch on").click()
    expect(owner.locator("body")).to_contain_text(f"People can sign in through {name} now.")


def discover(page: Page, home: str, email: str) -> None:
    """Go from the sign-in page to the identity provider by an e-mail address."""
    page.goto(f"{home}/accounts/login/")
    page.get_by_role("link", name="Single sign-on").click()
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("button", name="Continue").click()
