"""Browsers that are known again: a sign-in with a new one is told to its person."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Device, Session, User
from accounts.services.devices import MOST
from accounts.tasks import forget_sessions
from tests.accounts.log import of_installation
from tests.accounts.sessions.stage import (
    PAGE,
    SAFARI,
    browser,
    cookie,
    device_in,
    devices,
    is_signed_in,
    session_in,
    sign_in,
)
from tests.people import Tenant
from tests.sso.stage import Sso

pytestmark = pytest.mark.django_db


def test_another_persons_cookie_makes_no_known_browser(acme: Tenant, stranger: User) -> None:
    sign_in(acme.member)
    (known,) = devices(acme.member)
    theirs = sign_in(stranger)
    mail.outbox.clear()
    thief = browser()
    thief.cookies["gatehouse_device"] = cookie(theirs).value
    sign_in(acme.member, thief)
    assert [message.to for message in mail.outbox] == [[acme.member.email]]
    assert len(devices(acme.member)) == 2
    assert known.pk != session_in(thief).device_id
    assert len(devices(stranger)) == 1


def test_a_cookie_alone_opens_nothing(acme: Tenant) -> None:
    known = sign_in(acme.member)
    thief = browser()
    thief.cookies["gatehouse_device"] = cookie(known).value
    assert not is_signed_in(thief)
    assert "sessionid" not in thief.cookies


def test_the_first_sign_in_ever_is_no_news(acme: Tenant) -> None:
    sign_in(acme.member)
    assert mail.outbox == []
    assert len(devices(acme.member)) == 1


def test_a_sign_in_with_a_new_browser_is_told_once(acme: Tenant) -> None:
    sign_in(acme.member)
    new = sign_in(acme.member, user_agent=SAFARI)
    message: Any = mail.outbox[0]
    assert message.to == [acme.member.email]
    assert message.subject == "New sign-in with Safari 17 on Mac OS X"
    for text in (message.body, unescape(message.alternatives[0][0])):
        assert "127.0.0.1, the portal's own machine" in text
        assert "/accounts/sessions/" in text
        assert "/accounts/password/change/" in text
        assert re.search(r"\d{1,2} \w+ \d{4}, \d\d:\d\d UTC", " ".join(text.replace("Time: ", "").split()))
        assert cookie(new).value not in text
    new.post("/accounts/logout/")
    sign_in(acme.member, new)
    assert len(mail.outbox) == 1
    assert len(devices(acme.member)) == 2
    added = of_installation("user.device_added")
    assert [event.after["device"] for event in added] == ["Firefox 130 on Linux", "Safari 17 on Mac OS X"]
    assert {event.actor_id for event in added} == {acme.member.pk}


def test_single_sign_on_with_a_new_browser_is_told_as_well(sso: Sso) -> None:
    sso.sign_in()
    assert mail.outbox == []
    sso.sign_in()
    assert [message.to for message in mail.outbox] == [[sso.tenant.member.email]]


def test_a_failed_sign_in_makes_no_browser_known(acme: Tenant) -> None:
    client = browser()
    client.post("/accounts/login/", {"login": acme.member.email, "password": "not the right password"})
    assert "gatehouse_device" not in client.cookies
    assert not Device.objects.exists()


def test_the_mail_goes_after_the_commit_only(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(acme.member)

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("accounts.audit_events.record", fail)
    client = browser()
    client.raise_request_exception = False
    client.post("/accounts/login/", {"login": acme.member.email, "password": "correct horse battery staple"})
    assert mail.outbox == []
    assert len(devices(acme.member)) == 1
    assert "gatehouse_device" not in client.cookies


def test_two_people_share_a_browser_and_nothing_else(acme: Tenant) -> None:
    client = sign_in(acme.member)
    value = cookie(client).value
    client.post("/accounts/logout/")
    sign_in(acme.viewer, client)
    assert cookie(client).value == value
    (one,), (other,) = devices(acme.member), devices(acme.viewer)
    assert bytes(one.cookie_digest) != bytes(other.cookie_digest)
    client.post("/accounts/logout/")
    sign_in(acme.member, client)
    assert mail.outbox == []
    assert devices(acme.member) == [one]


def test_the_cookie(acme: Tenant, superuser) -> None:
    client = sign_in(acme.member)
    given = cookie(client)
    assert (given["httponly"], given["samesite"], given["path"], given["domain"]) == (True, "Lax", "/", "")
    assert given["max-age"] == 180 * 24 * 3600
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", given.value)
    rows = superuser.execute("SELECT d::text FROM accounts_device d").fetchall()
    assert all(given.value not in row[0] for row in rows)
    assert "Set-Cookie" not in client.get("/accounts/profile/").headers


def test_the_cookie_is_secure_where_sessions_are(acme: Tenant, settings) -> None:
    settings.SESSION_COOKIE_SECURE = True
    settings.DEVICE_COOKIE_NAME = "__Host-gatehouse_device"
    client = sign_in(acme.member)
    assert client.cookies["__Host-gatehouse_device"]["secure"]


@pytest.mark.parametrize("value", ["", "x", "a" * 44, "../../etc/passwd", "é" * 43, "a" * 10_000])
def test_a_cookie_that_is_none_of_ours_is_replaced(acme: Tenant, value: str) -> None:
    client = browser()
    client.cookies["gatehouse_device"] = value
    sign_in(acme.member, client)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", cookie(client).value)
    assert len(devices(acme.member)) == 1


def test_a_forgotten_browser_is_new_again(acme: Tenant) -> None:
    mine, other = sign_in(acme.member), sign_in(acme.member, user_agent=SAFARI)
    gone = session_in(other).device_id
    mail.outbox.clear()
    assert mine.post(f"/accounts/browsers/{gone}/forget/").status_code == 302
    assert not is_signed_in(other)
    assert is_signed_in(mine)
    (event,) = of_installation("user.device_forgotten")
    assert (event.actor_id, event.before) == (acme.member.pk, {"device": "Safari 17 on Mac OS X"})
    assert len(of_installation("user.sessions_ended")) == 1
    sign_in(acme.member, other)
    assert len(mail.outbox) == 1
    assert mine.post(f"/accounts/browsers/{gone}/forget/").status_code == 404


def test_forgetting_the_only_browser_hides_no_later_sign_in(acme: Tenant) -> None:
    mine = sign_in(acme.member)
    response = mine.post(f"/accounts/browsers/{session_in(mine).device_id}/forget/")
    assert response["Location"] == "/accounts/login/"
    assert not is_signed_in(mine)
    assert not Session.objects.filter(user=acme.member).exists()
    sign_in(acme.member)
    assert len(mail.outbox) == 1


def test_a_browser_that_nobody_signs_in_with_is_forgotten(acme: Tenant) -> None:
    client, other = sign_in(acme.member), sign_in(acme.member, user_agent=SAFARI)
    mail.outbox.clear()
    old = timezone.now() - timedelta(days=180, minutes=1)
    Device.objects.filter(pk=device_in(client)).update(last_seen_at=old)
    forget_sessions()
    assert [device.pk for device in devices(acme.member)] == [session_in(other).device_id]
    assert is_signed_in(client), "the session has its own end"
    client.post("/accounts/logout/")
    sign_in(acme.member, client)
    assert len(mail.outbox) == 1


def test_somebodys_browsers_have_a_bound(acme: Tenant, stranger: User) -> None:
    sign_in(stranger)
    first = sign_in(acme.member)
    oldest = device_in(first)
    now = timezone.now()
    Device.objects.filter(pk=oldest).update(last_seen_at=now - timedelta(days=2))
    Device.objects.bulk_create(
        Device(user=acme.member, cookie_digest=bytes([number]) * 32, name="x", last_seen_at=now - timedelta(days=1))
        for number in range(MOST - 1)
    )
    sign_in(acme.member)
    assert len(devices(acme.member)) == MOST
    assert not Device.objects.filter(pk=oldest).exists()
    assert len(devices(stranger)) == 1
    assert is_signed_in(first)


def test_a_sign_in_costs_a_constant_number_of_queries(acme: Tenant) -> None:
    def cost(client: Client) -> int:
        with CaptureQueriesContext(connection) as queries:
            sign_in(acme.member, client)
        return len(queries)

    known = sign_in(acme.member)
    known.post("/accounts/logout/")
    again = cost(known)
    new = cost(browser())
    for _ in range(5):
        sign_in(acme.member)
    assert cost(browser()) == new
    known.post("/accounts/logout/")
    assert cost(known) == again


def test_a_session_remembers_its_browser(acme: Tenant) -> None:
    client = sign_in(acme.member)
    (device,) = devices(acme.member)
    assert session_in(client).device_id == device.pk
    assert str(device.pk) in client.get(PAGE).content.decode()
