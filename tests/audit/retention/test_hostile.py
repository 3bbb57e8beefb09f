"""Whoever runs SQL as the running role gains nothing against retention, holds and erasures."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from django.utils import timezone
from psycopg import errors

from audit.models import LegalHold, RetentionChange
from audit.retention.erasing import carry_out
from audit.retention.retiring import retire_month
from audit.sealing.sealer import seal
from audit.services.erasures import request_erasure
from audit.services.holds import set_hold
from isolation.actor import SYSTEM, Actor
from isolation.scope import tenant_scope
from tenants.access import user_actor
from tests import database
from tests.audit.retention.stage import OLD, let_pass, months, seal_and_verify, write_old
from tests.people import Tenant

EVENT = """
INSERT INTO audit_event (id, time, organization_id, actor_kind, actor_label, via, action, outcome, target_type,
    target_id, target_label, project_label, before, after, reason, request_id, session, user_agent)
VALUES (gen_random_uuid(), now(), %s, 'system', 'x', 'system', 'organization.updated', 'success', '',
    %s, '', '', '{}', '{}', '', '', '', '')
"""


@pytest.fixture
def hostile(acme: Tenant) -> Iterator[psycopg.Connection]:
    """Yield a session of the running role in which anything may be tried; it names the organization in an event."""
    dsn = database.server().dsn(user="gatehouse_app", database=database.worker_database())
    with psycopg.connect(dsn) as connection:
        log = acme.organization.pk
        connection.execute("SELECT set_config('app.organization', %s, false)", [str(log)])
        connection.execute(EVENT, [log, str(log)])
        connection.commit()
        yield connection
        connection.rollback()


@pytest.fixture
def held(acme: Tenant) -> LegalHold:
    with tenant_scope(acme.organization):
        hold: LegalHold = set_hold(organization_id=acme.organization.pk, name="Case 7", reason="Court", actor=SYSTEM)
    return hold


FUNCTIONS = [
    "SELECT audit_retire(gen_random_uuid(), '2020-01-01', 1, 1, 'x')",
    "SELECT audit_retirable(gen_random_uuid(), '2020-01-01', 1, 1)",
    "SELECT audit_drop_empty_partitions()",
    "SELECT audit_erase(gen_random_uuid())",
    "SELECT audit_tell_of_itself(gen_random_uuid(), 'audit_log.retired', '', '{}')",
    "SELECT audit_without('{}', 'before', '{}')",
]
TABLES = [
    "DELETE FROM audit_retentionchange",
    "UPDATE audit_retentionchange SET months = 1",
    "UPDATE audit_retentionchange SET effective_at = now()",
    "TRUNCATE audit_retentionchange",
    "DELETE FROM audit_legalhold",
    "UPDATE audit_legalhold SET until = now()",
    "UPDATE audit_legalhold SET organization_id = gen_random_uuid()",
    "UPDATE audit_legalhold SET by_operator = false",
    "TRUNCATE audit_legalhold",
    "DELETE FROM audit_erasurerequest",
    "UPDATE audit_erasurerequest SET due_at = now()",
    "UPDATE audit_erasurerequest SET done_at = now()",
    "UPDATE audit_erasurerequest SET person_id = gen_random_uuid()",
    "DELETE FROM audit_deletedlog",
    "UPDATE audit_deletedlog SET name = 'x'",
    "INSERT INTO audit_receipt (organization_id) VALUES (gen_random_uuid())",
    "UPDATE audit_receipt SET note = 'x'",
    "DELETE FROM audit_receipt",
    "TRUNCATE audit_receipt",
    "ALTER TABLE audit_legalhold DISABLE TRIGGER audit_kept",
    "DROP TRIGGER audit_kept ON audit_legalhold",
    "UPDATE audit_leaftext SET salts = ''",
    "DELETE FROM audit_leaftext",
    "UPDATE audit_event SET actor_label = '[erased]'",
    "DELETE FROM audit_event",
    "SET ROLE gatehouse_sealer",
    "SET SESSION AUTHORIZATION gatehouse_sealer",
]


@pytest.mark.parametrize("statement", [*FUNCTIONS, *TABLES])
def test_it_is_refused(statement: str, hostile: psycopg.Connection) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        hostile.execute(statement)


@pytest.mark.parametrize("statement", [*FUNCTIONS[:4], *TABLES[:16]])
@pytest.mark.parametrize("role", ["gatehouse_operator", "gatehouse_sealer"])
def test_other_logins_are_refused_as_well(role: str, statement: str, db: None) -> None:
    """The sealer may call the functions; they look themselves whether they may."""
    harmless = role == "gatehouse_sealer" and ("audit_retirable" in statement or "audit_drop" in statement)
    with psycopg.connect(database.server().dsn(user=role, database=database.worker_database())) as connection:
        if harmless:
            assert connection.execute(statement).fetchall() == []
            return
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(statement)


@pytest.mark.parametrize("role", ["gatehouse_audit", "gatehouse_owner"])
@pytest.mark.parametrize("statement", ["DELETE FROM audit_event", "UPDATE audit_leaftext SET salts = ''"])
def test_not_even_the_logs_owner_rewrites_it_by_hand(role: str, statement: str, acme: Tenant, superuser) -> None:
    seal()
    with pytest.raises(errors.InsufficientPrivilege), superuser.transaction():
        superuser.execute(f"SET LOCAL ROLE {role}")
        superuser.execute(statement)


def insert(connection: psycopg.Connection, table: str, **values: object) -> None:
    columns = ", ".join(values)
    marks = ", ".join(["%s"] * len(values))
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(values.values()))  # noqa: S608 - ours


def test_a_retention_takes_its_notice_whatever_the_row_says(
    acme: Tenant, hostile: psycopg.Connection, superuser
) -> None:
    log, past = acme.organization.pk, timezone.now() - timedelta(days=900)
    with months(superuser, OLD):
        write_old(log, 3)
        seal_and_verify()
        hostile.execute(EVENT, [log, str(log)])
        for _ in range(2):
            insert(
                hostile,
                "audit_retentionchange",
                id=uuid4(),
                organization_id=log,
                months=1,
                notice_days=7,
                changed_by="x",
                announced_at=past,
                effective_at=past,
            )
        hostile.commit()
        with tenant_scope(acme.organization):
            rows = list(RetentionChange.objects.all())
        assert all(row.effective_at - row.announced_at > timedelta(days=6, hours=23) for row in rows)
        assert retire_month(log, OLD) == 0


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("audit_retentionchange", {"months": 0, "notice_days": 7, "changed_by": "x"}),
        ("audit_retentionchange", {"months": 12, "notice_days": 0, "changed_by": "x"}),
        ("audit_retentionchange", {"months": 12, "notice_days": -400, "changed_by": "x"}),
        (
            "audit_erasurerequest",
            {
                "person_id": uuid4(),
                "names": [],
                "reason": "",
                "notice_days": 0,
                "by_operator": False,
                "requested_by": "x",
                "cancelled_by": "",
                "events": 0,
                "fields": 0,
            },
        ),
    ],
)
def test_a_notice_is_never_shorter_than_the_database_says(
    table: str, values: dict[str, object], acme: Tenant, hostile: psycopg.Connection
) -> None:
    with pytest.raises(errors.CheckViolation):
        insert(hostile, table, id=uuid4(), organization_id=acme.organization.pk, **values)


def test_nothing_is_written_into_another_organizations_policy(acme: Tenant, globex: Tenant, hostile) -> None:
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        insert(
            hostile,
            "audit_retentionchange",
            id=uuid4(),
            organization_id=globex.organization.pk,
            months=12,
            notice_days=7,
            changed_by="x",
        )


def test_without_an_event_nothing_changes(acme: Tenant, hostile: psycopg.Connection, held: LegalHold) -> None:
    hostile.execute("UPDATE audit_legalhold SET released_at = now(), released_by = 'x'")
    with pytest.raises(errors.IntegrityConstraintViolation, match="wrote no audit event"):
        hostile.commit()


def test_a_release_counts_from_now_and_once(acme: Tenant, hostile, held: LegalHold) -> None:
    log = acme.organization.pk
    hostile.execute(EVENT, [log, str(log)])
    hostile.execute("UPDATE audit_legalhold SET released_at = '2001-01-01', released_by = 'x'")
    hostile.commit()
    with tenant_scope(acme.organization):
        held.refresh_from_db()
    assert held.is_in_force
    with pytest.raises(errors.InsufficientPrivilege, match="released once"):
        hostile.execute("UPDATE audit_legalhold SET released_at = '2001-01-01'")


def test_an_organization_that_is_held_is_not_deleted_by_hand(acme: Tenant, hostile, held: LegalHold) -> None:
    with pytest.raises(errors.InsufficientPrivilege, match="the organization stays"):
        hostile.execute("DELETE FROM tenants_organization WHERE id = %s", [acme.organization.pk])


def test_an_erasure_that_is_over_does_not_come_back(acme: Tenant, hostile, superuser) -> None:
    log = acme.organization.pk
    seal()
    superuser.execute(database.TRIGGERS_OFF)
    superuser.execute("UPDATE tenants_membership SET is_active = false WHERE user_id = %s", [acme.member.pk])
    superuser.execute(database.TRIGGERS_ON)
    with tenant_scope(acme.organization):
        request = request_erasure(organization_id=log, person="member@acme.example", reason="x", actor=_owner(acme))
    let_pass(superuser, "audit_erasurerequest", "due_at = requested_at")
    assert carry_out() == 1
    hostile.execute(EVENT, [log, str(log)])
    with pytest.raises(errors.InsufficientPrivilege, match="over"):
        hostile.execute("UPDATE audit_erasurerequest SET cancelled_at = NULL WHERE id = %s", [request.pk])
    hostile.rollback()
    assert carry_out() == 0


def _owner(tenant: Tenant) -> Actor:
    return user_actor(tenant.owner, tenant.organization.pk)


def test_the_sealers_functions_look_themselves(acme: Tenant, held: LegalHold, superuser) -> None:
    log = acme.organization.pk
    with months(superuser, OLD):
        write_old(log, 3)
        seal_and_verify()
        dsn = database.server().dsn(user="gatehouse_sealer", database=database.worker_database())
        with psycopg.connect(dsn) as sealer:
            for statement in (
                "DELETE FROM audit_event",
                "DELETE FROM audit_leaftext",
                "DELETE FROM audit_legalhold",
                "UPDATE audit_leaftext SET salts = ''",
                "SET ROLE gatehouse_audit",
                "INSERT INTO audit_receipt (organization_id) VALUES (gen_random_uuid())",
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    sealer.execute(statement)
                sealer.rollback()
            rows = sealer.execute("SELECT * FROM audit_retirable(%s, %s, 1, 1)", [log, OLD]).fetchall()
            assert rows == []
            with pytest.raises(errors.InsufficientPrivilege, match="Nothing of that month"):
                sealer.execute("SELECT audit_retire(%s, %s, 1, 1, 'x')", [log, OLD])
            sealer.rollback()
            with pytest.raises(errors.InsufficientPrivilege, match="no such erasure"):
                sealer.execute("SELECT audit_erase(%s)", [log])
