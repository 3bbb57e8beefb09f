"""The first day with Gatehouse, in Chromium against `make run`: sign up, build, invite, change, read it in the log."""

import email
import re
import signal
import time
from email.message import EmailMessage
from email.policy import default

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.running import Run

pytestmark = pytest.mark.acceptance

PASSWORD = "correct horse battery staple"
EMAIL = re.compile("e-?mail", re.IGNORECASE)
LINK = re.compile(r"https?://\S+")


class Visitor:
    """A person with a browser of their own; anything the pages fail at fails the test."""

    def __init__(self, browser: Browser, portal: Run) -> None:
        self.portal = portal
        self.home = f"http://127.0.0.1:{portal.port}"
        self.page: Page = browser.new_context().new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("pageerror", lambda error: pytest.fail(f"JavaScript: {error}"))
        self.page.on("request", self._stay_at_home)

    def _stay_at_home(self, request: object) -> None:
        url = str(getattr(request, "url", ""))
        assert url.startswith((self.home, "data:", "blob:")), f"the page asked {url}"

    def go(self, path: str) -> int:
        response = self.page.goto(self.home + path)
        assert response is not None
        return response.status

    def press(self, name: str | re.Pattern[str]) -> None:
        self.page.get_by_role("button", name=name).first.click()

    def sign_in(self, address: str) -> None:
        self.go("/accounts/login/")
        self.page.get_by_label(EMAIL).fill(address)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.press("Sign in")

    def sign_up(self, address: str) -> None:
        self.go("/accounts/signup/")
        self.page.get_by_label(EMAIL).fill(address)
        self.choose_password()
        self.press("Sign up")
        self.page.goto(link_for(self.portal, address, "confirm"))
        self.press(re.compile("Confirm", re.IGNORECASE))
        self.page.wait_for_url(self.home + "/")

    def choose_password(self) -> None:
        for field in self.page.locator("input[type=password]").all():
            field.fill(PASSWORD)

    def sees(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_role("main").or_(self.page.locator("body")).first).to_contain_text(text)


def link_for(portal: Run, address: str, part: str) -> str:
    """Return the newest link with `part` in a mail to `address`; mails are files of the running portal."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for file in sorted((portal.home / "mail").glob("*"), key=lambda path: path.stat().st_mtime, reverse=True):
            message = email.message_from_bytes(
                file.read_bytes().partition(b"\n" + b"-" * 70)[0], EmailMessage, policy=default
            )
            if address in str(message["To"]):
                for link in LINK.findall(text_of(message)):
                    if part in link:
                        return str(link)
        time.sleep(0.1)
    raise AssertionError(f"no mail to {address} with a link to {part}")


def text_of(message: EmailMessage) -> str:
    """Return a mail's plain text."""
    body = message.get_body(("plain",))
    return str(body.get_content()) if body else ""


def test_the_first_day(portal: Run, browser: Browser) -> None:
    portal.start()
    portal.wait_until_ready()

    ada = Visitor(browser, portal)
    ada.sign_up("ada@acme.example")
    ada.go("/organizations/new/")
    ada.page.get_by_label("Name").fill("Acme")
    ada.page.get_by_label("Identifier").fill("acme")
    ada.press(re.compile("Create", re.IGNORECASE))
    expect(ada.page).to_have_url(f"{ada.home}/o/acme/")

    ada.go("/o/acme/tenants/project/add/")
    ada.page.get_by_label("Name").fill("Chatbot")
    ada.page.get_by_label("Identifier").fill("chatbot-prod")
    ada.page.locator("select[name=environment]").select_option("production")
    ada.press(re.compile("^Save|Create", re.IGNORECASE))
    ada.go("/o/acme/tenants/project/")
    ada.sees("chatbot-prod")

    ada.go("/o/acme/members/invite/")
    ada.page.get_by_label(EMAIL).fill("ben@acme.example")
    ada.page.locator("select[name=role]").select_option(label="Viewer")
    ada.press(re.compile("Invite|Send", re.IGNORECASE))
    ada.sees("ben@acme.example")

    ben = Visitor(browser, portal)
    ben.page.goto(link_for(portal, "ben@acme.example", "/invitations/"))
    ben.sees("Acme")
    ben.choose_password()
    ben.press(re.compile("Accept|Join|Sign up|Create", re.IGNORECASE))
    expect(ben.page).to_have_url(f"{ben.home}/o/acme/")
    assert ben.go("/o/acme/members/invite/") == 403
    ben.sees("Invite members")  # the refused page names the missing permission
    ben.sees("ada@acme.example")  # and who can grant it

    ada.go("/o/acme/tenants/membership/")
    ada.page.get_by_role("link", name="ben@acme.example").or_(ada.page.get_by_text("ben@acme.example")).first.click()
    ada.page.locator("select[name=role]").select_option(label="Admin")
    ada.press(re.compile("^Save", re.IGNORECASE))
    assert ben.go("/o/acme/members/invite/") == 200

    ada.go("/o/acme/audit/")
    for action in (
        "Created the organization",
        "Created a project",
        "Invited somebody",
        "Accepted an invitation",
        "Was refused access",
        "Changed a member's role",
    ):
        ada.sees(action)
    ada.page.get_by_role("link", name="Changed a member's role").first.click()
    ada.sees("Viewer")
    ada.sees("Admin")

    stranger = Visitor(browser, portal)
    stranger.sign_up("eve@globex.example")
    for path in ("/o/acme/", "/o/acme/audit/", "/o/acme/tenants/membership/", "/o/acme/tenants/project/"):
        assert stranger.go(path) == 404
        expect(stranger.page.locator("body")).not_to_contain_text("chatbot")
    stranger.go("/")
    expect(stranger.page.locator("body")).not_to_contain_text("Acme")

    assert portal.stop(signal.SIGINT) == 0
