"""The limits of signing in hold across processes: they are counted in the database, or in Redis."""

import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.cache import cache, caches
from django.db import connections, transaction

from portal.cache import SharedCache
from portal.tasks import sweep_cache
from tests import database
from tests.accounts.mfa.stage import sign_in
from tests.people import Tenant

pytestmark = pytest.mark.django_db

OTHER_PROCESS = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from django.conf import settings
from django.test import Client
from django.test.utils import setup_test_environment
from tests import database
setup_test_environment()
database.use_database(sys.argv[1])
settings.ACCOUNT_RATE_LIMITS = {"login_failed": "3/5m/key"}
for _ in range(int(sys.argv[3])):
    answer = Client().post("/accounts/login/", {"login": sys.argv[2], "password": "wrong"})
    print("too many" if "Too many failed" in answer.content.decode() else "wrong")
"""


def elsewhere(email: str, times: int) -> list[str]:
    """Return what another process says to so many wrong passwords."""
    arguments = [sys.executable, "-c", OTHER_PROCESS, database.worker_database(), email, str(times)]
    return subprocess.run(arguments, check=True, capture_output=True, text=True, cwd=configured.BASE_DIR).stdout.split(
        "\n"
    )[:-1]


def test_two_processes_count_wrong_passwords_together(acme: Tenant, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": "3/5m/key"}
    email = acme.member.email
    assert elsewhere(email, 2) == ["wrong", "wrong"]
    _, answer = sign_in(acme.member, password="wrong")
    assert "Too many failed" not in answer.text
    _, answer = sign_in(acme.member)
    assert "Too many failed" in answer.text, "the right password, after three wrong ones of two processes"
    assert elsewhere(email, 1) == ["too many"]
    assert elsewhere(acme.viewer.email, 1) == ["wrong"], "of this person only"


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
