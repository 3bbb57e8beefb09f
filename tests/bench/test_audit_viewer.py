"""The audit viewer with ten million events in one organization, against ten thousand: time and number of statements."""

import faulthandler
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.bench.timing import medians
from tests.people import Tenant, signed_in

pytestmark = pytest.mark.bench

ROUNDS = 15
SMALL, LARGE = 10_000, 10_000_000
LOG = "/o/acme/audit/"
SEARCHES = {
    "one actor": "actor:person-7@example.org",
    "an actor's beginning": "actor:person-77*",
    "one action": "action:role.created",
    "one target": "target:target-7",
    "what was refused": "outcome:denied",
    "a network": "ip:10.7.0.0/16",
    "one request": "request:r-7",
    "one day": "time:yesterday",
    "words": "person-77 -via:api",
    "no index: one door": "via:api",
}


def test_the_viewer_at_ten_million_events(acme: Tenant, superuser: psycopg.Connection) -> None:
    """The pages take about as long, and as many statements, however many events there are."""
    faulthandler.cancel_dump_traceback_later()  # writing ten million events takes longer than a test may
    browser = signed_in(acme.owner)
    superuser.execute("SET session_replication_role = replica")
    fill(superuser, acme, SMALL)
    small = measure(browser)
    empty(superuser)
    fill(superuser, acme, LARGE)
    large = measure(browser)
    print(f"\nAudit viewer: {LARGE:,} events of one organization, against {SMALL:,}")
    for name, (small_ms, _) in small.items():
        large_ms, large_statements = large[name]
        ratio = f"{large_ms / small_ms:5.2f} ×"
        print(f"  {name:<22} {small_ms:7.1f} ms → {large_ms:7.1f} ms   {ratio}   {large_statements} statements")
    print("Bytes for each event:")
    for name, size in sizes(superuser):
        print(f"  {name:<26} {size / LARGE:6.1f}")
    empty(superuser)
    for name in small:
        assert small[name][1] == large[name][1], name


def measure(browser: Client) -> dict[str, tuple[float, int]]:
    """Return each page's median time in milliseconds and its number of statements."""
    measured = {}
    for name, address in addresses(browser).items():
        browser.get(address)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(address).status_code == 200, address
        statements = len(queries)
        times = medians(ROUNDS, page=lambda address=address: browser.get(address))  # type: ignore[misc]
        measured[name] = (times["page"], statements)
    return measured


def addresses(browser: Client) -> dict[str, str]:
    """Return the pages, by name."""
    newest = browser.get(LOG)
    deep = browser.get(f"{LOG}?at={browser.get(f'{LOG}?q=time:<15d').context['events'][0].time:%Y-%m-%d}")
    event = deep.context["events"][25]
    return {
        "newest": LOG,
        "in the middle": f"{LOG}{deep.context['older_url']}",
        **{name: f"{LOG}?{urlencode({'q': query})}" for name, query in SEARCHES.items()},
        "an event": f"{LOG}{event.pk}/",
        "timeline of a person": f"{LOG}timeline/{event.actor_id}/",
        "suggestions": f"{LOG}suggestions/?typed=actor:person-7",
        "following": f"{LOG}new/?{urlencode({'place': newest.context['place']})}",
    }


def fill(superuser: psycopg.Connection, tenant: Tenant, events: int) -> None:
    """Write the events of thirty days; indexes are built afterwards, which takes less time."""
    indexes = superuser.execute(
        "SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = 'audit_event'::regclass AND NOT i.indisprimary"
    ).fetchall()
    superuser.execute("SET maintenance_work_mem = '512MB'")
    for name, _ in indexes:
        superuser.execute(f"DROP INDEX {name}")
    statement = Path(__file__).with_name("audit_events.sql").read_text()
    superuser.execute(statement.format(organization=tenant.organization.pk, events=events))
    for _, definition in indexes:
        superuser.execute(definition.replace(" ON ONLY ", " ON "))
    superuser.execute("VACUUM ANALYZE audit_event")


def empty(superuser: psycopg.Connection) -> None:
    """Take the events away, and give the disk back."""
    tables = superuser.execute("SELECT relid::regclass::text FROM pg_partition_tree('audit_event')").fetchall()
    for (table,) in tables:
        superuser.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    superuser.execute("TRUNCATE audit_event")
    for (table,) in tables:
        superuser.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def sizes(superuser: psycopg.Connection) -> list[tuple[str, int]]:
    """Return the bytes of the table and of each index, over all partitions."""
    rows = superuser.execute(
        "SELECT parent.relname, sum(pg_relation_size(leaf.relid))::bigint"
        " FROM (SELECT 'audit_event'::regclass AS oid UNION ALL"
        "       SELECT indexrelid FROM pg_index WHERE indrelid = 'audit_event'::regclass) AS of"
        " JOIN pg_class parent ON parent.oid = of.oid CROSS JOIN LATERAL pg_partition_tree(of.oid) AS leaf"
        " WHERE leaf.isleaf GROUP BY 1 ORDER BY 2 DESC"
    ).fetchall()
    return [(str(name), int(size)) for name, size in rows]
