"""Writes that carry no event are noted, whoever writes and however; the schema of the log too."""

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core.checks import run_checks
from django.db import DatabaseError, connection, connections, transaction
from django.db.migrations.operations import RunSQL
from django.db.migrations.state import ProjectState
from psycopg import errors, sql

from accounts.key_format import KeyKind
from accounts.models import User
from accounts.services.api_keys import create_api_key, revoke_api_key
from audit.capture import inspect_capture, refuse_gaps, repair
from audit.models import UnattributedChange
from audit.operations import AsAuditOwner
from audit.sealing.sealer import seal
from audit.tasks import ensure_partitions
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import INSTALLATION, MIGRATOR, tenant_scope
from tenants.models import Membership, Project
from tenants.services.groups import add_group_member, create_group
from tenants.services.members import remove_member
from tenants.services.projects import update_project
from tests import database
from tests.audit.sealing.stage import write_many, writer
from tests.people import Tenant, make_project
from vault.data_keys import hold_active


def noted(superuser: psycopg.Connection, *columns: str) -> list[tuple[Any, ...]]:
    """Return the unattributed changes, oldest first."""
    names = sql.SQL(", ").join(sql.Identifier(name) for name in columns or ("why", "table_name", "operation", "rows"))
    query = sql.SQL("SELECT {} FROM audit_unattributedchange ORDER BY time, id").format(names)
    return superuser.execute(query).fetchall()


@pytest.fixture
def unguarded(superuser: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """Yield a superuser whose session says that it replicates: ordinary triggers are off."""
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("SET application_name = 'psql'")
    yield superuser
    superuser.execute("SET session_replication_role = origin")


# Whoever writes ---------------------------------------------------------------------------------


def test_a_superuser_around_the_guard_is_noted(acme: Tenant, unguarded: psycopg.Connection) -> None:
    xid = unguarded.execute("UPDATE tenants_project SET name = 'Mine' RETURNING pg_current_xact_id()").fetchone()
    (row,) = noted(
        unguarded,
        *("organization_id", "why", "table_name", "operation", "rows", "keys", "database_user", "database_role"),
        *("application_name", "client_address", "transaction_id", "event_id"),
    )
    assert xid is not None
    assert row == (
        *(acme.organization.pk, "no_event", "tenants_project", "UPDATE", 1, [str(acme.project.pk)]),
        *("postgres", "postgres", "psql", None, int(xid[0]), None),
    )


def test_who_becomes_another_role_is_named_all_the_same(acme: Tenant, unguarded: psycopg.Connection) -> None:
    with unguarded.transaction():
        unguarded.execute("SELECT set_config('app.organization', %s, true)", [str(acme.organization.pk)])
        unguarded.execute("SET LOCAL ROLE gatehouse_app")
        unguarded.execute("UPDATE tenants_project SET name = 'Mine'")
    assert noted(unguarded, "database_user", "database_role") == [("postgres", "gatehouse_app")]


@pytest.mark.parametrize("verb", ["INSERT", "UPDATE", "DELETE", "TRUNCATE"])
def test_every_verb_is_noted(verb: str, acme: Tenant, globex: Tenant, unguarded: psycopg.Connection) -> None:
    with tenant_scope(acme.organization):
        create_group(organization=acme.organization, name="Crew", actor=SYSTEM)
    with tenant_scope(globex.organization):
        create_group(organization=globex.organization, name="Crew", actor=SYSTEM)
    unguarded.execute(
        {
            "INSERT": "INSERT INTO tenants_group SELECT (jsonb_populate_record(g, jsonb_build_object("
            "'id', gen_random_uuid(), 'name', name || '2'))).* FROM tenants_group g",
            "UPDATE": "UPDATE tenants_group SET name = name || '!'",
            "DELETE": "DELETE FROM tenants_group",
            "TRUNCATE": "TRUNCATE tenants_group CASCADE",
        }[verb]
    )
    rows = noted(unguarded, "organization_id", "table_name", "operation", "rows")
    mine = {row for row in rows if row[1] == "tenants_group"}
    assert mine == {(tenant.organization.pk, "tenants_group", verb, 1) for tenant in (acme, globex)}


def test_a_thousand_rows_are_one_line_with_some_keys(acme: Tenant, unguarded: psycopg.Connection) -> None:
    unguarded.execute(
        "INSERT INTO tenants_group SELECT (jsonb_populate_record(NULL::tenants_group, jsonb_build_object('id',"
        " gen_random_uuid(), 'organization_id', %s::uuid, 'name', 'g' || n, 'description', '', 'source', 'manual',"
        " 'created_at', now(), 'name_key', 'g' || n, 'external_id', ''))).* FROM generate_series(1, 20000) n",
        [acme.organization.pk],
    )
    ((rows, keys),) = noted(unguarded, "rows", "keys")
    assert rows >= 10_000
    assert len(keys) == 20


def test_a_row_that_goes_to_another_organization_is_noted_in_both(
    acme: Tenant, globex: Tenant, unguarded: psycopg.Connection
) -> None:
    unguarded.execute(
        "UPDATE tenants_project SET organization_id = %s, slug = 'taken' WHERE id = %s",
        [globex.organization.pk, acme.project.pk],
    )
    rows = {row for row in noted(unguarded, "organization_id", "table_name", "rows") if row[1] == "tenants_project"}
    assert rows == {(tenant.organization.pk, "tenants_project", 1) for tenant in (acme, globex)}


def test_a_changed_key_hides_nothing(acme: Tenant, unguarded: psycopg.Connection) -> None:
    unguarded.execute("UPDATE tenants_project SET id = gen_random_uuid()")
    assert noted(unguarded) == [("no_event", "tenants_project", "UPDATE", 1)]


def test_a_row_of_the_installation_is_noted_there(acme: Tenant, unguarded: psycopg.Connection) -> None:
    unguarded.execute("UPDATE accounts_user SET is_operator = true WHERE id = %s", [acme.viewer.pk])
    assert noted(unguarded, "organization_id", "table_name", "keys") == [(None, "accounts_user", [str(acme.viewer.pk)])]


def test_a_data_key_of_the_installation_is_noted_there(db: None, unguarded: psycopg.Connection) -> None:
    with acting_as(SYSTEM), tenant_scope(INSTALLATION):
        data_key = hold_active(INSTALLATION)
    unguarded.execute("UPDATE vault_datakey SET version = 7")
    assert noted(unguarded, "organization_id", "table_name", "keys") == [(None, "vault_datakey", [str(data_key.pk)])]
    assert unguarded.execute(
        "SELECT organization_id FROM audit_event WHERE target_id = %s", [str(data_key.pk)]
    ).fetchall() == [(None,)]


def test_what_is_no_news_is_not_noted(acme: Tenant, unguarded: psycopg.Connection) -> None:
    unguarded.execute("UPDATE accounts_user SET last_login = now(), name = name")
    unguarded.execute("UPDATE tenants_project SET name = 'x' WHERE false")
    assert noted(unguarded) == []


def test_setting_the_old_memo_excuses_nothing(acme: Tenant, superuser: psycopg.Connection) -> None:
    """A session's settings are anybody's to change: none of them attributes a change."""
    with pytest.raises(DatabaseError, match="wrote no audit event"), tenant_scope(acme.organization):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('app.attributed', pg_current_xact_id()::text || ':' || %s, true)",
                [str(acme.organization.pk)],
            )
        Project.objects.update(name="Mine")


@pytest.mark.parametrize("sure", ["DELETE FROM audit_pendingchange", "TRUNCATE audit_pendingchange"])
def test_emptying_what_is_pending_does_not_help(sure: str, acme: Tenant, unguarded: psycopg.Connection) -> None:
    try:
        with unguarded.transaction():
            unguarded.execute("UPDATE tenants_project SET name = 'Mine'")
            unguarded.execute(sure)
    except errors.ObjectInUse:
        return  # nothing committed
    assert noted(unguarded) == [("no_event", "tenants_project", "UPDATE", 1)]


# Which event names which row -------------------------------------------------------------------------


def test_what_services_do_is_named(acme: Tenant, superuser: psycopg.Connection) -> None:
    with acme.acting("owner") as actor:
        group = create_group(organization=acme.organization, name="Crew", actor=actor)
        add_group_member(group=group, membership=acme.membership("viewer"), actor=actor)
        update_project(project=acme.project, name="Other", environment="staging", actor=actor)
        remove_member(membership=acme.membership("viewer"), actor=actor)
    assert noted(superuser) == []


def test_what_goes_with_a_named_row_is_named(acme: Tenant, superuser: psycopg.Connection) -> None:
    """A removed member names their person, whose revoked key names its secret: none of these has an event any more."""
    with acme.acting("member") as actor:
        key = create_api_key(
            organization=acme.organization,
            kind=KeyKind.PERSONAL,
            name="Laptop",
            scopes=["traces:read"],
            user=acme.member,
            actor=actor,
        ).key
        revoke_api_key(key=key, actor=actor)
    with acme.acting("owner") as actor:
        remove_member(membership=acme.membership("member"), actor=actor)
    assert superuser.execute("SELECT count(*) FROM accounts_apikeysecret").fetchone() == (0,)
    assert noted(superuser) == []


@pytest.mark.unattributed
def test_an_event_of_the_transaction_excuses_only_what_it_names(acme: Tenant, superuser: psycopg.Connection) -> None:
    with acme.acting("owner") as actor:
        create_group(organization=acme.organization, name="Crew", actor=actor)
        Membership.objects.filter(user=acme.viewer).update(role=acme.role("owner"))
        viewer = str(acme.membership("viewer").pk)
    assert noted(superuser, "why", "table_name", "keys", "database_user") == [
        ("not_named", "tenants_membership", [viewer], "gatehouse_app")
    ]


@pytest.mark.unattributed
def test_of_a_statement_the_rows_without_event_count(acme: Tenant, superuser: psycopg.Connection) -> None:
    with tenant_scope(acme.organization):
        other, third = make_project(acme, "other"), make_project(acme, "third")
    with acme.acting("owner") as actor:
        update_project(project=acme.project, name="Named", environment="staging", actor=actor)
        Project.objects.update(description="All of them")
    ((rows, keys),) = noted(superuser, "rows", "keys")
    assert (rows, set(keys)) == (2, {str(other.pk), str(third.pk)})


@pytest.mark.unattributed
def test_an_event_after_the_change_counts_and_one_that_was_rolled_back_does_not(
    acme: Tenant, superuser: psycopg.Connection
) -> None:
    with acme.acting("owner") as actor:
        create_group(organization=acme.organization, name="Crew", actor=actor)
        Project.objects.update(description="first the change")
        update_project(project=acme.project, name="Then", environment="staging", actor=actor)
    assert noted(superuser) == []
    with acme.acting("owner") as actor:
        create_group(organization=acme.organization, name="Gang", actor=actor)
        Project.objects.update(description="the change stays")
        with pytest.raises(KeyError), transaction.atomic():
            update_project(project=acme.project, name="Gone", environment="staging", actor=actor)
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # judged, and found named
            raise KeyError
    assert ("not_named", "tenants_project", "UPDATE", 1) in noted(superuser)


def test_what_was_rolled_back_is_not_noted(acme: Tenant, superuser: psycopg.Connection) -> None:
    with acme.acting("owner") as actor:
        create_group(organization=acme.organization, name="Crew", actor=actor)
        with pytest.raises(KeyError), transaction.atomic():
            Project.objects.update(name="Mine")
            raise KeyError
    with pytest.raises(KeyError), acme.acting("owner") as actor:
        create_group(organization=acme.organization, name="Gang", actor=actor)
        Project.objects.update(name="Mine")
        raise KeyError
    assert noted(superuser) == []


def test_transactions_at_the_same_time_do_not_excuse_each_other(acme: Tenant, superuser: psycopg.Connection) -> None:
    dsn = database.server().dsn(database=database.worker_database())
    with psycopg.connect(dsn) as other:
        other.execute("SET session_replication_role = replica")
        other.execute("UPDATE tenants_project SET description = 'by hand'")
        with tenant_scope(acme.organization):
            group = create_group(organization=acme.organization, name="Crew", actor=SYSTEM)
        other.execute("UPDATE tenants_group SET description = 'by hand'")  # whose event another transaction wrote
        with tenant_scope(acme.organization):
            create_group(organization=acme.organization, name="Gang", actor=SYSTEM)
        assert noted(superuser) == []
        other.commit()
    assert [row[:2] for row in noted(superuser)] == [("no_event", "tenants_project"), ("no_event", "tenants_group")]
    assert noted(superuser, "keys")[1] == ([str(group.pk)],)


def test_truncate_without_an_event_is_refused(acme: Tenant, superuser: psycopg.Connection) -> None:
    with pytest.raises(errors.IntegrityConstraintViolation, match="wrote no audit event"):
        superuser.execute("TRUNCATE tenants_group, tenants_project CASCADE")


# The records ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["gatehouse_audit", "postgres"])
@pytest.mark.parametrize(
    "rewrite",
    [
        "UPDATE audit_unattributedchange SET rows = 0",
        "UPDATE audit_unattributedchange SET event_id = gen_random_uuid(), rows = 0",
        "DELETE FROM audit_unattributedchange",
        "TRUNCATE audit_unattributedchange",
    ],
)
def test_a_record_is_kept_as_it_is(rewrite: str, role: str, acme: Tenant, unguarded: psycopg.Connection) -> None:
    unguarded.execute("UPDATE tenants_project SET name = 'Mine'")
    before = noted(unguarded)
    with pytest.raises(errors.InsufficientPrivilege, match="kept as they are"), unguarded.transaction():
        unguarded.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        unguarded.execute(rewrite)
    assert noted(unguarded) == before


def test_a_stranger_sees_none_of_it(acme: Tenant, globex: Tenant, unguarded: psycopg.Connection) -> None:
    unguarded.execute("UPDATE tenants_project SET name = 'Mine' WHERE organization_id = %s", [acme.organization.pk])
    with globex.acting("owner") as actor:
        assert not UnattributedChange.objects.visible_to(actor).exists()
    with acme.acting("owner") as actor:
        assert UnattributedChange.objects.visible_to(actor).count() == 1
    with acme.acting("viewer") as actor:
        assert not UnattributedChange.objects.visible_to(actor).exists()


def test_no_function_hands_out_what_another_scope_holds(
    acme: Tenant, globex: Tenant, unguarded: psycopg.Connection
) -> None:
    unguarded.execute("UPDATE tenants_project SET name = 'Mine' WHERE organization_id = %s", [acme.organization.pk])
    for tenant, count in ((acme, 1), (globex, 0)):
        with tenant_scope(tenant.organization), connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM audit_unreported_changes(%s)", [acme.organization.pk])
            assert cursor.fetchone() == (count,)


def test_a_change_is_tied_only_to_an_event_that_tells_of_it(acme: Tenant, unguarded: psycopg.Connection) -> None:
    unguarded.execute("UPDATE tenants_project SET name = 'Mine'")
    ((pk,),) = noted(unguarded, "id")
    others = unguarded.execute("SELECT id FROM audit_event LIMIT 1").fetchall()
    for event in (uuid.uuid4(), others[0][0]):
        with pytest.raises(DatabaseError, match="no such event"), connection.cursor() as cursor:
            cursor.execute("SELECT audit_report_changes(%s, %s)", [[pk], event])
    assert noted(unguarded, "event_id") == [(None,)]


# The schema --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "operation"),
    [
        ("ALTER TABLE tenants_project DISABLE TRIGGER audit_capture_update", "ALTER TABLE"),
        ("ALTER TABLE tenants_project DISABLE ROW LEVEL SECURITY", "ALTER TABLE"),
        ("ALTER TABLE audit_event DISABLE TRIGGER ALL", "ALTER TABLE"),
        ("ALTER TABLE audit_event DETACH PARTITION {partition}", "ALTER TABLE"),
        ("DROP TABLE {partition}", "DROP TABLE"),
        ("DROP TRIGGER audit_capture_update ON tenants_project", "DROP TRIGGER"),
        ("DROP FUNCTION audit_capture_tenants_project() CASCADE", "DROP FUNCTION"),
        ("DROP POLICY read ON audit_event", "DROP POLICY"),
        ("CREATE POLICY all_of_it ON audit_event USING (true)", "CREATE POLICY"),
        (
            "CREATE TRIGGER mine BEFORE INSERT ON tenants_project EXECUTE FUNCTION audit_refuse_rewrite()",
            "CREATE TRIGGER",
        ),
        ("ALTER FUNCTION audit_judge_change() OWNER TO postgres", "ALTER FUNCTION"),
    ],
)
@pytest.mark.parametrize("mode", ["origin", "replica"])
def test_changes_of_the_schema_are_noted(
    mode: str, command: str, operation: str, acme: Tenant, superuser: psycopg.Connection
) -> None:
    (partition,) = superuser.execute(
        "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'audit_event'::regclass"
    ).fetchone() or ("",)
    with superuser.transaction(force_rollback=True):
        superuser.execute(sql.SQL("SET LOCAL session_replication_role = {}").format(sql.Literal(mode)))
        superuser.execute(command.format(partition=partition).encode())
        rows = noted(superuser, "why", "operation", "organization_id", "database_user", "rows")
        assert ("schema", operation, None, "postgres", None) in rows


def test_a_partition_that_is_attached_is_noted(acme: Tenant, superuser: psycopg.Connection) -> None:
    with superuser.transaction(force_rollback=True):
        superuser.execute("CREATE TABLE forged (LIKE audit_event INCLUDING ALL)")
        assert noted(superuser) == [], "a table of somebody's own is theirs"
        superuser.execute(
            "ALTER TABLE audit_event ATTACH PARTITION forged FOR VALUES FROM ('1999-01-01') TO ('1999-02-01')"
        )
        assert [row[2] for row in noted(superuser)] == ["ALTER TABLE"]


@pytest.mark.parametrize("mode", ["origin", "replica"])
@pytest.mark.parametrize("table", ["audit_event", "audit_leaftext", "audit_leaf", "audit_node", "audit_checkpoint"])
def test_no_table_or_partition_of_the_log_is_emptied(
    table: str, mode: str, acme: Tenant, superuser: psycopg.Connection
) -> None:
    with writer() as other:
        write_many(other, acme.organization.pk, 256)
    seal()
    query = sql.SQL("SELECT tableoid::regclass::text FROM {} LIMIT 1").format(sql.Identifier(table))
    (name,) = superuser.execute(query).fetchone() or ("",)
    assert (name != table) is (table in {"audit_event", "audit_leaftext"}), "a partition is reached directly"
    for rewrite in ("TRUNCATE {}", "DELETE FROM {}", "UPDATE {} SET organization_id = gen_random_uuid()"):
        with pytest.raises(errors.InsufficientPrivilege, match="append-only"), superuser.transaction():
            superuser.execute(sql.SQL("SET LOCAL session_replication_role = {}").format(sql.Literal(mode)))
            superuser.execute(sql.SQL(rewrite).format(sql.Identifier(name)))


def test_migrations_and_new_partitions_are_expected(db: None, superuser: psycopg.Connection) -> None:
    for parent in ("audit_event", "audit_leaftext"):
        (name,) = superuser.execute(
            "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = %s::regclass", [parent]
        ).fetchone() or ("",)
        superuser.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    assert ensure_partitions() == 1
    repair(MIGRATOR)
    assert [row[2] for row in noted(superuser)] == ["DROP TABLE", "DROP TABLE"]
    assert inspect_capture().gaps == (), "the new ones have their triggers"


def test_the_migrator_by_hand_is_noted(acme: Tenant, superuser: psycopg.Connection) -> None:
    dsn = database.server().dsn(user="gatehouse_migrator", database=database.worker_database())
    with psycopg.connect(dsn) as migrator:
        migrator.execute("SET ROLE gatehouse_owner")
        migrator.execute("ALTER TABLE tenants_project DISABLE TRIGGER audit_capture_update")
        migrator.execute("ALTER TABLE tenants_project ENABLE ALWAYS TRIGGER audit_capture_update")
    assert (
        noted(superuser, "operation", "database_user", "database_role")
        == [("ALTER TABLE", "gatehouse_migrator", "gatehouse_owner")] * 2
    )


# Whether it is all there -------------------------------------------------------------------------------


def test_everything_is_watched(db: None) -> None:
    capture = inspect_capture()
    assert (capture.gaps, capture.schema_is_watched) == ((), True)
    assert capture.tables > 20
    refuse_gaps()


@pytest.mark.parametrize(
    ("command", "gap"),
    [
        ("ALTER TABLE tenants_project DISABLE TRIGGER audit_capture_update", "tenants_project is not always watched"),
        ("ALTER TABLE tenants_project ENABLE TRIGGER audit_capture_update", "tenants_project is not always watched"),
        ("DROP TRIGGER audit_capture_delete ON tenants_project", "tenants_project is not watched"),
        ("DROP TRIGGER audit_capture_delete ON accounts_user", "accounts_user is not watched"),
    ],
)
def test_a_gap_stops_the_start_and_migrate_mends_it(
    command: str, gap: str, db: None, superuser: psycopg.Connection
) -> None:
    superuser.execute(command.encode())
    try:
        assert inspect_capture().gaps == (gap,)
        with pytest.raises(SystemExit, match=f"{gap}, so that .* Run: manage.py migrate"):
            refuse_gaps()
        assert f"In the database {gap}." in [
            message.msg for message in run_checks(databases=["default"], tags=["database"])
        ]
    finally:
        repair(MIGRATOR)
    assert inspect_capture().gaps == ()


@pytest.mark.parametrize(
    ("table", "trigger"),
    [
        ("audit_event", "audit_append_only"),
        ("audit_pendingchange", "audit_event_required"),
        ("audit_leaf", "audit_append_only"),
        ("audit_leaftext", "audit_no_truncate"),
        ("audit_checkpoint", "audit_no_truncate"),
    ],
)
def test_the_logs_own_triggers_are_looked_at(table: str, trigger: str, db: None, superuser: psycopg.Connection) -> None:
    change = sql.SQL("ALTER TABLE {} {} TRIGGER {}")
    names = sql.Identifier(table), sql.Identifier(trigger)
    superuser.execute(change.format(names[0], sql.SQL("DISABLE"), names[1]))
    try:
        assert f"{table} {trigger} is not always on" in inspect_capture().gaps
    finally:
        superuser.execute(change.format(names[0], sql.SQL("ENABLE ALWAYS"), names[1]))


def test_a_migration_of_the_log_becomes_its_owner_on_purpose(db: None) -> None:
    index = RunSQL("CREATE INDEX audit_event_trial ON audit_event (session)", "DROP INDEX audit_event_trial")
    state = ProjectState()
    with pytest.raises(DatabaseError, match="must be owner"), connections[MIGRATOR].schema_editor() as editor:
        index.database_forwards("audit", editor, state, state)
    for go in ("database_forwards", "database_backwards"):
        with connections[MIGRATOR].schema_editor() as editor:
            getattr(AsAuditOwner([index]), go)("audit", editor, state, state)
            with connections[MIGRATOR].cursor() as cursor:
                cursor.execute("SELECT current_user")
                assert cursor.fetchone() == ("gatehouse_owner",)


def test_without_event_triggers_the_check_warns(db: None, superuser: psycopg.Connection, caplog: Any) -> None:
    superuser.execute("ALTER EVENT TRIGGER gatehouse_ddl DISABLE")
    try:
        assert not inspect_capture().schema_is_watched
        assert "audit.W002" in [message.id for message in run_checks(databases=["default"], tags=["database"])]
        refuse_gaps()
        assert "are not noted" in caplog.text
    finally:
        superuser.execute("ALTER EVENT TRIGGER gatehouse_ddl ENABLE ALWAYS")


def test_the_sweep_leaves_what_still_runs(acme: Tenant, superuser: psycopg.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_sweep_pending()")
    with tenant_scope(acme.organization):
        create_group(organization=acme.organization, name="Crew", actor=SYSTEM)
        assert superuser.execute("SELECT count(*) FROM audit_pendingchange").fetchone() == (0,)
        User.objects.count()
    assert superuser.execute("SELECT count(*) FROM audit_pendingchange").fetchone() == (1,)
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_sweep_pending()")
        assert cursor.fetchone() == (1,)
