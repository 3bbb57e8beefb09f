"""Operators: a second factor before their console, and somebody else's that was lost."""

from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tenants.lookups import organization_id_of
from tests.accounts.log import of_installation
from tests.accounts.mfa.stage import (
    code_of,
    confirm,
    forget_time,
    recovery_codes,
    second_step,
    set_up_app,
    sign_in,
    with_app,
)
from tests.people import Tenant, make_user, signed_in

STEP = "/accounts/second-step/?next=%2Fadmin%2F"


@pytest.fixture
def needed(settings: Any) -> None:
    """Ask operators for a second factor, as in production."""
    settings.OPERATORS_NEED_SECOND_FACTOR = True


@pytest.mark.usefixtures("needed")
def test_an_operator_without_one_sets_it_up_first(operator: User) -> None:
    browser, _ = sign_in(operator)
    assert browser.get("/admin/")["Location"] == STEP
    assert browser.post("/admin/accounts/user/add/", {"email": "x@example.org"}).status_code == 302
    assert not User.objects.filter(email="x@example.org").exists()
    page = browser.get(STEP)
    assert "A second step is needed" in page.text
    set_up_app(browser)
    shown = browser.get("/accounts/2fa/recovery-codes/")
    assert 'href="/accounts/second-step/"' in shown.text
    assert browser.get("/accounts/second-step/")["Location"] == "/admin/", "setting it up proved it"
    assert browser.get("/admin/").status_code == 200


@pytest.mark.usefixtures("needed")
def test_an_operator_creates_no_organization_without_it(operator: User) -> None:
    """Where only operators create organizations, that page acts with their authority too."""
    browser, _ = sign_in(operator)
    for answer in (
        browser.get("/organizations/new/"),
        browser.post("/organizations/new/", {"slug": "initech", "name": "Initech"}),
    ):
        assert answer["Location"] == "/accounts/second-step/?next=%2Forganizations%2Fnew%2F"
    assert organization_id_of("initech") is None


@pytest.mark.usefixtures("needed")
def test_an_operator_who_has_not_used_it_here_is_asked(operator: User) -> None:
    _, secret, _ = with_app(operator)
    browser = signed_in(operator)  # a session from before there was a factor
    assert browser.get("/admin/accounts/user/")["Location"].startswith("/accounts/second-step/")
    page = browser.get("/admin/", follow=True)
    assert page.redirect_chain[-1][0].startswith("/accounts/2fa/reauthenticate/")
    assert "Use your password" not in page.text
    confirm(browser)  # the password alone is no second factor
    assert browser.get("/admin/").status_code == 302
    answer = browser.post(
        "/accounts/2fa/reauthenticate/", {"code": code_of(secret), "next": "/accounts/second-step/"}, follow=True
    )
    assert answer.redirect_chain[-1][0] == "/admin/"
    assert answer.status_code == 200


@pytest.mark.usefixtures("needed")
def test_one_who_signed_in_with_it_goes_straight_in(operator: User) -> None:
    _, secret, _ = with_app(operator)
    browser, _ = sign_in(operator)
    second_step(browser, code_of(secret))
    assert browser.get("/admin/").status_code == 200


@pytest.mark.usefixtures("needed")
def test_a_factor_that_is_gone_proves_nothing_more(operator: User) -> None:
    browser, _, _ = with_app(operator)
    other = make_user("second@gatehouse.example", is_operator=True)
    console, _, _ = with_app(other)
    assert browser.get("/admin/").status_code == 200
    page = f"/admin/accounts/user/{operator.pk}/remove-second-factors/"
    assert console.post(page, {"reason": "Called back"}).status_code == 302
    assert browser.get("/admin/").status_code == 302


def test_where_it_is_not_asked_for_nothing_changes(operator: User) -> None:
    assert signed_in(operator).get("/admin/").status_code == 200


@pytest.mark.parametrize(
    "next_url", ["https://evil.example/", "//evil.example", "/accounts/second-step/?next=x", "javascript:1"]
)
def test_it_leads_nowhere_else(acme: Tenant, next_url: str) -> None:
    browser, _, _ = with_app(acme.member)
    assert browser.get("/accounts/second-step/", {"next": next_url})["Location"] == "/"


def test_an_operator_removes_what_somebody_lost(acme: Tenant, operator: User, mailoutbox: list[Any]) -> None:
    with_app(acme.member)
    mailoutbox.clear()
    console = signed_in(operator)
    page = f"/admin/accounts/user/{acme.member.pk}/remove-second-factors/"
    assert "Remove second steps" in console.get(f"/admin/accounts/user/{acme.member.pk}/change/").text
    assert console.post(page, {"reason": " "}).status_code == 422
    assert Authenticator.objects.count() == 2
    assert console.post(page, {"reason": "Called back on the known number"}).status_code == 302
    assert not Authenticator.objects.exists()
    (event,) = of_installation("second_factor.reset")
    assert (event.actor_kind, event.target_label) == ("operator", acme.member.email)
    assert event.before == {"factors": ["authenticator app", "recovery codes"]}
    assert event.reason == "Called back on the known number"
    (message,) = mailoutbox
    assert (message.to, message.subject) == ([acme.member.email], "Your two-step sign-in was switched off")
    assert "/accounts/2fa/" in message.body
    _, answer = sign_in(acme.member)
    assert answer["Location"] == "/o/acme/"
    assert "has changed since" in console.post(page, {"reason": "Again"}, follow=True).text


def test_owners_remove_nobodys(acme: Tenant, stranger: User) -> None:
    with_app(acme.member)
    for person in (acme.owner, stranger, acme.member):
        browser = signed_in(person)
        page = f"/admin/accounts/user/{acme.member.pk}/remove-second-factors/"
        assert browser.post(page, {"reason": "Mine"}).status_code in {302, 403}
    assert Authenticator.objects.count() == 2


def test_the_list_of_logins_shows_and_finds_them_in_one_query(acme: Tenant, operator: User) -> None:
    with_app(acme.member)
    console = signed_in(operator)
    with CaptureQueriesContext(connections["operator"]) as queries:
        assert console.get("/admin/accounts/user/").status_code == 200
    assert sum("mfa_authenticator" in query["sql"] for query in queries) <= 2
    found = console.get("/admin/accounts/user/", {"second_step": "on"}).text
    assert "member@acme.example" in found
    assert "viewer@acme.example" not in found
    assert "member@acme.example" not in console.get("/admin/accounts/user/", {"second_step": "off"}).text


def test_the_command_line_does_the_same(acme: Tenant, mailoutbox: list[Any]) -> None:
    with_app(acme.member)
    mailoutbox.clear()
    out = StringIO()
    call_command("reset_second_factors", "MEMBER@acme.example", "--reason", "Called back", stdout=out)
    assert "authenticator app, recovery codes" in out.getvalue()
    assert of_installation("second_factor.reset")[0].actor_kind == "system"
    assert len(mailoutbox) == 1
    for email, reason, said in (
        ("member@acme.example", "Again", "has no second factor"),
        ("nobody@acme.example", "x", "Nobody signs in as"),
        ("viewer@acme.example", " ", "Say why"),
    ):
        with pytest.raises(CommandError, match=said):
            call_command("reset_second_factors", email, "--reason", reason)


def test_recovery_codes_open_the_console_too(operator: User, settings: Any) -> None:
    settings.OPERATORS_NEED_SECOND_FACTOR = True
    browser = signed_in(operator)
    set_up_app(browser)
    codes = recovery_codes(browser)
    forget_time(operator)
    other, _ = sign_in(operator)
    second_step(other, codes[0])
    assert other.get("/admin/").status_code == 200
