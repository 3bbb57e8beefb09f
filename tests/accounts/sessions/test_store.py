"""The session engine: what the table holds, what a copy of it opens, and that what ended stays ended."""

import hashlib
import threading
from datetime import timedelta
from importlib import import_module

import pytest
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import connection, connections, transaction
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Session, User
from accounts.services.sessions import end_session, end_sessions
from accounts.services.users import delete_user, person, set_user_active
from accounts.sessions import facts
from accounts.sessions.store import SessionStore
from accounts.tasks import forget_sessions
from isolation.actor import SYSTEM
from tests.accounts.sessions.stage import SAFARI, EndsMeanwhile, is_signed_in, key_in, session_in, sessions, sign_in
from tests.people import Tenant, signed_in

pytestmark = pytest.mark.django_db
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def request_with(key: str | None) -> HttpRequest:
    """Return a request that has a session."""
    request = HttpRequest()
    request.session = SessionStore(key)
    return request


def test_a_copy_of_the_table_opens_nothing(acme: Tenant, superuser) -> None:
    client = sign_in(acme.owner)
    key = key_in(client)
    rows = superuser.execute("SELECT s::text, encode(key_digest, 'hex'), id::text FROM accounts_session s").fetchall()
    assert all(key not in row[0] for row in rows)
    (digest, public_id) = next(row[1:] for row in rows if row[1] == hashlib.sha256(key.encode()).hexdigest())
    for stolen in (digest, digest.upper(), f"\\x{digest}", public_id, public_id.replace("-", "")):
        thief = Client()
        thief.cookies["gatehouse_session"] = stolen
        assert not is_signed_in(thief), stolen
    assert is_signed_in(client)


def test_djangos_own_table_is_gone(superuser) -> None:
    assert superuser.execute("SELECT to_regclass('django_session')").fetchone() == (None,)


@pytest.mark.parametrize(
    "key", ["", "x", "short", "é" * 40, "0" * 10_000, "'; DROP TABLE accounts_session; --", "\x00" * 32]
)
def test_a_key_that_is_none_opens_nothing(key: str) -> None:
    store = SessionStore(key)
    assert store.known() is None
    assert store.session_key is None
    assert dict(store.items()) == {}


def test_loading_is_one_query(acme: Tenant) -> None:
    key = key_in(signed_in(acme.owner))
    with CaptureQueriesContext(connection) as queries:
        request = request_with(key)
        request.session.get("_auth_user_id")
        assert facts.signed_in_at(request)
        assert facts.last_seen_at(request)
        assert facts.session_of(request)
    assert len(queries) == 1


def test_a_request_within_the_minute_writes_nothing(acme: Tenant) -> None:
    client = sign_in(acme.owner)
    client.get("/o/acme/")
    with CaptureQueriesContext(connection) as queries:
        client.get("/o/acme/")
    assert not [query["sql"] for query in queries if query["sql"].startswith(("UPDATE", "INSERT", "DELETE"))]
    assert len([query for query in queries if '"accounts_session"' in query["sql"]]) == 1


def test_the_last_use_is_written_once_a_minute(acme: Tenant) -> None:
    client = sign_in(acme.owner)
    pk = session_in(client).pk
    long_ago = timezone.now() - timedelta(minutes=5)
    Session.objects.filter(pk=pk).update(last_seen_at=long_ago, ip=None)
    request = request_with(key_in(client))
    Session.objects.filter(pk=pk).update(last_seen_at=long_ago)
    assert facts.last_seen_at(request) == long_ago, "before this request"
    seen = Session.objects.get(pk=pk)
    assert timezone.now() - seen.last_seen_at < timedelta(seconds=30)
    client.get("/o/acme/", headers={"User-Agent": SAFARI})
    assert Session.objects.get(pk=pk).last_seen_at == seen.last_seen_at


def test_the_last_use_waits_for_nobody(acme: Tenant, superuser) -> None:
    client = sign_in(acme.owner)
    long_ago = timezone.now() - timedelta(minutes=5)
    Session.objects.update(last_seen_at=long_ago)
    with superuser.transaction():
        superuser.execute("SELECT FROM accounts_session FOR UPDATE")
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")
        assert client.get("/o/acme/").status_code == 200
    assert session_in_raw(acme.owner).last_seen_at == long_ago
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")


def session_in_raw(user: User) -> Session:
    """Return the row without using the session."""
    return Session.objects.get(user=user)


def test_anonymous_sessions_say_nothing_of_anybody(acme: Tenant) -> None:
    store = SessionStore()
    store["x"] = 1
    store.save()
    row = Session.objects.get()
    assert (row.user_id, row.signed_in_at, row.ip, row.user_agent, row.device_id) == (None, None, None, "", None)
    assert facts.signed_in_at(request_with(store.session_key)) is None
    assert facts.last_seen_at(request_with(store.session_key)) is None


def test_signing_in_gives_another_key_and_the_old_one_opens_nothing(acme: Tenant) -> None:
    planted = SessionStore()
    planted["kept"] = "x"
    planted.save()
    old = planted.session_key
    request = request_with(old)
    login(request, acme.owner, backend=BACKEND)
    request.session.save()
    assert request.session.session_key != old
    assert SessionStore(old).known() is None
    row = SessionStore(request.session.session_key).known()
    assert row is not None
    assert row.user_id == acme.owner.pk
    assert SessionStore(request.session.session_key)["kept"] == "x"
    assert Session.objects.count() == 1


def test_a_request_under_way_does_not_bring_an_ended_session_back(acme: Tenant) -> None:
    """The race: a request has loaded the session, somebody ends it, the request stores what it changed."""
    client = sign_in(acme.owner)
    key = key_in(client)
    under_way = request_with(key)
    assert under_way.session["_auth_user_id"] == str(acme.owner.pk)
    end_sessions(acme.owner, actor=person(acme.owner))
    under_way.session["support"] = {}
    with pytest.raises(UpdateError):
        under_way.session.save()
    assert not sessions(acme.owner)
    assert not is_signed_in(client)


def test_a_new_key_does_not_bring_an_ended_session_back(acme: Tenant) -> None:
    """Django's own engine would copy the session under the new key."""
    key = key_in(sign_in(acme.owner))
    under_way = request_with(key)
    under_way.session.keys()
    end_sessions(acme.owner, actor=person(acme.owner))
    with pytest.raises(SessionInterrupted):
        update_session_auth_hash(under_way, acme.owner)
    assert not Session.objects.exists()


def test_a_request_whose_session_ends_meanwhile_leads_to_the_sign_in_page(acme: Tenant, settings) -> None:
    client, api = sign_in(acme.owner), sign_in(acme.owner)
    ended = f"{EndsMeanwhile.__module__}.{EndsMeanwhile.__qualname__}"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, ended]
    client.handler.load_middleware()
    answer = client.get("/accounts/profile/?a=b")
    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/login/?ended=1&next=%2Faccounts%2Fprofile%2F%3Fa%3Db"
    api.handler.load_middleware()
    refused = api.get("/api/v1/me", headers={"Cookie": f"gatehouse_session={key_in(sign_in(acme.owner))}"})
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")
    settings.MIDDLEWARE = settings.MIDDLEWARE[:-1]
    page = Client().get(answer["Location"]).text
    assert "Your session ended while a page was on its way." in page


def test_a_session_that_changes_its_key_meanwhile_is_ended_all_the_same(acme: Tenant, superuser) -> None:
    key = key_in(sign_in(acme.owner))
    row = Session.objects.get()
    with transaction.atomic():
        under_way = request_with(key)
        under_way.session.cycle_key()
        new = under_way.session.session_key
    superuser.execute("DELETE FROM accounts_session WHERE id = %s", [row.pk])
    with pytest.raises(UpdateError):
        under_way.session.save()
    assert SessionStore(new).known() is None


def test_ending_waits_for_a_change_of_key(acme: Tenant, superuser) -> None:
    """Whoever ends the session by its id meets the same row under its new key."""
    key = key_in(sign_in(acme.owner))
    failures: list[BaseException] = []

    def end() -> None:
        try:
            end_sessions(acme.owner, actor=person(acme.owner))
        except BaseException as error:  # noqa: BLE001
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=end)
    with transaction.atomic():
        under_way = request_with(key)
        under_way.session.cycle_key()
        thread.start()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while superuser.execute(waiting).fetchone() == (0,):
            assert thread.is_alive()
    thread.join()
    assert not failures
    assert not Session.objects.exists()


def test_a_closed_login_does_not_get_its_sessions_back(acme: Tenant) -> None:
    client = sign_in(acme.member)
    set_user_active(user=acme.member, active=False, actor=SYSTEM)
    set_user_active(user=acme.member, active=True, actor=SYSTEM)
    assert not is_signed_in(client)


def test_sessions_whose_time_is_over_open_nothing_and_are_deleted(acme: Tenant) -> None:
    client, running = sign_in(acme.member), sign_in(acme.member)
    over = session_in(client)
    Session.objects.filter(pk=over.pk).update(expire_date=timezone.now() - timedelta(seconds=1))
    assert not is_signed_in(client)
    assert [row.pk for row in facts.sessions_of(acme.member)] == [session_in(running).pk]
    assert not end_session(user=acme.member, session_id=over.pk, actor=person(acme.member))
    sign_in(acme.member, client)
    over = session_in(client)
    Session.objects.filter(pk=over.pk).update(expire_date=timezone.now() - timedelta(seconds=1))
    forget_sessions()
    assert [row.pk for row in sessions(acme.member)] == [session_in(running).pk]


def test_facts_of_a_request_without_a_session() -> None:
    request = HttpRequest()
    assert facts.session_of(request) is None
    assert facts.signed_in_at(request) is None
    assert facts.last_seen_at(request) is None


def test_signing_in_again_renews_the_moment(acme: Tenant) -> None:
    client = sign_in(acme.owner)
    before = session_in(client)
    store = SessionStore(key_in(client))
    store.known()
    store.note_sign_in(device_id=before.device_id)
    store.save()
    after = session_in(client)
    assert before.signed_in_at
    assert after.signed_in_at
    assert (after.pk, after.device_id) == (before.pk, before.device_id)
    assert after.signed_in_at > before.signed_in_at
    client.session.save()
    assert session_in(client).signed_in_at == after.signed_in_at


def test_the_engine_is_django_compatible_otherwise() -> None:
    assert import_module("accounts.sessions.store").SessionStore is SessionStore
    store = SessionStore()
    store["a"] = 1
    store.create()
    assert store.exists(str(store.session_key))
    store.flush()
    assert store.session_key is None
    assert store.known() is None
    assert not Session.objects.exists()


def test_deleting_a_login_ends_its_sessions(acme: Tenant) -> None:
    client = sign_in(acme.viewer)
    delete_user(user=acme.viewer, actor=SYSTEM)
    assert not is_signed_in(client)
    assert not Session.objects.filter(user_id=acme.viewer.pk).exists()
