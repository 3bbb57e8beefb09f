"""Migrations on a database that is filled, forwards and back; the empty one is the template of every test."""

from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from isolation.roles import unprotected_tables
from tests import database
from tests.filling import fill
from tests.isolation.tables import SEALED_TABLES, TENANT_TABLES
from tests.isolation.test_rows import contents
from tests.people import make_tenant

# Events themselves, copies of what was answered, and what identity providers asked lately.
NO_CHANGE_OF_STATE = {
    "audit_event",
    "audit_unattributedchange",
    "api_storedresponse",
    "accounts_scimrequest",
    "accounts_ssologin",
    "accounts_samlcertificatewarning",
    "accounts_samlmessage",
    "accounts_ssologout",
    "accounts_ssosession",
    "audit_deadletter",
    "audit_sinkcursor",
    "audit_sinkhour",
    "audit_alertcursor",
    "audit_alertnotice",
    "audit_sighting",
    "audit_witnessedorigin",
    "gateway_issuedtoken",
    "gateway_usagecounter",
    "gateway_usagehour",
    "gateway_usagenotice",
    "gateway_usageslot",
    *SEALED_TABLES,
}
OURS = ("accounts", "api", "audit", "gateway", "portal", "tenants", "vault")


@pytest.fixture
def apart(db: None) -> Iterator[psycopg.Connection]:
    """Point this process at a database of its own, so that nobody else's schema changes; yield a superuser there."""
    before = database.worker_database()
    name = f"{before}_migrations"
    database.create_database(name)
    database.use_database(name)
    try:
        with psycopg.connect(database.server().dsn(database=name), autocommit=True) as connection:
            yield connection
    finally:
        connections.close_all()
        database.use_database(before)
        database.drop_database(name)


def migrate(app: str, name: str) -> None:
    call_command("migrate", app, name, verbosity=0, interactive=False)
    connections.close_all()


def latest() -> dict[str, list[str]]:
    """Return our apps' migrations, oldest first."""
    nodes = MigrationExecutor(connections["migrator"]).loader.graph.nodes
    return {app: sorted(name for label, name in nodes if label == app) for app in OURS}


def present(catalogue: psycopg.Connection) -> set[str]:
    """Return the tables that exist: the migration that made one takes it and its rows away."""
    return {name for (name,) in catalogue.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def test_every_app_of_ours_migrates_back_and_forward_on_a_filled_database(apart: psycopg.Connection) -> None:
    tenants = [make_tenant("acme"), make_tenant("globex")]
    for tenant in tenants:
        fill(tenant)
    before = [contents(apart, tenant.organization.pk) for tenant in tenants]
    stayed = set(TENANT_TABLES)
    connections.close_all()
    again = {app: names for app, names in latest().items() if len(names) > 1}
    assert "tenants" in again
    for app, names in again.items():
        migrate(app, names[-2])
        if app == "tenants":
            forced = apart.execute(
                "SELECT relname FROM pg_class WHERE relrowsecurity AND relname LIKE 'tenants\\_%'"
            ).fetchall()
            assert forced == [] or len(names) > 2, "without its last migration it is without row-level security"
        stayed &= present(apart)
        # Another app's migration may hang on the one that was taken back.
        call_command("migrate", verbosity=0, interactive=False)
        connections.close_all()
    for tenant, rows in zip(tenants, before, strict=True):
        after = contents(apart, tenant.organization.pk)
        assert {table: after[table] for table in stayed} == {table: rows[table] for table in stayed}
    assert unprotected_tables() == []
    triggers = apart.execute(
        "SELECT count(*) FROM pg_trigger WHERE tgname = 'audit_capture_insert' AND tgrelid::regclass::text = ANY (%s)",
        [TENANT_TABLES],
    ).fetchone()
    assert triggers == (len(set(TENANT_TABLES) - NO_CHANGE_OF_STATE),)
    invalid = apart.execute("SELECT conname FROM pg_constraint WHERE NOT convalidated").fetchall()
    assert invalid == []


def test_isolation_comes_to_tables_that_are_filled_and_keeps_every_row(apart: psycopg.Connection) -> None:
    migrate("tenants", "0001")
    with apart.transaction():
        for slug in ("acme", "globex"):
            apart.execute(
                """
                WITH organization AS (
                    INSERT INTO tenants_organization
                        (id, slug, name, project_naming_pattern, project_naming_hint, suspension_reason, created_at)
                    VALUES (gen_random_uuid(), %(slug)s, %(slug)s, '', '', '', now()) RETURNING id)
                INSERT INTO tenants_project
                    (id, organization_id, slug, name, description, environment, created_at)
                SELECT gen_random_uuid(), id, 'chatbot', 'Chatbot', '', 'production', now() FROM organization
                """,
                {"slug": slug},
            )
    migrate("tenants", latest()["tenants"][-1])
    assert apart.execute("SELECT count(*) FROM tenants_project").fetchone() == (2,)
    assert unprotected_tables() == []


def test_a_child_on_a_foreign_parent_stops_the_migration(apart: psycopg.Connection) -> None:
    acme, globex = make_tenant("acme", everybody=False), make_tenant("globex", everybody=False)
    connections.close_all()
    migrate("tenants", "0001")
    with apart.transaction():
        apart.execute("SET LOCAL session_replication_role = replica")
        apart.execute(
            "UPDATE tenants_membership SET role_id = (SELECT id FROM tenants_role WHERE organization_id = %s LIMIT 1)"
            " WHERE organization_id = %s",
            [globex.organization.pk, acme.organization.pk],
        )
    with pytest.raises(Exception, match="tenants_membership_role_id_same_organization"):
        migrate("tenants", latest()["tenants"][-1])


def test_a_data_migration_that_forgets_the_tenant_is_an_error(apart: psycopg.Connection) -> None:
    make_tenant("acme", everybody=False)
    with connections["migrator"].cursor() as cursor, pytest.raises(Exception, match=r"app\.organization"):
        cursor.execute("UPDATE tenants_project SET name = 'renamed'")


def test_models_and_migrations_agree(db: None) -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
