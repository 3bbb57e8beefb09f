"""The event table is partitioned by month, ahead of time, and reached through its parent only."""

import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import DatabaseError, connection, connections
from django.utils import timezone
from psycopg import errors, sql

from audit.models import Event
from audit.tasks import MONTHS_AHEAD, ensure_partitions
from isolation.scope import tenant_scope
from tests.audit.events import write
from tests.people import Tenant
from tests.tenants.stage import events


def partitions(superuser: psycopg.Connection) -> list[str]:
    return [
        row[0]
        for row in superuser.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_event'::regclass ORDER BY 1"
        )
    ]


def test_last_month_this_month_and_a_year_ahead_are_there(superuser) -> None:
    found = partitions(superuser)
    assert len(found) == MONTHS_AHEAD + 2
    this_month = superuser.execute("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')").fetchone()[0]
    assert found[1] == f"audit_event_{this_month}"
    assert all(re.fullmatch(r"audit_event_\d{4}_\d{2}", name) for name in found)


def test_the_months_meet_without_a_gap(superuser) -> None:
    bounds = superuser.execute(
        "SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid"
        " WHERE i.inhparent = 'audit_event'::regclass ORDER BY c.relname"
    ).fetchall()
    edges = [re.findall(r"'([^']+)'", bound) for (bound,) in bounds]
    assert [end for _start, end in edges[:-1]] == [start for start, _end in edges[1:]]


def test_making_them_again_changes_nothing(db: None, superuser) -> None:
    before = partitions(superuser)
    assert ensure_partitions() == 0
    assert ensure_partitions() == 0
    assert partitions(superuser) == before


def test_a_missing_month_is_made_and_protected_like_the_others(db: None, superuser) -> None:
    last = partitions(superuser)[-1]
    superuser.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(last)))
    assert ensure_partitions() == 1
    assert partitions(superuser)[-1] == last


def test_an_event_at_the_edge_of_a_month_finds_its_place(acme: Tenant) -> None:
    now = timezone.now()
    first = datetime(now.year, now.month, 1, tzinfo=UTC)
    for time in (first, first - timedelta(microseconds=1)):
        write(acme.organization.pk, action="x", time=time, ago=now - time)
    assert len(events(acme, "x")) == 2


def test_a_month_without_partition_is_refused_and_never_lost(acme: Tenant) -> None:
    ages_ago = timedelta(days=366 * 2)
    with pytest.raises(DatabaseError, match="no partition"):
        write(acme.organization.pk, ago=ages_ago)


@pytest.mark.parametrize("ago", [timedelta(hours=25), timedelta(hours=-25)])
def test_the_app_writes_no_event_of_another_day(ago: timedelta, acme: Tenant) -> None:
    with pytest.raises(DatabaseError, match="row-level security"), tenant_scope(acme.organization):
        Event(
            organization_id=acme.organization.pk,
            actor_kind="system",
            actor_label="x",
            via="system",
            action="x",
            time=timezone.now() - ago,
        ).save()


def test_every_partition_is_protected(superuser) -> None:
    rows = superuser.execute(
        """
        SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity,
               (SELECT array_agg(pg_get_expr(polqual, polrelid)) FROM pg_policy WHERE polrelid = c.oid),
               (SELECT array_agg(t.tgname::text ORDER BY t.tgname) FROM pg_trigger t WHERE t.tgrelid = c.oid)
        FROM pg_class c WHERE c.relispartition AND c.relkind = 'r' AND c.relname LIKE 'audit\\_event%'
        """
    ).fetchall()
    assert len(rows) == MONTHS_AHEAD + 2
    for name, forced, policies, triggers in rows:
        assert forced, name
        assert policies == ["false"], name
        assert triggers == ["audit_append_only", "audit_no_truncate"], name


@pytest.mark.parametrize("alias", ["default", "operator"])
def test_no_running_role_reaches_a_partition(alias: str, acme: Tenant, superuser) -> None:
    for name in partitions(superuser):
        for verb in (
            "SELECT * FROM {}",
            "INSERT INTO {} DEFAULT VALUES",
            "UPDATE {} SET reason = ''",
            "DELETE FROM {}",
        ):
            with pytest.raises(DatabaseError, match="permission denied"), connections[alias].cursor() as cursor:
                cursor.execute(sql.SQL(verb).format(sql.Identifier(name)))


def test_not_even_the_role_that_migrates_reads_a_partition(acme: Tenant, superuser) -> None:
    (name,) = superuser.execute("SELECT tableoid::regclass::text FROM audit_event LIMIT 1").fetchone()
    for role in ("gatehouse_owner", "gatehouse_lookup"):
        with pytest.raises(errors.InsufficientPrivilege), superuser.transaction():
            superuser.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
            superuser.execute(sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(name)))


def test_a_tenant_reads_its_own_events_and_none_of_the_installation(acme: Tenant, globex: Tenant, superuser) -> None:
    installation = superuser.execute("SELECT count(*) FROM audit_event WHERE organization_id IS NULL").fetchone()[0]
    assert installation, "logins were created"
    with tenant_scope(acme.organization), connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT organization_id FROM audit_event")
        assert cursor.fetchall() == [(acme.organization.pk,)]
        assert not Event._base_manager.filter(organization_id=None).exists()
    with connections["operator"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_event WHERE organization_id IS NULL")
        assert cursor.fetchone() == (installation,)
