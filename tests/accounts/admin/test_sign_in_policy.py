"""The sign-in policy in the console and by the API."""

from typing import Any

import pytest

from accounts.models import SignInException, SignInPolicy
from isolation.scope import tenant_scope
from tests.people import Tenant, signed_in
from tests.tenants.stage import events

PAGE = "/o/acme/sign-in-policy/"
API = "/api/v1/organizations/acme/sign-in-policy"
FORM = {"sso_required": "nobody", "break_glass": "", "sso_as_second_factor": "always", "allowed_networks": ""}


@pytest.mark.parametrize(("role", "sees", "changes"), [("owner", True, True), ("admin", True, False)])
def test_who_sees_and_who_changes(acme: Tenant, role: str, sees: bool, changes: bool) -> None:
    browser = signed_in(acme.people[role])
    page = browser.get(PAGE)
    assert (page.status_code == 200) is sees
    assert ("Save" in page.content.decode()) is changes
    browser.post(PAGE, {**FORM, "session_hours": "8"})
    with tenant_scope(acme.organization):
        assert SignInPolicy.objects.exists() is changes


@pytest.mark.parametrize("role", ["member", "viewer", "auditor", "none"])
def test_others_do_not_see_it(acme: Tenant, role: str) -> None:
    browser = signed_in(acme.people[role])
    for path in (PAGE, "/o/acme/accounts/signinexception/"):
        assert browser.get(path).status_code == 403
    assert browser.get(API).status_code == 403


def test_a_stranger_sees_and_changes_nothing(acme: Tenant, stranger: Any, globex: Tenant) -> None:
    browser = signed_in(stranger)
    assert browser.get(PAGE).status_code == 404
    assert browser.patch(API, {"session_hours": 8}, content_type="application/json").status_code == 404
    with acme.acting("owner"):
        foreign = str(acme.membership("viewer").pk)
    answer = browser.post(
        "/api/v1/organizations/globex/sign-in-policy/exceptions",
        {"member": foreign, "reason": "Mine"},
        content_type="application/json",
    )
    assert answer.status_code == 422
    page = browser.post("/o/globex/accounts/signinexception/add/", {"membership": foreign, "reason": "Mine"})
    assert page.status_code in {200, 422}
    answer = browser.patch(
        "/api/v1/organizations/globex/sign-in-policy", {"break_glass": foreign}, content_type="application/json"
    )
    assert answer.status_code == 422
    with tenant_scope(globex.organization):
        assert not SignInPolicy.objects.exists()
        assert not SignInException.objects.exists()


def test_the_page_saves(acme: Tenant) -> None:
    browser = signed_in(acme.owner)
    answer = browser.post(PAGE, {**FORM, "session_hours": "8", "allowed_networks": "127.0.0.1\n10.0.0.0/8"})
    assert answer.status_code == 302
    page = browser.get(PAGE).content.decode()
    assert "The sign-in policy was saved." in page
    with tenant_scope(acme.organization):
        policy = SignInPolicy.objects.get()
    assert (policy.session_hours, policy.allowed_networks) == (8, ["127.0.0.1/32", "10.0.0.0/8"])


def test_a_refusal_stands_at_its_field(acme: Tenant) -> None:
    browser = signed_in(acme.owner)
    page = browser.post(PAGE, {**FORM, "sso_required": "everybody"})
    assert page.status_code == 422
    assert page.context["form"].errors == {
        "break_glass": ["Choose the break-glass owner: somebody has to come in when the identity provider fails."]
    }


def test_exceptions_in_the_console(acme: Tenant) -> None:
    browser = signed_in(acme.owner)
    assert "No exceptions" in browser.get("/o/acme/accounts/signinexception/").content.decode()
    with acme.acting("owner"):
        viewer = str(acme.membership("viewer").pk)
    add = "/o/acme/accounts/signinexception/add/"
    assert browser.post(add, {"membership": viewer, "reason": "The wallboard"}).status_code == 302
    assert "already" in browser.post(add, {"membership": viewer, "reason": "Again"}).content.decode()
    listed = browser.get("/o/acme/accounts/signinexception/").content.decode()
    assert "viewer@acme.example" in listed
    assert "The wallboard" in listed
    with tenant_scope(acme.organization):
        exception = SignInException.objects.get()
    browser.post(f"/o/acme/accounts/signinexception/{exception.pk}/delete/", {"post": "yes"})
    assert [event.reason for event in events(acme, "sign_in_exception.added")] == ["The wallboard"]
    assert len(events(acme, "sign_in_exception.removed")) == 1


def test_the_api_reads_and_changes(acme: Tenant) -> None:
    browser = signed_in(acme.owner)
    assert browser.get(API).json() == {
        "sso_required": "nobody",
        "break_glass": None,
        "second_factor_required": False,
        "sso_as_second_factor": "always",
        "session_hours": None,
        "idle_minutes": None,
        "concurrent_sessions": None,
        "allowed_networks": [],
    }
    answer = browser.patch(API, {"idle_minutes": 15}, content_type="application/json")
    assert (answer.status_code, answer.json()["idle_minutes"]) == (200, 15)
    refused = browser.patch(API, {"idle_minutes": 1}, content_type="application/json")
    assert refused.status_code == 422
    assert browser.get(API).json()["idle_minutes"] == 15
