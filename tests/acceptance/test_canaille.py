"""Canaille in Chromium: an owner connects it, and a member signs in on its own pages, with a password and consent."""

import re
import signal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance import wizard
from tests.running import Run
from tests.sso.canaille.program import SECRET, canaille
from tests.tenants.domains.conftest import zone
from tests.tenants.domains.nameserver import NameServer

__all__ = ["zone"]

pytestmark = pytest.mark.acceptance

EMAIL, THERE = "member@acme.example", "a password of Canaille's"


def sign_in_there(page: Page, issuer: str) -> None:
    """Sign in on Canaille's pages."""
    page.wait_for_url(f"{issuer}/**")
    page.locator("input[name=login]").fill("member")
    page.locator("button[type=submit]").first.click()
    page.locator("input[name=password]").fill(THERE)
    page.locator("button[type=submit]").first.click()


def test_an_owner_connects_canaille_and_people_sign_in(
    portal: Run, browser: Browser, zone: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = wizard.started(portal, zone, monkeypatch)
    owner = wizard.owner_page(browser, home)
    wizard.choose(owner, home, "Another one by OpenID Connect")
    ours = owner.get_by_label("Redirect URI", exact=True).input_value()
    signed_out = ours.replace("/callback/", "/signed-out/")
    with canaille(redirect_uri=ours, signed_out_uri=signed_out, email=EMAIL, password=THERE) as issuer:
        owner.locator("#id_name").fill("Canaille")
        owner.get_by_label("Issuer").fill(issuer)
        owner.get_by_label("Client ID").fill("gatehouse")
        owner.get_by_label("Client secret").fill(SECRET)
        connection = wizard.save(owner)
        assert owner.get_by_label("Redirect URI", exact=True).input_value() == ours
        wizard.verify_domain(owner, home, zone)
        owner.goto(connection)
        window = wizard.begin_test(owner)
        sign_in_there(window, issuer)
        window.locator("button[name=answer][value=accept]").click()  # asked once
        wizard.read_test(window, home, "Test passed", EMAIL, "Mem Ber")
        wizard.switch_on(owner, "Canaille")

        member = wizard.fresh_page(browser)
        wizard.discover(member, home, EMAIL)
        sign_in_there(member, issuer)
        member.wait_for_url(f"{home}/o/acme/")
        member.goto(f"{home}/accounts/logout/")
        member.get_by_role("main").get_by_role("button", name="Sign out").click()
        member.wait_for_url(re.compile(f"{re.escape(issuer)}/.*logout"))
    owner.goto(connection)
    expect(owner.locator("body")).to_contain_text("Signed in")
    assert portal.stop(signal.SIGINT) == 0
