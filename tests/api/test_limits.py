"""Rate limits: by key or person, by organization and by address, counted together by all processes."""

import subprocess
import sys
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from api import limits
from tests.api.calls import Caller, anybody, by
from tests.people import Tenant
from tests.tenants.stage import at_once

CENTURY = 100 * 365 * 24 * 3600


@pytest.fixture
def long_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count a century together: no minute ends in the middle of a test."""
    monkeypatch.setattr(limits, "WINDOW", CENTURY)


@pytest.mark.usefixtures("long_window")
def test_a_person_is_limited_in_however_many_browsers(acme: Tenant, settings: Any) -> None:
    settings.API_RATE_PER_KEY = 3
    first, second = by(acme.owner), by(acme.owner)
    assert [caller.get("/me").status_code for caller in (first, second, first)] == [200, 200, 200]
    response = second.get("/me")
    assert (response.status_code, response.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(response["Retry-After"]) <= CENTURY
    assert by(acme.admin).get("/me").status_code == 200


def test_the_headers_say_where_the_client_stands(acme: Tenant, settings: Any) -> None:
    settings.API_RATE_PER_KEY, settings.API_RATE_PER_ORGANIZATION = 10, 3
    response = by(acme.owner).get("/organizations/acme")
    assert response["RateLimit-Policy"] == '"organization";q=3;w=60, "key";q=10;w=60'
    tightest, other = response["RateLimit"].split(", ")  # the counts begin with this request, in whichever minute
    assert tightest.startswith('"organization";r=2;t=')
    assert other.startswith('"key";r=9;t=')


@pytest.mark.usefixtures("long_window")
def test_an_organizations_people_share_its_quota(acme: Tenant, globex: Tenant, settings: Any) -> None:
    settings.API_RATE_PER_ORGANIZATION = 2
    path = "/organizations/acme"
    assert [by(person).get(path).status_code for person in (acme.owner, acme.admin)] == [200, 200]
    assert by(acme.viewer).get(path).status_code == 429
    assert by(acme.owner).get("/me").status_code == 200
    assert by(globex.owner).get("/organizations/globex").status_code == 200


@pytest.mark.usefixtures("long_window")
def test_a_stranger_cannot_use_up_an_organizations_quota(acme: Tenant, globex: Tenant, settings: Any) -> None:
    settings.API_RATE_PER_ORGANIZATION = 1
    for _ in range(3):
        assert by(globex.owner).get("/organizations/acme").status_code == 404
    assert by(acme.owner).get("/organizations/acme").status_code == 200


@pytest.mark.usefixtures("long_window")
def test_requests_without_a_credential_are_counted_by_address(db: None, settings: Any) -> None:
    settings.API_RATE_PER_ADDRESS = 2
    statuses = [anybody().get("/me").status_code for _ in range(3)]
    assert statuses == [401, 401, 429]
    elsewhere = Caller(Client(REMOTE_ADDR="192.0.2.1"))
    assert elsewhere.get("/me").status_code == 401
    assert anybody().get("/openapi.json").status_code == 429


@pytest.mark.usefixtures("long_window")
def test_an_ipv6_network_is_one_address(db: None, settings: Any) -> None:
    settings.API_RATE_PER_ADDRESS = 2
    callers = [Caller(Client(REMOTE_ADDR=f"2001:db8:1:2::{host}")) for host in range(3)]
    assert [caller.get("/me").status_code for caller in callers] == [401, 401, 429]
    assert Caller(Client(REMOTE_ADDR="2001:db8:1:3::")).get("/me").status_code == 401


@pytest.mark.usefixtures("long_window")
def test_looking_for_organizations_counts(globex: Tenant, settings: Any) -> None:
    settings.API_RATE_PER_KEY = 2
    caller = by(globex.owner)
    assert [caller.get(f"/organizations/{slug}").status_code for slug in ("acme", "acne", "ache")] == [404, 404, 429]


@pytest.mark.usefixtures("long_window")
def test_no_request_is_lost_when_many_come_at_once(db: None) -> None:
    quotas = [limits.Quota("key", "key:a", 10), limits.Quota("organization", "organization:b", 10)]
    counted = at_once(*(lambda: limits.count(quotas) for _ in range(8)))
    assert sorted(standings[0].used for standings in counted) == list(range(1, 9))
    assert sorted(standings[1].used for standings in counted) == list(range(1, 9))


ANOTHER_PROCESS = f"""
import django, sys
django.setup()
from tests import database
database.use_database(sys.argv[1])
from api import limits
limits.WINDOW = {CENTURY}
print(limits.count([limits.Quota("key", "key:shared", 10)])[0].used)
"""


@pytest.mark.usefixtures("long_window")
def test_another_process_counts_on(db: None) -> None:
    quota = [limits.Quota("key", "key:shared", 10)]
    assert limits.count(quota)[0].used == 1
    command = [sys.executable, "-c", ANOTHER_PROCESS, connection.settings_dict["NAME"]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.strip() == "2", done.stderr
    assert limits.count(quota)[0].used == 3


@pytest.mark.usefixtures("long_window")
def test_a_new_minute_begins_anew(db: None, superuser: Any) -> None:
    quota = [limits.Quota("key", "key:a", 10)]
    for used in (1, 2):
        assert limits.count(quota)[0].used == used
    superuser.execute("UPDATE api_rate SET window_start = window_start - interval '100 years'")
    assert limits.count(quota)[0].used == 1


def test_counting_is_one_statement_outside_any_transaction(acme: Tenant) -> None:
    caller = by(acme.owner)
    caller.get("/organizations/acme")
    with CaptureQueriesContext(connection) as queries:
        caller.get("/organizations/acme")
    statements = [query["sql"] for query in queries]
    (counting,) = [number for number, sql in enumerate(statements) if "api_rate" in sql]
    assert counting < statements.index("BEGIN")


def test_the_table_is_unlogged(superuser: Any) -> None:
    assert superuser.execute("SELECT relpersistence FROM pg_class WHERE relname = 'api_rate'").fetchone() == ("u",)
