"""The audit viewer with ten million events in one organization, beside ten thousand in another."""

import faulthandler
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.bench.timing import medians
from tests.people import Tenant, signed_in

pytestmark = pytest.mark.bench

ROUNDS = 15
SMALL, LARGE = 10_000, 10_000_000
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


def test_the_viewer_at_ten_million_events(acme: Tenant, globex: Tenant, superuser: psycopg.Connection) -> None:
    """The pages take about as long however many events there are, and no more statements."""
    faulthandler.cancel_dump_traceback_later()  # writing ten million events takes longer than a test may
    superuser.execute("SET session_replication_role = replica")
    fill(superuser, [(globex, SMALL), (acme, LARGE)])
    small, large = (Pages(tenant) for tenant in (globex, acme))
    print(f"\nAudit viewer: an organization with {LARGE:,} events, beside one with {SMALL:,} in the same installation")
    for name in small.addresses:
        times = medians(ROUNDS, small=lambda name=name: small.get(name), large=lambda name=name: large.get(name))  # type: ignore[misc]
        ratio = f"{times['large'] / times['small']:5.2f} ×"
        statements = small.statements(name), large.statements(name)
        print(
            f"  {name:<22} {times['small']:7.1f} ms → {times['large']:7.1f} ms   {ratio}   {statements[1]} statements"
        )
        # Where few match, one more finds the first of them, with which the chart begins.
        assert statements[1] <= statements[0], name
    print("Bytes for each event:")
    for name, size in sizes(superuser):
        print(f"  {name:<26} {size / LARGE:6.1f}")
    empty(superuser)


class Pages:
    """The pages of one organization's log, as its owner sees them."""

    def __init__(self, tenant: Tenant) -> None:
        self.browser = signed_in(tenant.owner)
        log = f"/o/{tenant.organization.slug}/audit/"
        newest = self.browser.get(log)
        middle = self.browser.get(f"{log}?q=time:<15d").context["events"][0].time
        deep = self.browser.get(f"{log}?at={middle:%Y-%m-%d}")
        event = deep.context["events"][25]
        self.addresses = {
            "newest": log,
            "in the middle": f"{log}{deep.context['older_url']}",
            **{name: f"{log}?{urlencode({'q': query})}" for name, query in SEARCHES.items()},
            "an event": f"{log}{event.pk}/",
            "timeline of a person": f"{log}timeline/{event.actor_id}/",
            "suggestions": f"{log}suggestions/?typed=actor:person-7",
            "following": f"{log}new/?{urlencode({'place': newest.context['place']})}",
        }

    def get(self, name: str) -> None:
        """Load a page."""
        assert self.browser.get(self.addresses[name]).status_code == 200, name

    def statements(self, name: str) -> int:
        """Return how many statements a page takes."""
        with CaptureQueriesContext(connection) as queries:
            self.get(name)
        return len(queries)


def fill(superuser: psycopg.Connection, logs: list[tuple[Tenant, int]]) -> None:
    """Write the events of thirty days; indexes are built afterwards, which takes less time."""
    indexes = superuser.execute(
        "SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = 'audit_event'::regclass AND NOT i.indisprimary"
    ).fetchall()
    superuser.execute("SET maintenance_work_mem = '512MB'")
    for name, _ in indexes:
        superuser.execute(f"DROP INDEX {name}")
    statement = Path(__file__).with_name("audit_events.sql").read_text()
    for tenant, events in logs:
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
