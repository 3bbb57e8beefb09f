"""The limits of signing in hold across processes: they are counted in the database, or in Redis."""

import subprocess
import sys
from http import HTTPStatus
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.cache import cache, caches
from django.db import connections, transaction
from django.test import Client

from accounts.services.sso_connections import set_sso_enabled
from portal.cache import SharedCache
from portal.tasks import sweep_cache
from tests import database
from tests.accounts.factors import give_totp
from tests.accounts.mfa.stage import second_step, sign_in
from tests.people import PASSWORD, Tenant
from tests.sso.stored import stored_connection

pytestmark = pytest.mark.django_db

OTHER_PROCESS = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from django.test.utils import setup_test_environment
from tests import database
setup_test_environment()
database.use_database(sys.argv[1])
from tests.accounts.mfa.test_limits import knock, limit
limit()
for _ in range(int(sys.argv[4])):
    print(knock(sys.argv[2], sys.argv[3]))
"""
ALLOWED = 3


def limit() -> None:
    """Let each door be knocked at three times."""
    configured.ACCOUNT_RATE_LIMITS = {"login_failed": f"{ALLOWED}/5m/key", "reset_password": f"{ALLOWED}/5m/key"}
    configured.API_RATE_PER_ADDRESS = ALLOWED


def knock(door: str, who: str) -> str:
    """Try a door once, wrongly where that is possible; return "too many" where it is closed by its limit.

    Args:
        door: password, reset, code or sso.
        who: an address; for sso the path at which a sign-in begins.
    """
    browser = Client()
    if door == "sso":
        answer = browser.get(who)
    elif door == "reset":
        answer = browser.post("/accounts/password/reset/", {"email": who})
    else:
        answer = browser.post("/accounts/login/", {"login": who, "password": PASSWORD if door == "code" else "wrong"})
        if door == "code":
            assert answer.status_code == 302, answer.content.decode()
            answer = second_step(browser, "000000")
    too_many = answer.status_code == HTTPStatus.TOO_MANY_REQUESTS or "Too many failed" in answer.text
    return "too many" if too_many else "tried"


def elsewhere(door: str, who: str, times: int) -> list[str]:
    """Return how another process fares at a door."""
    arguments = [sys.executable, "-c", OTHER_PROCESS, database.worker_database(), door, who, str(times)]
    ended = subprocess.run(arguments, check=True, capture_output=True, text=True, cwd=configured.BASE_DIR)
    return [line for line in ended.stdout.split("\n") if line in {"tried", "too many"}]  # among lines of the log


@pytest.fixture
def limited(settings: Any) -> None:
    """Let this process have the same limits; the fixture takes them back."""
    settings.ACCOUNT_RATE_LIMITS = settings.API_RATE_PER_ADDRESS = None
    limit()


@pytest.mark.parametrize("door", ["password", "reset", "code"])
def test_two_processes_count_together(acme: Tenant, limited: None, door: str) -> None:
    for person in (acme.member, acme.viewer):
        give_totp(person)
    mine, theirs = acme.member.email, acme.viewer.email
    assert elsewhere(door, mine, 2) == ["tried", "tried"]
    assert knock(door, mine) == "tried"
    assert knock(door, mine) == "too many"
    assert elsewhere(door, mine, 1) == ["too many"]
    assert elsewhere(door, theirs, 1) == ["tried"], "of this person only"


def test_two_processes_count_beginnings_of_single_sign_on_together(acme: Tenant, limited: None) -> None:
    """They are counted by address, before anything is asked of the provider."""
    with acme.acting("owner") as owner:
        connection = stored_connection(acme, acme.membership("member"), acme.role("viewer"), owner)
        set_sso_enabled(connection=connection, enabled=True, actor=owner)
    start = f"/sso/{connection.pk}/start/"
    assert elsewhere("sso", start, 2) == ["tried", "tried"]
    assert knock("sso", start) == "tried"
    assert knock("sso", start) == "too many"
    assert elsewhere("sso", start, 1) == ["too many"]


def test_the_right_password_waits_too(acme: Tenant, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": "3/5m/key"}
    email = acme.member.email
    assert elsewhere("password", email, 2) == ["tried", "tried"]
    _, answer = sign_in(acme.member, password="wrong")
    assert "Too many failed" not in answer.text
    _, answer = sign_in(acme.member)
    assert "Too many failed" in answer.text, "the right password, after three wrong ones of two processes"
    assert elsewhere("password", email, 1) == ["too many"]


def test_without_redis_the_cache_is_the_database(acme: Tenant) -> None:
    assert isinstance(caches["default"], SharedCache)


def test_an_entry_is_added_once_until_its_time_is_over(db: None) -> None:
    assert cache.add("entry", [1.5], 100)
    assert not cache.add("entry", [2.5], 100)
    assert cache.get("entry") == [1.5]
    assert cache.touch("entry", -1)
    assert cache.get("entry", "none") == "none"
    assert not cache.touch("entry", 100)
    assert cache.add("entry", [2.5], 100)
    assert cache.delete("entry")
    assert not cache.delete("entry")


def test_of_two_at_the_same_moment_one_gets_the_lock(db: None) -> None:
    """The second waits for the first one's transaction; what that released is free then."""
    other = connections["default"].copy()
    try:
        with transaction.atomic(), other.cursor() as cursor:
            assert cache.add("lock", True, 10)
            cursor.execute("SET lock_timeout = '50ms'")
            with pytest.raises(Exception, match="lock timeout"):
                cursor.execute("INSERT INTO portal_cache (key, value) VALUES (%s, '1')", [":1:lock"])
    finally:
        other.close()


def test_what_rolls_back_was_never_counted(db: None) -> None:
    with transaction.atomic():
        cache.set("count", 1, 100)
        transaction.set_rollback(True)
    assert cache.get("count") is None


def test_what_is_over_is_swept(db: None) -> None:
    cache.set("over", 1, -1)
    cache.set("kept", 1, 100)
    cache.set("for-ever", 1, None)
    assert sweep_cache() == 1
    assert cache.get_many(["over", "kept", "for-ever"]) == {"kept": 1, "for-ever": 1}
