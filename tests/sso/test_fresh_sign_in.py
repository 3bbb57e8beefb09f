"""What does lasting harm takes a fresh sign-in: in the console, by the API, for operators, by password and provider."""

import time
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts.key_format import KeyKind
from accounts.models import Session, SignInPolicy, User
from accounts.services.api_keys import create_api_key
from isolation.actor import FRESH_FOR, SYSTEM
from isolation.scope import tenant_scope
from tenants.permissions import P
from tests.people import PASSWORD, Tenant, signed_in
from tests.sso.hostile import REMOVED, Hostile
from tests.sso.stage import Sso

POLICY = "/api/v1/organizations/acme/sign-in-policy"
SENSITIVE_PAGES = ("/o/acme/settings/delete/", "/o/acme/accounts/ssoconnection/add/")


def stale(user: User, ago: timedelta = FRESH_FOR + timedelta(minutes=1)) -> Client:
    """Return a browser in which somebody signed in a while ago."""
    browser = signed_in(user)
    Session.objects.filter(user=user).update(signed_in_at=timezone.now() - ago)
    return browser


def change(browser: Client) -> Any:
    """Change acme's policy by the API."""
    return browser.patch(POLICY, {"session_hours": 9}, content_type="application/json")


@pytest.mark.parametrize("path", SENSITIVE_PAGES)
def test_a_page_asks_before_it_is_filled_in(acme: Tenant, path: str) -> None:
    assert signed_in(acme.owner).get(path).status_code == 200
    answer = stale(acme.owner, FRESH_FOR / 2 + timedelta(minutes=1)).get(path)
    assert answer.status_code == 302
    assert parse_qs(urlsplit(answer.headers["Location"]).query) == {"next": [path]}
    assert urlsplit(answer.headers["Location"]).path == "/accounts/confirm/"


def test_a_service_asks_whatever_the_door(acme: Tenant) -> None:
    browser = stale(acme.owner)
    answer = change(browser)
    assert (answer.status_code, answer.json()["code"]) == (403, "fresh_sign_in_needed")
    page = browser.post(
        "/o/acme/settings/delete/", {"typed_confirmation": "acme"}, headers={"Referer": "http://testserver/o/acme/"}
    )
    assert page.status_code == 302
    assert page.headers["Location"] == "/accounts/confirm/?next=%2Fo%2Facme%2F"
    with tenant_scope(acme.organization):
        acme.organization.refresh_from_db()
        assert not acme.organization.is_being_deleted
        assert not SignInPolicy.objects.exists()


def test_what_harms_nobody_goes_on(acme: Tenant) -> None:
    browser = stale(acme.owner)
    for path in ("/o/acme/", "/o/acme/settings/", "/o/acme/sign-in-policy/", "/o/acme/accounts/ssoconnection/"):
        assert browser.get(path).status_code == 200, path
    answer = browser.patch("/api/v1/organizations/acme", {"name": "Acme 2"}, content_type="application/json")
    assert answer.status_code == 200


def test_the_password_makes_it_fresh(acme: Tenant) -> None:
    browser = stale(acme.owner)
    asked = browser.get("/accounts/confirm/?next=/o/acme/settings/delete/")
    assert asked.headers["Location"] == "/accounts/reauthenticate/?next=%2Fo%2Facme%2Fsettings%2Fdelete%2F"
    wrong = browser.post(asked.headers["Location"], {"password": "no"})
    assert wrong.status_code == 200
    assert change(browser).status_code == 403
    right = browser.post(asked.headers["Location"], {"password": PASSWORD})
    assert right.headers["Location"] == "/o/acme/settings/delete/"
    assert change(browser).status_code == 200


def test_confirming_leads_to_no_other_site(acme: Tenant) -> None:
    browser = stale(acme.owner)
    for wanted in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        asked = browser.get("/accounts/confirm/", {"next": wanted})
        assert "evil" not in asked.headers["Location"]


def test_keys_have_no_session_to_be_stale(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        issued = create_api_key(
            organization=acme.organization,
            kind=KeyKind.ORGANIZATION,
            name="Terraform",
            scopes=[P.SIGN_IN_POLICY_MANAGE, P.SIGN_IN_POLICY_READ],
            actor=SYSTEM,
        )
    bearer = {"Authorization": f"Bearer {issued.secret}"}
    answer = Client().patch(POLICY, {"session_hours": 9}, content_type="application/json", headers=bearer)
    assert answer.status_code == 200


def test_operators_confirm_before_they_change_anything(acme: Tenant, operator: User) -> None:
    browser = stale(operator)
    page = f"/admin/accounts/user/{acme.viewer.pk}/change/"
    assert browser.get(page).status_code == 200
    answer = browser.post(
        page, {"name": "Somebody", "is_operator": "on"}, headers={"Referer": f"http://testserver{page}"}
    )
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/confirm/")
    assert not User.objects.get(pk=acme.viewer.pk).is_operator


# By the identity provider ------------------------------------------------------------------------------


@pytest.fixture
def manager(sso: Sso) -> Client:
    """Return a browser in which acme's admin came by single sign-on, having proved it there a day ago."""
    sso.idp.claims |= {"sub": "u-admin", "email": sso.tenant.admin.email, "auth_time": int(time.time()) - 86_400}
    browser: Client = sso.sign_in().browser
    return browser


def test_a_provider_that_lets_people_through_proves_nothing_new(manager: Client, sso: Sso) -> None:
    page = manager.get("/o/acme/accounts/ssoconnection/add/")
    assert page.headers["Location"].startswith("/accounts/confirm/")
    sso.sign_in(manager)
    assert manager.get("/o/acme/accounts/ssoconnection/add/").status_code == 302


def test_confirming_at_the_provider(manager: Client, sso: Sso, idp: Hostile) -> None:
    asked = manager.get("/accounts/confirm/?next=/o/acme/accounts/ssoconnection/add/")
    assert asked.status_code == 200
    assert f"{sso.start}?again=1&amp;next=/o/acme/accounts/ssoconnection/add/" in asked.content.decode()
    idp.claims |= {"auth_time": int(time.time())}
    sso.sign_in(manager, again="1")
    request = idp.requested("/authorize")[-1]
    assert (request.form["prompt"], request.form["max_age"]) == ("login", "0")
    assert manager.get("/o/acme/accounts/ssoconnection/add/").status_code == 200


@pytest.mark.parametrize("moment", ["soon", True, None, [1], 1e300, -1])
def test_an_auth_time_that_is_none_breaks_nothing(sso: Sso, moment: Any) -> None:
    sso.idp.claims |= {"auth_time": moment}
    assert sso.sign_in().user_id


def test_a_provider_that_does_not_say_when_counts_when_it_was_told_to_ask(sso: Sso) -> None:
    """Entra ID sends no `auth_time` by itself: a silent sign-in there is no proof."""
    sso.idp.claims |= {"sub": "u-admin", "email": sso.tenant.admin.email, "auth_time": REMOVED}
    page = "/o/acme/accounts/ssoconnection/add/"
    browser = sso.sign_in().browser
    assert browser.get(page).headers["Location"].startswith("/accounts/confirm/")
    sso.sign_in(browser, again="1")
    assert browser.get(page).status_code == 200
