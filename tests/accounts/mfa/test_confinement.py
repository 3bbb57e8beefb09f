"""A session by single sign-on and second factors: its person proves their own, and it stays in its organization."""

from django.test import Client

from accounts import signals
from accounts.services.sign_in_policy import update_sign_in_policy
from accounts.services.users import set_user_active
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tests.accounts.mfa.stage import code_of, confirm, second_step, sign_in, with_app
from tests.people import PASSWORD, Tenant
from tests.sso.stage import Sso
from tests.sso.test_strangers import join

ADDING = ("", "totp/activate/", "webauthn/add/", "recovery-codes/", "recovery-codes/generate/")


def assert_confined(browser: Client) -> None:
    assert browser.get("/o/acme/").status_code == 200
    assert browser.get("/accounts/profile/").status_code == 403
    for page in ADDING:
        assert browser.get(f"/accounts/2fa/{page}").status_code == 403, page
        assert browser.post(f"/accounts/2fa/{page}", {"code": "123456"}).status_code == 403, page
    assert browser.get("/api/v1/me/second-factors").json()["code"] == "confined_session"


def test_a_provider_adds_no_factor(sso: Sso) -> None:
    assert_confined(sso.sign_in().browser)


def test_the_organization_says_whether_the_provider_is_enough(sso: Sso) -> None:
    """A factor of one's own is asked by the policy, not by each sign-in through a provider."""
    _, secret, _ = with_app(sso.tenant.member)
    browser = sso.sign_in().browser
    assert_confined(browser)
    with sso.tenant.acting("owner") as actor:
        update_sign_in_policy(
            organization=sso.tenant.organization,
            second_factor_required=True,
            sso_as_second_factor="never",
            actor=actor,
        )
    asked = browser.get("/o/acme/")
    assert asked["Location"].startswith("/accounts/second-step/")
    asked = browser.get(asked["Location"])
    assert asked["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert browser.post(asked["Location"], {"code": code_of(secret)}).status_code == 302
    assert_confined(browser)


def test_a_factor_alone_does_not_release_it(sso: Sso) -> None:
    _, secret, codes = with_app(sso.tenant.member)
    browser = sso.sign_in().browser
    for code in (code_of(secret), codes[1]):
        assert browser.post("/accounts/2fa/reauthenticate/", {"code": code}).status_code == 302
    assert_confined(browser)
    confirm(browser)
    assert browser.get("/accounts/2fa/").status_code == 200


def test_a_login_of_the_organization_alone_sets_its_first_factor_up(sso: Sso, globex: Tenant) -> None:
    member = sso.tenant.member
    member.set_unusable_password()
    with tenant_scope(sso.tenant.organization):
        member.save()
        signals.user_password_changed.announce(member, actor=SYSTEM)
    browser = sso.sign_in().browser
    assert browser.get("/accounts/2fa/totp/activate/").status_code == 200
    assert browser.get("/accounts/profile/").status_code == 403
    join(globex, member, "viewer")
    assert browser.get("/accounts/2fa/totp/activate/").status_code == 403


def test_a_deactivated_login_leaves_no_confinement_behind(sso: Sso) -> None:
    sso.sign_in()
    set_user_active(user=sso.tenant.member, active=False, actor=SYSTEM)
    visit = sso.sign_in()
    assert visit.user_id is None
    assert "sso_confinement" not in visit.browser.session


def test_a_password_session_is_not_confined_by_signing_in_again(sso: Sso) -> None:
    _, secret, _ = with_app(sso.tenant.member)
    browser, _ = sign_in(sso.tenant.member)
    second_step(browser, code_of(secret))
    sso.sign_in(browser)
    assert browser.get("/accounts/profile/").status_code in {200, 302}


def test_half_a_sign_in_by_password_releases_nothing(sso: Sso) -> None:
    """A password whose second step is not proved, and the organization's provider, are together no whole sign-in."""
    with_app(sso.tenant.member)
    browser = Client()
    browser.post("/accounts/login/", {"login": sso.tenant.member.email, "password": PASSWORD})
    sso.sign_in(browser)
    assert_confined(browser)
