"""The page on which somebody sees and ends their sessions."""

import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Device, Session, User
from tests.accounts.log import of_installation
from tests.accounts.sessions.stage import (
    FIREFOX,
    PAGE,
    SAFARI,
    browser,
    devices,
    is_signed_in,
    key_in,
    session_in,
    sessions,
    sign_in,
)
from tests.people import PASSWORD, Tenant
from tests.sso.stage import Sso
from tests.sso.test_strangers import join
from tests.tenants.stage import events

pytestmark = pytest.mark.django_db


def end(client: Client, session: Session | uuid.UUID) -> int:
    """Ask to end a session; return the status."""
    pk = session.pk if isinstance(session, Session) else session
    return client.post(f"{PAGE}{pk}/end/").status_code


def test_a_strangers_session_and_browser_are_not_found(acme: Tenant, stranger: User) -> None:
    victim, thief = sign_in(acme.member), sign_in(stranger)
    assert end(thief, session_in(victim)) == end(thief, uuid.uuid4()) == 404
    (device,) = devices(acme.member)
    assert thief.post(f"/accounts/browsers/{device.pk}/forget/").status_code == 404
    assert is_signed_in(victim)
    assert devices(acme.member) == [device]
    page = thief.get(PAGE).content.decode()
    assert str(session_in(victim).pk) not in page
    assert str(device.pk) not in page


def test_nobody_signed_in_is_led_to_sign_in(acme: Tenant) -> None:
    session = session_in(sign_in(acme.member))
    nobody = browser()
    for response in (
        nobody.get(PAGE),
        nobody.post(f"{PAGE}{session.pk}/end/"),
        nobody.post(f"{PAGE}end-others/"),
        nobody.post(f"/accounts/browsers/{devices(acme.member)[0].pk}/forget/"),
    ):
        assert response["Location"].startswith("/accounts/login/")
    assert Session.objects.filter(pk=session.pk).exists()


def test_nothing_ends_by_a_get_or_without_the_csrf_token(acme: Tenant) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(acme.member, backend="allauth.account.auth_backends.AuthenticationBackend")
    other = session_in(sign_in(acme.member))
    for path in (f"{PAGE}{other.pk}/end/", f"{PAGE}end-others/"):
        assert client.get(path).status_code == 405
        assert client.post(path).status_code == 403
    assert Session.objects.filter(pk=other.pk).exists()


def test_a_confined_session_sees_and_ends_nothing(sso: Sso) -> None:
    elsewhere = sign_in(sso.tenant.member)
    confined = sso.sign_in().browser
    assert confined.get(PAGE).status_code == 403
    assert end(confined, session_in(elsewhere)) == 403
    assert confined.post(f"{PAGE}end-others/").status_code == 403
    for device in Device.objects.all():
        assert confined.post(f"/accounts/browsers/{device.pk}/forget/").status_code == 403
    assert is_signed_in(elsewhere)


def test_the_page_tells_browser_place_and_way(acme: Tenant) -> None:
    mine = sign_in(acme.member)
    sign_in(acme.member, user_agent=SAFARI)
    page = " ".join(mine.get(PAGE).content.decode().split())
    assert "Firefox 130 on Linux" in page
    assert "Safari 17 on Mac OS X" in page
    assert page.count('<p class="muted">127.0.0.1, the address that you use now</p>') == 4  # two sessions, two browsers
    assert page.count("This session") == page.count("This browser") == 1
    assert page.count("Password, signed in ") == 2
    assert "Last used" in page
    assert key_in(mine) not in page


def test_what_a_browser_says_of_itself_is_text(acme: Tenant) -> None:
    client = sign_in(acme.member, user_agent="Mozilla/5.0 <script>alert(1)</script>" + "(" * 5_000)
    page = client.get(PAGE).content.decode()
    assert "<script>alert" not in page
    assert "An unknown browser" in page
    assert len(session_in(client).user_agent) == 400


def test_the_page_names_the_connection_of_single_sign_on(sso: Sso) -> None:
    sso.sign_in()
    page = sign_in(sso.tenant.member).get(PAGE).content.decode()
    assert "Single sign-on through Corporate of Acme" in page


def test_an_ended_session_is_out_with_its_next_request(acme: Tenant) -> None:
    mine, other = sign_in(acme.member), sign_in(acme.member, user_agent=SAFARI)
    ended = session_in(other)
    assert end(mine, ended) == 302
    assert other.get("/o/acme/")["Location"].startswith("/accounts/login/")
    assert other.get("/api/v1/me").status_code == 401
    assert is_signed_in(mine)
    for event in (*of_installation("user.sessions_ended"), *events(acme, "user.sessions_ended")):
        assert (event.actor_id, event.target_id) == (acme.member.pk, str(acme.member.pk))
        (told,) = event.before["sessions"]
        assert told.startswith("Safari 17 on Mac OS X, 127.0.0.1")
    assert len(of_installation("user.sessions_ended")) == len(events(acme, "user.sessions_ended")) == 1
    assert end(mine, ended) == 404


def test_ending_the_others_keeps_this_one(acme: Tenant, stranger: User) -> None:
    mine = sign_in(acme.member)
    others = [sign_in(acme.member) for _ in range(3)]
    foreign = sign_in(stranger)
    response = mine.post(f"{PAGE}end-others/", follow=True)
    assert "The 3 other sessions have ended." in response.content.decode()
    assert "You are signed in here only." in response.content.decode()
    assert not any(map(is_signed_in, others))
    assert is_signed_in(foreign)
    (event,) = of_installation("user.sessions_ended")
    assert len(event.before["sessions"]) == 3
    mine.post(f"{PAGE}end-others/")
    assert len(of_installation("user.sessions_ended")) == 1


def test_ending_this_session_signs_out(acme: Tenant) -> None:
    mine = sign_in(acme.member)
    assert end(mine, session_in(mine)) == 302
    assert not is_signed_in(mine)
    assert not sessions(acme.member)
    assert of_installation("user.signed_out")


def test_an_organization_hears_of_the_sessions_that_reach_it(sso: Sso, globex: Tenant) -> None:
    join(globex, sso.tenant.member)
    confined = sso.sign_in().browser
    mine = sign_in(sso.tenant.member)
    assert end(mine, session_in(confined)) == 302
    assert len(events(sso.tenant, "user.sessions_ended")) == 1
    assert not events(globex, "user.sessions_ended")


def test_another_password_ends_the_other_sessions_for_good(acme: Tenant) -> None:
    mine, other = sign_in(acme.member), sign_in(acme.member)
    before = session_in(mine)
    new = "another long enough password"
    mine.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert not is_signed_in(other)
    assert [row.pk for row in sessions(acme.member)] == [before.pk]
    assert is_signed_in(mine)


def test_the_page_costs_the_same_for_more_sessions(acme: Tenant) -> None:
    mine = sign_in(acme.member)
    mine.get(PAGE)
    with CaptureQueriesContext(connection) as few:
        mine.get(PAGE)
    for _ in range(8):
        sign_in(acme.member, user_agent=FIREFOX)
    with CaptureQueriesContext(connection) as many:
        mine.get(PAGE)
    assert len(few) == len(many)
