"""What each database role can and cannot do, and that the portal refuses to start as more than the app."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from django.core.checks import run_checks
from django.db import connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from psycopg import errors, sql

from audit.models import Event
from isolation.roles import inspect_role, refuse_excess_power
from isolation.scope import tenant_scope
from tenants.lookups import invitation_by_digest, memberships_of, open_invitations, organization_id_of
from tests import database
from tests.isolation.tables import SEALED_TABLES, TENANT_TABLES
from tests.people import Tenant

ROLES = [
    "gatehouse_owner",
    "gatehouse_audit",
    "gatehouse_lookup",
    "gatehouse_operator",
    "gatehouse_migrator",
    "gatehouse_sealer",
]


@pytest.fixture
def connected(db: None) -> Iterator:
    """Yield a function that connects to the test's database as one of its login roles."""
    opened: list[psycopg.Connection] = []

    def connect(role: str) -> psycopg.Connection:
        dsn = database.server().dsn(user=role, database=database.worker_database())
        opened.append(psycopg.connect(dsn, autocommit=True))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


def test_the_suite_runs_as_the_app(db: None) -> None:
    report = inspect_role()
    assert (report.role, report.excess) == ("gatehouse_app", ())
    refuse_excess_power()


def test_a_restored_database_that_lets_everybody_create_temporary_tables_is_refused(db: None, superuser) -> None:
    """A dump leaves out what the database itself grants: a new one gives PUBLIC this right."""
    here = sql.Identifier(database.worker_database())
    superuser.execute(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO PUBLIC").format(here))
    try:
        assert inspect_role().excess == ("may create temporary tables",)
        with pytest.raises(SystemExit, match=r"roles\.sql"):
            refuse_excess_power()
    finally:
        superuser.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(here))
    assert inspect_role().excess == ()


def test_the_roles_are_what_roles_sql_says(superuser) -> None:
    rows = superuser.execute(
        "SELECT rolname, rolcanlogin, rolbypassrls, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication"
        " FROM pg_roles WHERE rolname LIKE 'gatehouse\\_%' ORDER BY 1"
    ).fetchall()
    assert rows == [
        ("gatehouse_app", True, False, False),
        ("gatehouse_audit", False, True, False),
        ("gatehouse_lookup", False, True, False),
        ("gatehouse_migrator", True, False, False),
        ("gatehouse_operator", True, True, False),
        ("gatehouse_owner", False, False, False),
        ("gatehouse_sealer", True, True, False),
    ]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("running", ["gatehouse_app", "gatehouse_operator", "gatehouse_sealer"])
def test_nobody_becomes_another_role(running: str, role: str, connected) -> None:
    if running == role:
        return
    with pytest.raises(errors.InsufficientPrivilege):
        connected(running).execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE tenants_project",
        "TRUNCATE audit_event",
        "ALTER TABLE tenants_project DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tenants_project DISABLE TRIGGER ALL",
        "DROP POLICY tenant ON tenants_project",
        "CREATE TABLE public.mine (id int)",
        "CREATE TEMPORARY TABLE accounts_apikey (id int)",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SET session_replication_role = replica",
        "UPDATE audit_event SET reason = 'nothing happened'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_unattributedchange",
        "DELETE FROM audit_unattributedchange",
        "UPDATE audit_unattributedchange SET event_id = NULL",
        "INSERT INTO audit_unattributedchange (id) VALUES (gen_random_uuid())",
        "SELECT * FROM audit_pendingchange",
        "DELETE FROM audit_pendingchange",
        "INSERT INTO audit_pendingchange (table_name) VALUES ('x')",
        "INSERT INTO audit_event (xid) VALUES (pg_current_xact_id())",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "ALTER TABLE audit_pendingchange DISABLE TRIGGER audit_event_required",
        "DROP TRIGGER audit_capture_update ON tenants_project",
        "CREATE OR REPLACE FUNCTION audit_judge_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "SELECT audit_note_schema('x', '{}', 'x')",
        "ALTER EVENT TRIGGER gatehouse_ddl DISABLE",
        "SET CONSTRAINTS audit_event_required IMMEDIATE; DROP TABLE audit_event",
        "ALTER ROLE gatehouse_app BYPASSRLS",
        "SELECT pg_read_file('/etc/hostname')",
    ],
)
@pytest.mark.parametrize("role", ["gatehouse_app", "gatehouse_operator", "gatehouse_sealer"])
def test_running_roles_cannot_go_around_the_rules(role: str, statement: str, connected) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        connected(role).execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET reason = ''",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "DROP TABLE audit_event",
        "DROP FUNCTION audit_refuse_rewrite() CASCADE",
        "INSERT INTO audit_leaf (seq) VALUES (0)",
        "TRUNCATE audit_leaftext",
        "UPDATE audit_checkpoint SET root = ''",
        "DROP TABLE audit_node",
        "ALTER TABLE audit_leaf DISABLE TRIGGER ALL",
        "SELECT wrapped FROM audit_signingkey",
        "UPDATE audit_sealer SET snapshot = NULL",
        "DELETE FROM audit_unattributedchange",
        "ALTER TABLE audit_pendingchange DISABLE TRIGGER ALL",
        "INSERT INTO audit_event (xid) VALUES (pg_current_xact_id())",
        "SET session_replication_role = replica",
        "ALTER EVENT TRIGGER gatehouse_ddl DISABLE",
    ],
)
def test_the_migrators_everyday_role_does_not_own_the_log(statement: str, db: None, connected) -> None:
    migrator = connected("gatehouse_migrator")
    migrator.execute("SET ROLE gatehouse_owner")
    with pytest.raises(errors.InsufficientPrivilege):
        migrator.execute(statement)


def test_the_app_inserts_what_the_model_has_and_no_more(superuser) -> None:
    rows = superuser.execute(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'audit_event'::regclass AND attnum > 0"
        " AND NOT attisdropped AND has_column_privilege('gatehouse_app', attrelid, attnum, 'INSERT')"
    ).fetchall()
    assert {name for (name,) in rows} == {field.column for field in Event._meta.concrete_fields}


def test_row_security_cannot_be_switched_off(acme: Tenant, connected) -> None:
    app = connected("gatehouse_app")
    app.execute("SET row_security = off")
    app.execute("SELECT set_config('app.organization', %s, false)", [str(acme.organization.pk)])
    with pytest.raises(errors.InsufficientPrivilege, match="affected by row-level security"):
        app.execute("SELECT * FROM tenants_project")


def test_the_migrator_is_bound_by_the_policies_as_well(acme: Tenant, connected) -> None:
    migrator = connected("gatehouse_migrator")
    migrator.execute("SET ROLE gatehouse_owner")
    with pytest.raises(psycopg.Error, match=r"app\.organization"):
        migrator.execute("UPDATE tenants_project SET name = 'renamed by a data migration'")


def test_the_operator_only_reads(acme: Tenant, globex: Tenant, superuser) -> None:
    with connections["operator"].cursor() as cursor:
        cursor.execute("SELECT current_user, count(*) FROM tenants_organization GROUP BY 1")
        assert cursor.fetchone() == ("gatehouse_operator", 2)
    tables = superuser.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND (has_table_privilege('gatehouse_operator', oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))"
    ).fetchall()
    assert tables == []
    for table in [*TENANT_TABLES, "accounts_user"]:
        name, key = sql.Identifier(table), sql.Identifier("organization_id" if table in SEALED_TABLES else "id")
        for statement in (
            sql.SQL("INSERT INTO {} DEFAULT VALUES").format(name),
            sql.SQL("UPDATE {} SET {} = {}").format(name, key, key),
            sql.SQL("DELETE FROM {}").format(name),
        ):
            with pytest.raises(Exception, match="permission denied"), connections["operator"].cursor() as cursor:
                cursor.execute(statement)


@pytest.mark.parametrize("table", ["accounts_session", "accounts_device", "account_emailconfirmation"])
def test_the_operator_sees_no_way_to_sign_in_as_somebody(table: str, db: None) -> None:
    with pytest.raises(Exception, match="permission denied"), connections["operator"].cursor() as cursor:
        cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))


@pytest.mark.parametrize(
    ("role", "excess"),
    [
        ("postgres", "is a superuser"),
        ("gatehouse_operator", "bypasses row-level security"),
        ("gatehouse_migrator", "is a member of gatehouse_owner"),
    ],
)
def test_the_portal_does_not_start_as_more_than_the_app(role: str, excess: str, db: None, monkeypatch) -> None:
    # A connection of its own, so that nothing else of the test runs with that role.
    settings = {**connection.settings_dict, "USER": role}
    excessive = DatabaseWrapper(settings, "default")
    monkeypatch.setattr("isolation.roles.connections", {"default": excessive})
    try:
        with pytest.raises(SystemExit) as stopped:
            refuse_excess_power()
        findings = [message.msg for message in run_checks(databases=["default"], tags=["database"])]
    finally:
        excessive.close()
    line = str(stopped.value)
    assert line.startswith(f"Gatehouse does not start: its database role {role} ")
    assert f"The database role {role} {excess}." in findings
    assert "Connect as gatehouse_app" in line
    assert "\n" not in line


def test_lookups_answer_one_question_without_a_tenant(acme: Tenant, globex: Tenant) -> None:
    assert [summary.slug for summary in memberships_of(acme.viewer.pk)] == ["acme"]
    assert memberships_of(uuid.uuid4()) == []
    assert organization_id_of("acme") == acme.organization.pk
    assert organization_id_of("ACME") is None
    assert open_invitations("nobody@example.org") == []
    assert invitation_by_digest(b"") is None


def test_lookups_look_the_same_inside_another_scope(acme: Tenant, globex: Tenant) -> None:
    with tenant_scope(globex.organization):
        assert [summary.slug for summary in memberships_of(acme.owner.pk)] == ["acme"]


def test_the_lookup_role_reads_only_what_its_functions_need(superuser) -> None:
    rows = superuser.execute(
        "SELECT table_name, string_agg(privilege_type, ',' ORDER BY privilege_type)"
        " FROM information_schema.role_table_grants WHERE grantee = 'gatehouse_lookup' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert rows == [
        ("accounts_apikey", "SELECT"),
        ("accounts_apikeysecret", "SELECT"),
        ("accounts_platformkey", "SELECT"),
        ("accounts_provisioneduser", "SELECT"),
        ("accounts_scimconnection", "SELECT"),
        ("accounts_scimtoken", "SELECT"),
        ("accounts_serviceaccount", "SELECT"),
        ("accounts_signinexception", "SELECT"),
        ("accounts_signinpolicy", "SELECT"),
        ("accounts_ssoconnection", "SELECT"),
        ("accounts_ssosetuplink", "SELECT"),
        ("accounts_user", "SELECT"),
        ("api_storedresponse", "DELETE,SELECT"),
        ("audit_alertcursor", "INSERT,SELECT"),
        ("audit_alertnotice", "SELECT"),
        ("audit_alertwaking", "SELECT"),
        ("audit_checkpoint", "SELECT"),
        ("audit_sink", "SELECT"),
        ("audit_sinkcursor", "INSERT,SELECT"),
        ("audit_sinkwaking", "SELECT"),
        ("gateway_usagebatch", "DELETE,INSERT,SELECT"),
        ("gateway_usagecounter", "DELETE,SELECT"),
        ("gateway_usagehour", "DELETE,INSERT,SELECT"),
        ("gateway_usagenotice", "DELETE,SELECT"),
        ("gateway_usageslot", "DELETE,SELECT"),
        ("tenants_domain", "SELECT"),
        ("tenants_invitation", "SELECT"),
        ("tenants_membership", "SELECT"),
        ("tenants_organization", "SELECT"),
        ("tenants_project", "SELECT"),
        ("tenants_role", "SELECT"),
        ("vault_datakey", "SELECT"),
    ]
    columns = superuser.execute(
        "SELECT table_name, string_agg(column_name, ',' ORDER BY column_name) FROM information_schema.column_privileges"
        " WHERE grantee = 'gatehouse_lookup' AND privilege_type = 'UPDATE' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert columns == [
        ("accounts_apikey", "last_used_at,last_used_ip"),
        ("accounts_platformkey", "last_used_at,last_used_ip"),
        ("audit_alertcursor", "head,lease,leased_until,served_at,waiting_since"),
        ("audit_alertnotice", "lease,leased_until"),
        ("audit_alertwaking", "checkpoint_id"),
        ("audit_sinkcursor", "head,lease,leased_until,served_at,waiting_since"),
        ("audit_sinkwaking", "checkpoint_id"),
        ("gateway_providercredential", "last_used_at,last_used_by"),
        ("gateway_usagehour", "cached_tokens,cost,input_tokens,output_tokens,requests"),
        ("tenants_project", "organization_id"),
    ]
