"""A key in Chromium against `make run`: made, its secret copied, used, and gone on reload."""

import json
import re
import signal
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import Browser, Page, expect

from portal.demo import PASSWORD
from tests.running import Run

pytestmark = pytest.mark.acceptance

LIST = "/o/acme/accounts/apikey/"


def visit(browser: Browser, home: str, permissions: list[str]) -> Page:
    """Return the owner's page in a browser of its own; anything that the pages fail at fails the test."""
    page = browser.new_context(permissions=permissions).new_page()
    page.set_default_timeout(10_000)
    page.on("pageerror", lambda error: pytest.fail(f"JavaScript: {error}"))
    page.goto(f"{home}/accounts/login/")
    page.get_by_label(re.compile("e-?mail", re.IGNORECASE)).fill("owner@acme.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").first.click()
    page.wait_for_url(f"{home}/**")
    return page


def create(page: Page, home: str, name: str) -> str:
    """Return the secret of a new key, with its dialog open."""
    page.goto(f"{home}{LIST}add/")
    page.get_by_role("link", name="Organization key").click()
    page.get_by_role("textbox", name="Name").fill(name)
    page.get_by_role("button", name="Everything in the LLM data").click()
    expect(page.locator("[data-count]")).to_have_text("18 scopes chosen")
    page.get_by_role("button", name="All or none of Traces").click()
    expect(page.locator("[data-count]")).to_have_text("15 scopes chosen")
    page.get_by_role("button", name="Save").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("cannot be shown again")
    return dialog.get_by_label("Secret").input_value()


def status(home: str, secret: str) -> int:
    """Return what the API answers to a key."""
    request = urllib.request.Request(f"{home}/api/v1/me", headers={"Authorization": f"Bearer {secret}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            json.load(response)
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_secret_is_copied_and_gone(portal: Run, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portal, "environment", lambda **extra: Run.environment(portal, DEMO="1", **extra))
    portal.start()
    portal.wait_until_ready()
    home = f"http://127.0.0.1:{portal.port}"
    page = visit(browser, home, ["clipboard-read", "clipboard-write"])

    secret = create(page, home, "Pipeline")
    assert secret.startswith("gatesk_org_prod_")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("button", name="Copy the secret").click()
    expect(page.locator("[data-said=secret]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == secret
    page.get_by_role("button", name="Copy the command").click()
    expect(page.locator("[data-said=try]")).to_have_text("Copied")
    command = page.evaluate("navigator.clipboard.readText()")
    assert command == f'curl -H "Authorization: Bearer {secret}" {home}/api/v1/me'
    assert status(home, secret) == 200

    page.reload()  # sends the form again
    expect(page.locator("body")).to_contain_text("makes no second one")
    assert secret not in page.content()
    page.get_by_role("link", name="Go to the key").click()
    page.wait_for_url(re.compile(r"/change/$"))
    assert secret not in page.content()

    second = create(page, home, "Second pipeline")
    page.get_by_role("link", name="I have saved the secret").click()
    page.wait_for_url(re.compile(r"/change/$"))
    assert second not in page.content()
    page.go_back()
    assert second not in page.content()
    page.goto(f"{home}{LIST}")
    assert page.get_by_text("Second pipeline").count() == 1
    assert page.get_by_text("Pipeline", exact=True).count() == 1

    # A clipboard that refuses: the text is selected instead, so that a hand can copy it.
    shy = visit(browser, home, [])
    shy.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', {value: undefined}); document.execCommand = () => false;"
    )
    third = create(shy, home, "Third pipeline")
    shy.get_by_role("button", name="Copy the secret").click()
    expect(shy.locator("[data-said=secret]")).to_contain_text("Ctrl+C")
    assert shy.evaluate("document.getSelection().toString() || document.activeElement.value") == third

    assert portal.stop(signal.SIGINT) == 0
