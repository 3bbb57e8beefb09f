"""Authenticator apps and recovery codes: set up, asked for, used once, removed; each with its event and its mail."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.second_factor import has_second_factor
from tests.accounts.log import of_installation
from tests.accounts.mfa.stage import (
    code_of,
    confirm,
    forget_time,
    is_signed_in,
    recovery_codes,
    second_step,
    set_up_app,
    sign_in,
    with_app,
)
from tests.people import PASSWORD, Tenant, signed_in


def subjects() -> list[str]:
    return [str(message.subject) for message in mail.outbox]


def test_a_session_alone_adds_nothing(acme: Tenant) -> None:
    """Whoever stole a session's cookie does not know the password."""
    stolen = signed_in(acme.member)
    for page in ("totp/activate/", "webauthn/add/", "recovery-codes/generate/"):
        for answer in (stolen.get(f"/accounts/2fa/{page}"), stolen.post(f"/accounts/2fa/{page}", {"code": "123456"})):
            assert answer.status_code == 302
            assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert confirm(stolen, password="not the password").status_code == 200
    assert stolen.get("/accounts/2fa/totp/activate/").status_code == 302
    assert not Authenticator.objects.exists()


def test_a_session_alone_removes_nothing(acme: Tenant) -> None:
    with_app(acme.member)
    stolen = signed_in(acme.member)
    assert stolen.post("/accounts/2fa/totp/deactivate/")["Location"].startswith("/accounts/reauthenticate/")
    assert stolen.get("/accounts/2fa/recovery-codes/")["Location"].startswith("/accounts/reauthenticate/")
    assert has_second_factor(acme.member)


def test_an_app_is_set_up_and_asked_for(acme: Tenant) -> None:
    browser = signed_in(acme.member)
    secret, answer = set_up_app(browser)
    assert answer["Location"] == "/accounts/2fa/recovery-codes/"
    assert [event.after for event in of_installation("second_factor.added")] == [{"kind": "authenticator app"}]
    assert len(of_installation("recovery_codes.made")) == 1
    assert subjects() == ["An authenticator app was added to your account"]

    other, answer = sign_in(acme.member)
    assert answer["Location"] == "/accounts/2fa/authenticate/"
    assert not is_signed_in(other)
    assert other.get("/o/acme/").status_code == 302
    assert "From your authenticator app" in other.get("/accounts/2fa/authenticate/").text
    assert second_step(other, code_of(secret)).status_code == 200, "the code of the set-up opens nothing more"
    assert second_step(other, code_of(secret, steps=1)).status_code == 302
    assert is_signed_in(other)
    event = of_installation("user.signed_in")[-1]
    assert event.after == {"methods": ["password", "authenticator app"]}


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_phone_whose_clock_is_off_by_half_a_minute_signs_in(acme: Tenant, steps: int) -> None:
    _, secret, _ = with_app(acme.member)
    browser, _ = sign_in(acme.member)
    assert second_step(browser, code_of(secret, steps=steps)).status_code == 302


@pytest.mark.parametrize("steps", [-4, 4])
def test_an_old_code_and_a_future_one_do_not(acme: Tenant, steps: int) -> None:
    _, secret, _ = with_app(acme.member)
    browser, _ = sign_in(acme.member)
    assert second_step(browser, code_of(secret, steps=steps)).status_code == 200
    assert not is_signed_in(browser)


def test_a_code_that_was_used_opens_nothing_more(acme: Tenant) -> None:
    _, secret, _ = with_app(acme.member)
    code = code_of(secret)
    first, _ = sign_in(acme.member)
    assert second_step(first, code).status_code == 302
    for replayed in (code, code_of(secret, steps=-1)):
        thief, _ = sign_in(acme.member)
        answer = second_step(thief, replayed)
        assert answer.status_code == 200
        assert "was used already" in answer.text
        assert not is_signed_in(thief)


def test_a_wrong_code_is_told_everywhere(acme: Tenant) -> None:
    with_app(acme.member)
    browser, _ = sign_in(acme.member)
    assert "Type the one that your app shows now" in second_step(browser, "000000").text
    (event,) = of_installation("user.sign_in_failed")
    assert (event.actor_kind, event.target_id, event.outcome) == ("anonymous", str(acme.member.pk), "failed")
    assert event.reason == "A wrong code of the second step"


def test_wrong_codes_are_limited_for_a_person(acme: Tenant, settings: Any) -> None:
    _, secret, _ = with_app(acme.member)
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": "5/300s/key"}
    browser, _ = sign_in(acme.member)
    for _ in range(5):
        assert "Type the one" in second_step(browser, "000000").text
    other, _ = sign_in(acme.member)  # another browser, and the right code
    assert "Too many failed" in second_step(other, code_of(secret)).text
    assert not is_signed_in(other)


def test_the_challenge_is_nobodys_without_the_password(acme: Tenant) -> None:
    _, secret, _ = with_app(acme.member)
    assert second_step(Client(), code_of(secret))["Location"] == "/accounts/login/"


def test_recovery_codes_are_shown_once(acme: Tenant) -> None:
    browser = signed_in(acme.member)
    set_up_app(browser)
    codes = recovery_codes(browser)
    assert len(set(codes)) == 10
    assert recovery_codes(browser) == []
    again = browser.get("/accounts/2fa/recovery-codes/")
    assert "are not shown again" in again.text
    assert not any(code in again.text for code in codes)
    assert browser.get("/accounts/2fa/recovery-codes/download/").status_code == 403
    assert len(of_installation("recovery_codes.shown")) == 1


def test_a_recovery_code_signs_in_once_and_its_person_hears_of_it(acme: Tenant) -> None:
    _, _, codes = with_app(acme.member)
    mail.outbox.clear()
    browser, _ = sign_in(acme.member)
    assert second_step(browser, codes[3]).status_code == 302
    assert of_installation("user.signed_in")[-1].after == {"methods": ["password", "recovery code"]}
    assert [event.after for event in of_installation("recovery_codes.used")] == [{"left": 9}]
    (message,) = [one for one in mail.outbox if one.subject == "A recovery code of your account was used"]
    assert message.to == ["member@acme.example"]
    assert "9 are left" in message.body
    again, _ = sign_in(acme.member)
    assert second_step(again, codes[3]).status_code == 200
    assert second_step(again, codes[4].replace(" ", "")).status_code == 302


def test_new_recovery_codes_end_the_former_ones(acme: Tenant) -> None:
    browser, _, codes = with_app(acme.member)
    assert browser.post("/accounts/2fa/recovery-codes/generate/").status_code == 302
    fresh = recovery_codes(browser)
    assert not set(fresh) & set(codes)
    other, _ = sign_in(acme.member)
    assert second_step(other, codes[0]).status_code == 200
    assert second_step(other, fresh[0]).status_code == 302
    assert "New recovery codes were made for your account" in subjects()
    assert len(of_installation("recovery_codes.made")) == 2


def test_the_last_factor_takes_the_recovery_codes_with_it(acme: Tenant) -> None:
    browser, _, _ = with_app(acme.member)
    assert browser.post("/accounts/2fa/totp/deactivate/")["Location"] == "/accounts/2fa/"
    assert not Authenticator.objects.exists()
    told = [event.before["kind"] for event in of_installation("second_factor.removed")]
    assert told == ["authenticator app", "recovery codes"]
    assert "The authenticator app of your account was removed" in subjects()
    _, answer = sign_in(acme.member)
    assert answer["Location"] == "/o/acme/"


def test_a_password_reset_does_not_go_around_the_second_step(acme: Tenant) -> None:
    with_app(acme.member)
    mail.outbox.clear()
    browser = Client()
    browser.post("/accounts/password/reset/", {"email": acme.member.email})
    link = next(word for word in mail.outbox[0].body.split() if "/password/reset/key/" in word)
    form = browser.get(link.removeprefix("http://testserver"), follow=True)
    fresh = "a wholly different battery"
    browser.post(form.redirect_chain[-1][0], {"password1": fresh, "password2": fresh})
    assert not is_signed_in(browser)
    _, answer = sign_in(acme.member, password=fresh)
    assert answer["Location"] == "/accounts/2fa/authenticate/"


def test_a_code_confirms_who_one_is(acme: Tenant) -> None:
    _, secret, _ = with_app(acme.member)
    browser = signed_in(acme.member)
    assert browser.post("/accounts/2fa/reauthenticate/", {"code": "000000"}).status_code == 200
    assert of_installation("user.sign_in_failed")[-1].actor_id == acme.member.pk
    assert browser.post("/accounts/2fa/reauthenticate/", {"code": code_of(secret)}).status_code == 302
    assert of_installation("user.reauthenticated")[-1].after == {"method": "authenticator app"}
    assert browser.get("/accounts/2fa/recovery-codes/generate/").status_code == 200


def test_somebody_with_an_app_can_add_an_address(acme: Tenant) -> None:
    browser, _, _ = with_app(acme.member)
    answer = browser.post("/accounts/email/", {"action_add": "", "email": "second@acme.example"}, follow=True)
    assert "second@acme.example" in answer.text


def test_nothing_changes_without_an_event(acme: Tenant) -> None:
    with_app(acme.member)
    changes = [
        lambda rows: rows.delete(),
        lambda rows: rows.update(user=acme.owner),
        lambda rows: rows.update(type="webauthn"),
        lambda rows: rows.update(data={}),
    ]
    for change in changes:
        with pytest.raises(DatabaseError, match="its transaction wrote no audit event"), transaction.atomic():
            change(Authenticator.objects.filter(type="totp"))
    Authenticator.objects.update(last_used_at=acme.member.date_joined)


def test_a_login_is_deleted_with_its_factors(acme: Tenant, operator: Any) -> None:
    with_app(acme.member)
    page = f"/admin/accounts/user/{acme.member.pk}/delete/"
    answer = signed_in(operator).post(page, {"typed_confirmation": acme.member.email})
    assert answer.status_code == 302
    assert not Authenticator.objects.exists()


def test_the_pages_ask_a_fixed_number_of_questions(acme: Tenant) -> None:
    browser, _, _ = with_app(acme.member)
    with CaptureQueriesContext(connection) as queries:
        assert browser.get("/accounts/2fa/").status_code == 200
    assert len(queries) <= 16
    forget_time(acme.member)
    with CaptureQueriesContext(connection) as queries:
        assert browser.get("/accounts/profile/").status_code == 200
    assert sum("mfa_authenticator" in query["sql"] for query in queries) == 1


def test_the_password_is_still_asked_first(acme: Tenant) -> None:
    with_app(acme.member)
    browser, answer = sign_in(acme.member, password=f"{PASSWORD}!")
    assert answer.status_code == 200
    assert browser.get("/accounts/2fa/authenticate/")["Location"] == "/accounts/login/"
