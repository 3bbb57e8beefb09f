"""Fields that suggest how a text goes on, in Chromium: by keyboard and by mouse, in a form and in the audit log."""

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.test_keys import visit
from tests.running import Run

pytestmark = pytest.mark.acceptance


def test_a_limit_is_given_to_a_project_that_is_found_while_one_types(
    portal: Run, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portal, "environment", lambda **extra: Run.environment(portal, DEMO="1", **extra))
    portal.start()
    portal.wait_until_ready()
    home = f"http://127.0.0.1:{portal.port}"
    page = visit(browser, home, [])

    page.goto(f"{home}/o/acme/llm/limits/new/")
    expect(page.get_by_label("Project")).to_be_hidden()
    page.get_by_label("Whose use").select_option("project")
    page.get_by_label("Project").press_sequentially("chatbot-p")
    expect(page.get_by_role("option", name="chatbot-prod")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Project")).to_have_value("chatbot-prod ")
    expect(page.get_by_role("listbox", name="Suggestions").first).to_be_hidden()
    page.get_by_label("What is limited").select_option("cost month")
    page.get_by_label("How much").fill("250")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("row").filter(has_text="$250.00")).to_contain_text("Chatbot")

    page.goto(f"{home}/o/acme/audit/")
    page.get_by_role("combobox", name="Search").press_sequentially("action:usage_limit")
    page.get_by_role("option", name="usage_limit.created").click()
    expect(page.get_by_role("combobox", name="Search")).to_have_value("action:usage_limit.created ")
