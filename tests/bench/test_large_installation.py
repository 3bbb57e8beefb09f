"""An organization's pages in a small and in a large installation: time and number of statements."""

from pathlib import Path

import psycopg
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.bench.timing import medians
from tests.people import Tenant, signed_in

pytestmark = pytest.mark.bench

ROUNDS = 30
SMALL = {"organizations": 2, "members": 1_000, "events": 10_000}
LARGE = {"organizations": 1_000, "members": 100_000, "events": 1_000_000}
PAGES = {
    "overview": "/o/acme/",
    "members": "/o/acme/tenants/membership/",
    "roles": "/o/acme/roles/",
    "audit log": "/o/acme/audit/",
    "audit log, one actor": "/o/acme/audit/?actor=person-10@example.org",
}


def test_pages_of_a_large_installation(acme: Tenant, superuser: psycopg.Connection) -> None:
    """The pages take about as long, and as many statements, however large the installation is."""
    browser = signed_in(acme.owner)
    fill(superuser, acme, **SMALL)
    small = measure(browser)
    empty(superuser, acme)
    fill(superuser, acme, **LARGE)
    large = measure(browser)
    print(f"\nLarge installation: {LARGE}, against a small one: {SMALL}; a tenth of each belongs to the organization")
    for name in PAGES:
        (small_ms, small_queries), (large_ms, large_queries) = small[name], large[name]
        ratio = f"{large_ms / small_ms:5.2f} ×"
        print(f"  {name:<20} {small_ms:7.1f} ms → {large_ms:7.1f} ms   {ratio}   {large_queries} statements")
        assert small_queries == large_queries


def measure(browser: Client) -> dict[str, tuple[float, int]]:
    """Return each page's median time in milliseconds and its number of statements."""
    measured = {}
    for name, address in PAGES.items():
        with CaptureQueriesContext(connection) as queries:
            response = browser.get(address)
        statements = len(queries)  # the log is emptied by the next request
        assert response.status_code == 200, address
        times = medians(ROUNDS, page=lambda address=address: browser.get(address))  # type: ignore[misc]
        measured[name] = (times["page"], statements)
    return measured


def fill(superuser: psycopg.Connection, tenant: Tenant, **sizes: int) -> None:
    """Add the rows; a tenth of the members and events belongs to `tenant`."""
    statements = Path(__file__).with_name("fill.sql").read_text()
    superuser.execute("SET session_replication_role = replica")
    superuser.execute(statements.format(organization=tenant.organization.pk, **sizes))


def empty(superuser: psycopg.Connection, tenant: Tenant) -> None:
    """Take the rows away again."""
    superuser.execute("DROP TABLE placement")
    superuser.execute("DELETE FROM audit_event WHERE actor_label LIKE 'person-%'")
    superuser.execute(
        "DELETE FROM tenants_membership WHERE user_id IN (SELECT id FROM accounts_user WHERE password = '!')"
    )
    superuser.execute("DELETE FROM accounts_user WHERE password = '!'")
    for table, column in (("tenants_role", "organization_id"), ("tenants_organization", "id")):
        superuser.execute(f"DELETE FROM {table} WHERE {column} <> '{tenant.organization.pk}'")  # noqa: S608
    superuser.execute("VACUUM ANALYZE")
