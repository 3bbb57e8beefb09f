"""Passkeys in Chromium with an authenticator of its own: added, in place of a password, as the second step."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from portal.demo import PASSWORD
from tests.accounts.mfa.stage import code_of
from tests.running import Run

pytestmark = pytest.mark.acceptance

EMAIL = "member@acme.example"


@pytest.fixture
def home(portal: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return where the demo runs: a name, since passkeys know no addresses."""
    monkeypatch.setattr(portal, "environment", lambda **extra: Run.environment(portal, DEMO="1", **extra))
    portal.start()
    portal.wait_until_ready()
    return f"http://localhost:{portal.port}"


def _refuse_violation(line: ConsoleMessage) -> None:
    if "Content Security Policy" in line.text:
        pytest.fail(line.text)


@dataclass
class Device:
    """A browser with a virtual authenticator (WebAuthn section 11), of somebody who touches it when asked."""

    page: Page
    cdp: Any
    authenticator: str

    @classmethod
    def of(cls, browser: Browser) -> "Device":
        page = browser.new_context().new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: pytest.fail(f"JavaScript: {error}"))
        page.on("console", _refuse_violation)
        cdp = page.context.new_cdp_session(page)
        cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return cls(page, cdp, made["authenticatorId"])

    def credentials(self) -> list[dict[str, Any]]:
        answer = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.authenticator})
        found: list[dict[str, Any]] = answer["credentials"]
        return found

    def verify(self, *, verified: bool) -> None:
        """Let the device recognize its person, or not."""
        self.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self.authenticator, "isUserVerified": verified})


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def type_password(page: Page, home: str) -> None:
    page.goto(f"{home}/accounts/login/")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    press(page, "Sign in")


def confirm(page: Page) -> None:
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    press(page, "Confirm")


def sign_out(page: Page, home: str) -> None:
    page.goto(f"{home}/accounts/profile/")
    press(page, "Sign out")
    page.wait_for_url(f"{home}/accounts/login/**")


def add_passkey(page: Page, home: str) -> list[str]:
    """Add the first passkey, from the profile page; return the recovery codes that come with it."""
    page.goto(f"{home}/accounts/profile/")
    page.get_by_role("link", name="Set up", exact=True).click()
    page.get_by_role("link", name="Add a passkey").click()
    confirm(page)
    page.locator("#id_name").fill("Laptop")
    press(page, "Add passkey")
    page.wait_for_url(f"{home}/accounts/2fa/recovery-codes/")
    codes: list[str] = page.get_by_label("Recovery codes").input_value().split("\n")
    return codes


def test_a_passkey_is_added_and_signs_in(browser: Browser, home: str) -> None:
    device = Device.of(browser)
    page = device.page
    type_password(page, home)
    page.wait_for_url(f"{home}/o/acme/")
    codes = add_passkey(page, home)
    (credential,) = device.credentials()
    assert (credential["isResidentCredential"], credential["rpId"]) == (True, "localhost")
    assert len(set(codes)) == 10
    with page.expect_download() as saved:
        press(page, "Download")
    assert saved.value.path().read_text().split("\n")[:10] == codes
    page.get_by_role("link", name="I have kept them").click()
    expect(page.locator("body")).to_contain_text("Signs you in on its own")
    page.get_by_role("link", name="Add a passkey").click()
    press(page, "Add passkey")
    expect(page.get_by_role("alert")).to_have_text("This device holds a passkey of yours already.")

    sign_out(page, home)
    press(page, "Sign in with a passkey")
    page.wait_for_url(f"{home}/o/acme/")

    sign_out(page, home)
    type_password(page, home)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    press(page, "Use a passkey")
    page.wait_for_url(f"{home}/o/acme/")

    page.goto(f"{home}/accounts/2fa/")
    page.get_by_role("link", name="Remove …").click()
    page.get_by_role("link", name="Use a passkey").click()
    press(page, "Use a passkey")
    page.wait_for_url(f"{home}/accounts/2fa/webauthn/keys/*/remove/")
    press(page, "Remove")
    expect(page.locator("body")).to_contain_text("You have none yet.")
    sign_out(page, home)
    press(page, "Sign in with a passkey")
    expect(page.locator("body")).to_contain_text("This passkey was not accepted.")


def test_a_device_that_is_not_its_persons_opens_nothing(browser: Browser, home: str) -> None:
    device = Device.of(browser)
    page = device.page
    type_password(page, home)
    page.wait_for_url(f"{home}/o/acme/")
    codes = add_passkey(page, home)
    sign_out(page, home)
    device.verify(verified=False)  # somebody else's finger
    press(page, "Sign in with a passkey")
    expect(page.get_by_role("alert")).to_contain_text("No passkey was chosen in time.")

    other = Device.of(browser).page
    type_password(other, home)
    press(other, "Use a passkey")
    expect(other.get_by_role("alert")).to_contain_text("No passkey was chosen in time.")
    other.get_by_label("Recovery code").fill(codes[0])
    press(other, "Sign in")
    other.wait_for_url(f"{home}/o/acme/")


def test_an_app_is_set_up_by_its_key(browser: Browser, home: str) -> None:
    page = Device.of(browser).page
    type_password(page, home)
    page.wait_for_url(f"{home}/o/acme/")
    page.goto(f"{home}/accounts/2fa/totp/activate/")
    confirm(page)
    picture = page.get_by_role("img", name=re.compile("^QR code"))
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 0, "the policy lets it show"
    page.get_by_text("No camera?").click()
    secret = page.locator(".key code").inner_text().replace(" ", "")
    page.get_by_label("Code that the app shows").fill("000000")
    press(page, "Switch on")
    expect(page.get_by_role("alert")).to_contain_text("This code is wrong")
    page.get_by_label("Code that the app shows").fill(code_of(secret))
    press(page, "Switch on")
    page.wait_for_url(f"{home}/accounts/2fa/recovery-codes/")
    sign_out(page, home)
    type_password(page, home)
    page.get_by_label("Code", exact=True).fill(code_of(secret, steps=1))
    press(page, "Sign in")
    page.wait_for_url(f"{home}/o/acme/")
