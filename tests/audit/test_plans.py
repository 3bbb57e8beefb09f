"""How PostgreSQL finds events at size: by an index for each qualifier, or within a bounded time."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from audit.models import Event
from audit.query import conditions_of, parse
from audit.query.qualifiers import QUALIFIERS, names
from audit.selectors import EventFilter
from audit.tail import place_now
from isolation.scope import tenant_scope
from tests.people import Tenant

EVENTS = 40_000
FILL = """
INSERT INTO audit_event (id, time, organization_id, actor_kind, actor_id, actor_label, via, action, outcome,
                         target_type, target_id, target_label, project_id, project_label, before, after, reason,
                         request_id, session, ip, user_agent)
SELECT gen_random_uuid(), now() - e * interval '30 seconds',
       CASE WHEN e %% 2 = 0 THEN %(organization)s::uuid ELSE gen_random_uuid() END,
       'user', md5((e %% 500)::text)::uuid, 'person-' || e %% 500 || '@example.org', 'console',
       CASE WHEN e %% 300 = 0 THEN 'role.created' ELSE 'member.added' END,
       CASE WHEN e %% 400 = 0 THEN 'denied' ELSE 'success' END, 'member', 't-' || e %% 700,
       'target-' || e %% 700, CASE WHEN e %% 600 = 0 THEN %(project)s::uuid END, '', '{}', '{}', '', 'r-' || e / 4,
       's-' || e / 50, ('10.' || e %% 200 || '.' || e %% 250 || '.7')::inet, ''
FROM generate_series(1, %(events)s) e
"""
INDEXED = {
    "actor": (
        "actor:person-7@example.org",
        f"actor:{UUID('8f14e45f-ceea-467f-ab2a-7d4e2f1b2c3d')}",
        "actor:person-77*",
    ),
    "action": ("action:role.created", "action:role.*"),
    "target": ("target:target-7", "target:target-77*"),
    "project": ("project:{project}",),
    "outcome": ("outcome:denied", "-outcome:success", "outcome:denied,failed"),
    "ip": ("ip:10.7.7.7", "ip:10.7.0.0/16"),
    "request": ("request:r-77",),
    "session": ("session:s-77",),
    "time": ("time:2h", "time:yesterday"),
    "": ("person-77", "target-77"),
}


class Nowhere:
    """Names are given by id here."""

    across = False

    def projects(self, text: str, *, prefix: bool) -> list[UUID]:
        return []

    def organization(self, text: str) -> None:
        return None

    def types(self) -> tuple[str, ...]:
        return ("member",)


@pytest.fixture
def full(acme: Tenant, superuser: psycopg.Connection) -> Tenant:
    """Give the installation many events, half of them acme's."""
    superuser.execute("SET session_replication_role = replica")
    superuser.execute(FILL, {"organization": acme.organization.pk, "project": acme.project.pk, "events": EVENTS})
    superuser.execute("ANALYZE audit_event")
    return acme


def read_whole(found: str) -> list[str]:
    """Return the partitions that a plan reads from end to end, but for those that hold nothing and cost nothing."""
    return re.findall(r"Seq Scan on (\w+) .*cost=(?!0\.0)", found)


def plan_of(query: str) -> str:
    wanted = EventFilter(conditions=conditions_of(parse(query, names(across=False)), Nowhere(), timezone.now()))
    return str(wanted.apply(Event.objects.all()).order_by("-time", "-pk")[:51].explain())


def test_every_qualifier_is_answered_by_an_index_or_within_a_time(full: Tenant) -> None:
    limited = {"via": "via:cli", "type": "type:project"}
    assert {*INDEXED, *limited} == {"", *names(across=False)}
    assert all(QUALIFIERS[name].anchored for name in INDEXED if name not in {"", "outcome", "time"})
    with tenant_scope(full.organization):
        for query in (query for queries in INDEXED.values() for query in queries):
            found = plan_of(query.format(project=full.project.pk))
            assert not read_whole(found), (query, found)
        for query in limited.values():
            found = plan_of(query)
            assert not read_whole(found), (query, found)
            assert "audit_event_" in found
            conditions = conditions_of(parse(query, names(across=False)), Nowhere(), timezone.now())
            assert conditions.limited
        assert not read_whole(plan_of(f"actor:{uuid4()}"))
        assert_the_index_is_asked()


def assert_the_index_is_asked() -> None:
    """A condition that PostgreSQL only filters by would read everything."""
    asked = {
        "request:r-77": "request_id",
        "session:s-77": "session",
        "ip:10.7.0.0/16": "ip >=",
        "target:target-77*": "target_label",
        "actor:person-77*": "actor_label",
    }
    for query, column in asked.items():
        conditions = [line for line in plan_of(query).splitlines() if "Index Cond" in line]
        assert any(column in line for line in conditions), query


def test_following_finds_what_is_new_by_its_transaction(full: Tenant) -> None:
    with tenant_scope(full.organization), connection.cursor() as cursor:
        assert place_now()
        cursor.execute("SELECT pg_current_snapshot()::text")
        (snapshot,) = cursor.fetchone()
        rows = Event.objects.extra(
            where=[
                "audit_event.xid >= pg_snapshot_xmin(%s::pg_snapshot)",
                "NOT pg_visible_in_snapshot(audit_event.xid, %s::pg_snapshot)",
            ],
            params=[snapshot, snapshot],
        )
        found = str(rows.explain())
    assert not read_whole(found), found


def test_a_page_reads_as_little_at_depth_as_at_the_top(full: Tenant) -> None:
    middle = timezone.now() - timedelta(seconds=EVENTS // 2 * 30)
    with tenant_scope(full.organization), connection.cursor() as cursor:
        cursor.execute("SET LOCAL jit = off")

        def read(rows: Any) -> int:
            found = rows.order_by("-time", "-pk")[:51].explain(analyze=True, buffers=True)
            counted = [line for line in found.splitlines() if "Buffers: shared" in line]
            return sum(int(part.split("=")[1]) for part in counted[0].split() if part.startswith(("hit=", "read=")))

        top = read(Event.objects.all())
        deep = read(Event.objects.filter(time__lte=middle))
    assert deep <= 2 * top + 20, (deep, top)
