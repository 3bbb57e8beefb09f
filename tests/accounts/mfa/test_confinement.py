"""A session by single sign-on and second factors: its person proves their own, and it stays in its organization."""

from django.test import Client

from accounts.services.users import set_user_active
from isolation.actor import SYSTEM
from tests.accounts.log import of_installation
from tests.accounts.mfa.stage import code_of, confirm, is_signed_in, second_step, sign_in, with_app
from tests.accounts.mfa.test_passkeys import stored_passkey
from tests.people import PASSWORD
from tests.sso.stage import Sso

PAGES = ("", "totp/activate/", "webauthn/add/", "recovery-codes/", "reauthenticate/", "webauthn/reauthenticate/")


def assert_confined(browser: Client) -> None:
    assert browser.get("/o/acme/").status_code == 200
    assert browser.get("/accounts/profile/").status_code == 403
    for page in PAGES:
        assert browser.get(f"/accounts/2fa/{page}").status_code == 403, page
        assert browser.post(f"/accounts/2fa/{page}", {"code": "123456"}).status_code == 403, page
    assert browser.get("/accounts/second-step/").status_code == 403
    assert browser.get("/api/v1/me/second-factors").json()["code"] == "confined_session"


def test_a_provider_adds_no_factor(sso: Sso) -> None:
    assert_confined(sso.sign_in().browser)


def test_a_second_step_after_the_provider_leaves_the_session_confined(sso: Sso) -> None:
    _, secret, _ = with_app(sso.tenant.member)
    visit = sso.sign_in(next="/o/acme/tenants/project/")
    assert visit.response["Location"] == "/accounts/2fa/authenticate/"
    assert visit.user_id is None
    answer = second_step(visit.browser, code_of(secret))
    assert answer["Location"] == "/o/acme/tenants/project/"
    assert_confined(visit.browser)
    event = of_installation("user.signed_in")[-1]
    assert event.reason == "Single sign-on"
    assert event.after == {"methods": ["single sign-on", "authenticator app"]}


def test_a_factor_alone_does_not_release_it(sso: Sso) -> None:
    _, secret, codes = with_app(sso.tenant.member)
    visit = sso.sign_in()
    second_step(visit.browser, codes[0])
    for code in (code_of(secret), codes[1]):
        assert visit.browser.post("/accounts/2fa/reauthenticate/", {"code": code}).status_code == 403
    assert_confined(visit.browser)
    confirm(visit.browser)
    assert visit.browser.get("/accounts/2fa/").status_code == 200


def test_reauthentication_of_somebody_without_a_password_stays_closed(sso: Sso) -> None:
    """Allauth leads them on to their passkey; that page does not open here."""
    stored_passkey(sso.tenant.member)
    visit = sso.sign_in()
    assert visit.response["Location"] == "/accounts/2fa/authenticate/"
    assert not is_signed_in(visit.browser)


def test_who_gives_the_second_step_up_and_types_the_password_is_not_confined(sso: Sso) -> None:
    _, secret, _ = with_app(sso.tenant.member)
    browser = sso.sign_in().browser
    session = browser.session
    session["account_login"] |= {"initiated_at": 1}  # the sign-in is given up, and its time goes by
    session.save()
    browser.post("/accounts/login/", {"login": sso.tenant.member.email, "password": PASSWORD})
    second_step(browser, code_of(secret))
    assert browser.get("/accounts/profile/").status_code == 200
    assert of_installation("user.signed_in")[-1].after == {"methods": ["password", "authenticator app"]}


def test_somebody_elses_password_releases_nothing_of_a_waiting_sign_in(sso: Sso) -> None:
    _, secret, _ = with_app(sso.tenant.member)
    browser = sso.sign_in().browser
    browser.post("/accounts/login/", {"login": sso.tenant.viewer.email, "password": "wrong"})
    assert not is_signed_in(browser)
    second_step(browser, code_of(secret))
    assert_confined(browser)


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
