"""The API's page in a browser: served from here alone, within our content policy, readable in the dark."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.acceptance.chromium import chromium
from tests.running import Run

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


def watched(page: Page) -> tuple[set[str], list[str]]:
    """Return (the hosts that the page asks, what it complains about), filled as the page goes on."""
    hosts: set[str] = set()
    complaints: list[str] = []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc or urlsplit(request.url).scheme))
    page.on(
        "console",
        lambda message: complaints.append(f"{message.text} {message.location}") if message.type == "error" else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return hosts, complaints


def test_the_page_of_the_api(portal: Run, browser: Browser) -> None:
    portal.start()
    portal.wait_until_ready()
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        hosts, complaints = watched(page)
        page.goto(f"http://127.0.0.1:{portal.port}/api/v1/docs")
        page.get_by_role("heading", name="Gatehouse API").wait_for()
        # The page draws what is in view: with as many operations as there are, people filter or scroll.
        page.get_by_placeholder("Filter by tag").fill("Members")
        page.locator("#operations-Members-listMembers button.opblock-summary-control").click()
        page.get_by_text("New members come by invitation").wait_for()
        assert hosts <= {f"127.0.0.1:{portal.port}", "data"}
        assert complaints == []
        assert contrast(page) > 4.5, scheme
        context.close()


def contrast(page: Page) -> float:
    """Return the contrast (WCAG 2.2) of an operation's description against the page."""
    ratio: Any = page.evaluate(
        """() => {
          const light = (text) => {
            const [r, g, b] = text.match(/[0-9.]+/g).map(Number);
            const part = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
          };
          const text = light(getComputedStyle(document.querySelector(".opblock-description p")).color);
          const page = light(getComputedStyle(document.body).backgroundColor);
          return (Math.max(text, page) + 0.05) / (Math.min(text, page) + 0.05);
        }"""
    )
    return float(ratio)
