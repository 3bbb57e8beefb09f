"""Mails about keys: who gets them, when, and that none is lost or repeated."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts import mailing, mails
from accounts.key_format import SECRET_PATTERN, KeyKind
from accounts.mails import send_leak_notice
from accounts.models import ApiKey, PlatformKey
from accounts.services.api_keys import revoke_api_key, rotate_api_key, update_api_key
from accounts.services.platform_keys import create_platform_key, revoke_platform_key, update_platform_key
from accounts.services.users import set_user_active
from accounts.tasks import warn_of_expiring_key, warn_of_expiring_keys
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.services.members import remove_member
from tenants.services.organizations import suspend_organization
from tests.accounts.keys.stage import SCOPES, make_account, make_key
from tests.people import Tenant, make_user
from tests.tenants.stage import at_once, events

YEAR = timedelta(days=365)


def html(message: Any) -> str:
    """Return a mail's other form."""
    return str(message.alternatives[0][0])


def sent() -> dict[str, str]:
    """Return the subject by recipient of the mails since the last call."""
    found = {message.to[0]: str(message.subject) for message in mail.outbox}
    assert len(found) == len(mail.outbox), "one mail for each address"
    for message in mail.outbox:
        assert len(message.recipients()) == 1
        for text in (message.body, html(message)):
            assert not re.search(SECRET_PATTERN, str(text))
    mail.outbox.clear()
    return found


@pytest.fixture
def at(superuser: Any) -> Any:
    """Return what lets a key be a year old and expire in so long, as if time had passed."""

    def pass_time(key: Any, left: timedelta) -> None:
        with superuser.transaction():
            superuser.execute("SET LOCAL session_replication_role = replica")
            for table, column in (("accounts_apikeysecret", "api_key_id"), ("accounts_platformkey", "id")):
                superuser.execute(
                    f"UPDATE {table} SET created_at = now() - interval '1 year' WHERE {column} = %s",  # noqa: S608 - two
                    [key.pk],
                )
            for table in ("accounts_apikey", "accounts_platformkey"):
                superuser.execute(
                    # What was warned about is as much longer ago as the end came nearer.
                    f"UPDATE {table} SET expiry_warned_at = expiry_warned_at - (expires_at - (now() + %s)),"  # noqa: S608
                    " expires_at = now() + %s WHERE id = %s",
                    [left, left, key.pk],
                )

    return pass_time


@pytest.fixture
def key(acme: Tenant) -> ApiKey:
    """Return a project's key that acme's admin made and that expires in a year."""
    with acme.acting("admin") as admin:
        issued: ApiKey = make_key(acme, admin, name="Nightly", expires_at=timezone.now() + YEAR).key
    return issued


def test_nobody_else_hears_of_it(key: ApiKey, acme: Tenant, globex: Tenant, at: Any) -> None:
    at(key, timedelta(days=10))
    assert warn_of_expiring_keys() == 1
    assert set(sent()) == {"owner@acme.example", "admin@acme.example"}


def test_each_warning_comes_once(key: ApiKey, at: Any) -> None:
    heard = []
    for left in (20, 15, 13.9, 13, 5, 2.9, 2, 0.9, 0.5, 0.1):
        at(key, timedelta(days=left))
        for _ in range(2):
            warn_of_expiring_keys()
        heard.append(sent().get("admin@acme.example", "-").rpartition(" in ")[2])
    assert heard == ["-", "-", "14 days", "-", "-", "3 days", "-", "22 hours", "-", "-"]


def test_a_sweep_that_comes_late_warns_once(key: ApiKey, at: Any) -> None:
    at(key, timedelta(hours=1))
    assert warn_of_expiring_keys() == 1
    assert sent()["owner@acme.example"] == "Acme: the API key Nightly expires in an hour"
    assert warn_of_expiring_keys() == 0
    at(key, -timedelta(hours=1))
    assert warn_of_expiring_keys() == 0


def test_being_warned_is_no_event(key: ApiKey, acme: Tenant, at: Any) -> None:
    at(key, timedelta(days=10))
    before = [event.pk for event in events(acme)]
    warn_of_expiring_keys()
    assert [event.pk for event in events(acme)] == before


def test_a_short_life_is_announced_by_nobody(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        for days in (0.5, 2, 10):
            make_key(acme, owner, expires_at=timezone.now() + timedelta(days=days))
    assert warn_of_expiring_keys() == 0


@pytest.mark.parametrize("change", ["revoked", "rotated", "prolonged", "suspended"])
def test_what_needs_no_warning_gets_none(change: str, key: ApiKey, acme: Tenant, at: Any) -> None:
    at(key, timedelta(days=10))
    with acme.acting("owner") as owner:
        if change == "revoked":
            revoke_api_key(key=key, actor=owner)
        elif change == "rotated":
            rotate_api_key(key=key, actor=owner)
        elif change == "prolonged":
            update_api_key(key=key, name="Nightly", scopes=SCOPES, expires_at=timezone.now() + YEAR, actor=owner)
        else:
            suspend_organization(organization=acme.organization, actor=SYSTEM, reason="Unpaid")
    assert warn_of_expiring_keys() == 0


def test_another_expiry_is_warned_about_anew(key: ApiKey, acme: Tenant, at: Any) -> None:
    at(key, timedelta(days=10))
    warn_of_expiring_keys()
    sent()
    with acme.acting("owner") as owner:
        sooner = timezone.now() + timedelta(days=9)
        update_api_key(key=key, name="Nightly", scopes=SCOPES, expires_at=sooner, actor=owner)
    warn_of_expiring_keys()
    assert sent()["admin@acme.example"].endswith("in 9 days")


def test_a_personal_keys_person_is_told(acme: Tenant, at: Any) -> None:
    with acme.acting("viewer") as viewer:
        key = make_key(acme, viewer, KeyKind.PERSONAL, scopes=["traces:read"], expires_at=timezone.now() + YEAR).key
    at(key, timedelta(days=2))
    warn_of_expiring_keys()
    (text,) = {message.body for message in mail.outbox}
    assert f"/o/acme/accounts/apikey/{key.pk}/change/" in text
    assert key.public_id in text
    assert set(sent()) == {"owner@acme.example", "viewer@acme.example"}


@pytest.mark.parametrize("gone", ["removed", "closed"])
def test_who_left_is_not_told(gone: str, key: ApiKey, acme: Tenant, at: Any) -> None:
    with acme.acting("owner") as owner:
        if gone == "removed":
            remove_member(membership=acme.membership("admin"), actor=owner)
        else:
            set_user_active(user=acme.admin, active=False, actor=SYSTEM)
    at(key, timedelta(days=2))
    warn_of_expiring_keys()
    assert set(sent()) == {"owner@acme.example"}


def test_a_mail_server_that_is_down_loses_nothing(key: ApiKey, acme: Tenant, at: Any, settings: Any) -> None:
    """One key's failure keeps no other waiting, and the next sweep makes up for it."""
    at(key, timedelta(days=2))
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    with pytest.raises(OSError, match="refused"):
        warn_of_expiring_key(str(acme.organization.pk), str(key.pk))
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert sent() == {}
    assert warn_of_expiring_keys() == 1
    assert set(sent()) == {"owner@acme.example", "admin@acme.example"}
    assert warn_of_expiring_keys() == 0


def test_a_process_that_dies_halfway_repeats_nothing(acme: Tenant, at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with acme.acting("owner") as owner:
        keys = [make_key(acme, owner, name=name, expires_at=timezone.now() + YEAR).key for name in "abc"]
    for key in keys:
        at(key, timedelta(days=2))
    done: list[str] = []

    def deliver(messages: Any) -> None:
        if done:
            raise KeyboardInterrupt
        done.extend(message.subject for message in messages)

    monkeypatch.setattr("accounts.tasks.deliver", deliver)
    for key in keys:  # what the sweep starts, in the same process
        try:
            warn_of_expiring_key(str(acme.organization.pk), str(key.pk))
        except KeyboardInterrupt:
            break
    assert len(done) == 1
    monkeypatch.setattr("accounts.tasks.deliver", mailing.deliver)
    assert warn_of_expiring_keys() == 2
    said = [message.subject for message in mail.outbox]
    assert len({*said, *done}) == len(said) + 1 == 3


def test_two_sweeps_at_once_mail_once(key: ApiKey, acme: Tenant, at: Any) -> None:
    at(key, timedelta(days=2))
    run = [lambda: warn_of_expiring_key(str(acme.organization.pk), str(key.pk))] * 3
    assert at_once(*run) == [None] * 3
    assert len(sent()) == 2


def test_one_refused_address_keeps_no_other_waiting(key: ApiKey, acme: Tenant, at: Any) -> None:
    with tenant_scope(acme.organization):
        stored = ApiKey.objects.select_related("organization", "project").get(pk=key.pk)
        messages = mails.expiry_warnings(stored)
    messages[0].to = ["broken\r\naddress"]
    mailing.deliver(messages)
    assert len(mail.outbox) == 1
    mail.outbox.clear()


def test_operators_hear_of_platform_keys(operator: Any, acme: Tenant, at: Any) -> None:
    make_user("closed@gatehouse.example", is_operator=True)
    closed = make_user("former@gatehouse.example", is_operator=True)
    set_user_active(user=closed, active=False, actor=SYSTEM)
    key = create_platform_key(name="Router", actor=SYSTEM, expires_at=timezone.now() + YEAR).key
    assert warn_of_expiring_keys() == 0
    for left, heard in ((13, 2), (12, 0), (2, 2), (0.5, 2), (0.1, 0)):
        at(key, timedelta(days=left))
        assert warn_of_expiring_keys() == (1 if heard else 0)
        assert len(sent()) == heard
    stored = PlatformKey.objects.get()
    update_platform_key(key=stored, name="Router", actor=SYSTEM, expires_at=timezone.now() + timedelta(hours=5))
    assert warn_of_expiring_keys() == 1
    assert sent()["operator@gatehouse.example"] == "The platform key Router expires in 5 hours"
    revoke_platform_key(key=stored, actor=SYSTEM)
    assert warn_of_expiring_keys() == 0


def test_a_leak_is_told_after_the_commit(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        account = make_account(acme, owner)
        issued = make_key(acme, owner, KeyKind.SERVICE_ACCOUNT, service_account=account)
    with pytest.raises(KeyError), tenant_scope(acme.organization):
        send_leak_notice(ApiKey.objects.get(pk=issued.key.pk), source_url="https://git.example/x")
        raise KeyError
    assert mail.outbox == []
    with tenant_scope(acme.organization):
        send_leak_notice(
            ApiKey.objects.get(pk=issued.key.pk), source_url="https://git.example/<b>x\r\nBcc: a@b.example"
        )
        assert mail.outbox == []
    (message,) = mail.outbox
    assert "https://git.example/<b>x Bcc: a@b.example\n" in message.body
    assert "&lt;b&gt;" in html(message)
    assert f"/o/acme/accounts/apikey/{issued.key.pk}/change/" in message.body
    assert sent() == {"owner@acme.example": "Acme: the API key Key leaked and was revoked"}
