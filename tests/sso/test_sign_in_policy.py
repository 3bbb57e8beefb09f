"""What the sign-in policy asks of a session besides single sign-on: two steps, age, pause, number, network."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts.entry import entry_of
from accounts.models import Session, SignInPolicy, SsoAsSecondFactor
from accounts.services.sign_in_policy import update_sign_in_policy
from accounts.sso.presence import is_two_steps
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tests.accounts.factors import give_totp, prove_totp
from tests.people import Tenant, signed_in
from tests.sso.hostile import Hostile
from tests.sso.keys import personal_key
from tests.sso.stage import Sso
from tests.sso.test_strangers import join
from tests.tenants.stage import events


def ask(tenant: Tenant, **values: Any) -> SignInPolicy:
    """Change the tenant's policy as its owner."""
    with tenant.acting("owner") as actor:
        return update_sign_in_policy(organization=tenant.organization, actor=actor, **values)


def age(browser: Client, **columns: Any) -> None:
    """Let the browser's session be older than it is."""
    Session.objects.filter(user_id=browser.session["_auth_user_id"]).update(**columns)


def api(browser: Client, organization: str = "acme") -> tuple[int, str]:
    """Return status and code of a request of the browser's session to the API."""
    answer = browser.get(f"/api/v1/organizations/{organization}")
    return answer.status_code, answer.json().get("code", "")


# Two steps ---------------------------------------------------------------------------------------------


def test_without_a_second_step_nobody_enters(acme: Tenant, globex: Tenant) -> None:
    ask(acme, second_factor_required=True)
    join(globex, acme.viewer, "viewer")
    browser = signed_in(acme.viewer)
    page = browser.get("/o/acme/tenants/project/?q=x")
    assert page.status_code == 302
    assert page.headers["Location"] == "/accounts/second-step/?next=%2Fo%2Facme%2Ftenants%2Fproject%2F%3Fq%3Dx"
    assert api(browser) == (403, "second_factor_required")
    assert browser.get("/o/globex/").status_code == 200, "that is acme's to ask, for acme"
    give_totp(acme.viewer)
    assert browser.get("/o/acme/").status_code == 302, "having one is not proving it"
    prove_totp(browser, acme.viewer)
    assert browser.get("/o/acme/").status_code == 200
    assert api(browser) == (200, "")


@pytest.mark.parametrize(
    ("counts", "amr", "enters"),
    [
        (SsoAsSecondFactor.ALWAYS, [], True),
        (SsoAsSecondFactor.NEVER, ["mfa"], False),
        (SsoAsSecondFactor.WHEN_SAID, [], False),
        (SsoAsSecondFactor.WHEN_SAID, ["pwd"], False),
        (SsoAsSecondFactor.WHEN_SAID, ["pwd", "otp"], True),
        (SsoAsSecondFactor.WHEN_SAID, ["mfa"], True),
    ],
)
def test_whether_single_sign_on_counts(sso: Sso, idp: Hostile, counts: str, amr: list[str], enters: bool) -> None:
    ask(sso.tenant, second_factor_required=True, sso_as_second_factor=counts)
    idp.claims |= {"amr": amr}
    visit = sso.sign_in()
    assert visit.browser.get("/o/acme/").status_code == (200 if enters else 302)
    assert api(visit.browser)[0] == (200 if enters else 403)


@pytest.mark.parametrize(("acr", "enters"), [("phr", True), ("urn:okta:loa:2fa:any", True), ("0", False), (7, False)])
def test_acr_alone_can_say_it(sso: Sso, idp: Hostile, acr: object, enters: bool) -> None:
    ask(sso.tenant, second_factor_required=True, sso_as_second_factor=SsoAsSecondFactor.WHEN_SAID)
    idp.claims |= {"acr": acr}
    assert sso.sign_in().browser.get("/o/acme/").status_code == (200 if enters else 302)


@pytest.mark.parametrize(
    ("said", "two"),
    [
        ([], False),
        (["pwd"], False),
        (["pwd", "pwd"], False),
        (["otp"], False),
        (["pwd", "hwk"], True),
        (["rsa", "user", "geo"], False),
        (["mfa"], True),
        (["http://schemas.microsoft.com/claims/multipleauthn"], True),
        (["https://refeds.org/profile/mfa"], True),
        (["urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"], False),
        (["urn:mace:incommon:iap:silver", "1"], False),
    ],
)
def test_what_a_provider_says_of_two_steps(said: list[str], two: bool) -> None:
    assert is_two_steps(said) is two


def test_amr_that_is_no_list_says_nothing(sso: Sso, idp: Hostile) -> None:
    ask(sso.tenant, second_factor_required=True, sso_as_second_factor="when_said")
    for amr in ({"mfa": True}, 7, None, [["mfa"]], [None]):
        idp.claims |= {"amr": amr}
        assert sso.sign_in().browser.get("/o/acme/").status_code == 302, amr


# Age, pause, number ------------------------------------------------------------------------------------


def test_an_old_session_ends(acme: Tenant, globex: Tenant) -> None:
    join(globex, acme.viewer, "viewer")
    browser = signed_in(acme.viewer)
    age(browser, signed_in_at=timezone.now() - timedelta(hours=9))
    assert browser.get("/o/acme/").status_code == 200
    ask(acme, session_hours=8)
    assert browser.get("/o/globex/").status_code == 200
    page = browser.get("/o/acme/settings/")
    assert page.status_code == 403
    assert "/accounts/login/?next=/o/acme/settings/" in page.content.decode()
    assert "_auth_user_id" not in browser.session
    assert signed_in(acme.viewer).get("/o/acme/").status_code == 200


def test_a_pause_ends_a_session(acme: Tenant) -> None:
    ask(acme, idle_minutes=30)
    browser = signed_in(acme.viewer)
    age(browser, last_seen_at=timezone.now() - timedelta(minutes=29))
    assert browser.get("/o/acme/").status_code == 200
    age(browser, last_seen_at=timezone.now() - timedelta(minutes=31))
    assert browser.get("/o/acme/").status_code == 403
    assert browser.get("/o/acme/").status_code == 302, "nobody is signed in any more"


def test_a_pause_counts_for_the_api_too(acme: Tenant) -> None:
    ask(acme, idle_minutes=30)
    browser = signed_in(acme.viewer)
    age(browser, last_seen_at=timezone.now() - timedelta(minutes=31))
    assert api(browser) == (403, "sign_in_again")
    assert api(browser) == (401, "not_authenticated")


def test_the_oldest_session_gives_way(acme: Tenant) -> None:
    ask(acme, concurrent_sessions=2)
    browsers = [signed_in(acme.viewer) for _ in range(3)]
    assert [browser.get("/o/acme/").status_code for browser in browsers] == [403, 200, 200]
    other = signed_in(acme.admin)
    assert other.get("/o/acme/").status_code == 200, "each person for themselves"


# Networks ----------------------------------------------------------------------------------------------


def test_from_elsewhere_nobody_enters(acme: Tenant, globex: Tenant) -> None:
    join(globex, acme.viewer, "viewer")
    answer = signed_in(acme.owner).patch(
        "/api/v1/organizations/acme/sign-in-policy",
        {"allowed_networks": ["127.0.0.0/8", "2001:db8::/32"]},
        content_type="application/json",
    )
    assert answer.status_code == 200
    browser = signed_in(acme.viewer)
    secret = personal_key(acme, "viewer")
    bearer = {"Authorization": f"Bearer {secret}"}
    assert browser.get("/o/acme/").status_code == 200
    assert browser.get("/api/v1/organizations/acme", headers=bearer).status_code == 200
    elsewhere: dict[str, Any] = {"REMOTE_ADDR": "203.0.113.9"}
    page = browser.get("/o/acme/", **elsewhere)
    assert page.status_code == 403
    assert "203.0.113.9 is in none of them" in page.content.decode()
    assert browser.get("/api/v1/organizations/acme", **elsewhere).json()["code"] == "address_not_allowed"
    assert browser.get("/api/v1/organizations/acme", headers=bearer, **elsewhere).status_code == 403
    assert browser.get("/o/globex/", **elsewhere).status_code == 200
    assert browser.get("/o/acme/").status_code == 200, "the session goes on where it may"


def test_nobody_locks_themselves_out(acme: Tenant) -> None:
    browser = signed_in(acme.owner)
    form = {"sso_required": "nobody", "sso_as_second_factor": "always", "allowed_networks": "203.0.113.0/24"}
    page = browser.post("/o/acme/sign-in-policy/", form)
    assert page.status_code == 422
    assert "127.0.0.1, is in none of these networks" in page.content.decode()
    answer = browser.patch(
        "/api/v1/organizations/acme/sign-in-policy",
        {"allowed_networks": ["203.0.113.0/24"]},
        content_type="application/json",
    )
    assert answer.status_code == 422
    with tenant_scope(acme.organization):
        assert not SignInPolicy.objects.exists()


# The policy itself -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"sso_required": "some"}, "sso_required"),
        ({"sso_as_second_factor": "perhaps"}, "sso_as_second_factor"),
        ({"session_hours": 0}, "session_hours"),
        ({"session_hours": 721}, "session_hours"),
        ({"idle_minutes": 4}, "idle_minutes"),
        ({"concurrent_sessions": 0}, "concurrent_sessions"),
        ({"allowed_networks": ["10.0.0.0/8", "all"]}, "allowed_networks"),
    ],
)
def test_bad_values_change_nothing(acme: Tenant, values: dict[str, Any], field: str) -> None:
    with pytest.raises(DomainError) as refused:
        ask(acme, **values)
    assert refused.value.field == field
    with tenant_scope(acme.organization):
        assert not SignInPolicy.objects.exists()


def test_a_change_is_in_the_log(acme: Tenant) -> None:
    ask(acme, session_hours=8)
    ask(acme, session_hours=None, second_factor_required=True)
    first, second = events(acme, "sign_in_policy.updated")
    assert first.after["session_hours"] == 8
    assert (second.before, second.after) == (
        {"session_hours": 8, "second_factor_required": False},
        {"session_hours": None, "second_factor_required": True},
    )


def test_where_nothing_is_asked_entering_costs_one_statement(acme: Tenant, django_assert_num_queries: Any) -> None:
    request = RequestFactory().get("/")
    with tenant_scope(acme.organization), django_assert_num_queries(1):
        assert entry_of(request, acme.viewer, acme.organization.pk).asked is None
