"""Raw SQL as the app's role: another organization's rows cannot be read, changed, taken or hung upon."""

import uuid
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from psycopg import sql
from psycopg.types.json import Jsonb

from isolation.scope import tenant_scope
from tenants.models import Project, Role
from tests.isolation.tables import FOREIGN_KEYS, KEPT_TABLES, SEALED_TABLES, TENANT_TABLES
from tests.people import Tenant

READ_ONLY = {"audit_event", "audit_unattributedchange", *SEALED_TABLES}
LONGEST_NAME = 63  # PostgreSQL cuts longer ones


def execute(query: sql.Composable | str, *parameters: Any) -> int:
    """Run raw SQL as the app; return the number of rows."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return int(cursor.rowcount)


def column(table: str) -> sql.Identifier:
    """Return the column that names the row's organization."""
    return sql.Identifier("id" if table == "tenants_organization" else "organization_id")


def contents(superuser: psycopg.Connection, organization_id: uuid.UUID) -> dict[str, list[str]]:
    """Return every row of one organization, as text."""
    return {
        table: sorted(
            row
            for (row,) in superuser.execute(
                sql.SQL("SELECT t::text FROM {} t WHERE {} = %s ORDER BY 1").format(
                    sql.Identifier(table), column(table)
                ),
                [organization_id],
            )
        )
        for table in TENANT_TABLES
    }


def test_every_table_is_filled_and_a_stranger_sees_none_of_it(both: tuple[Tenant, Tenant], superuser) -> None:
    acme, globex = both
    assert all(contents(superuser, acme.organization.pk).values()), "a table without a row proves nothing"
    with tenant_scope(globex.organization), connection.cursor() as cursor:
        for table in TENANT_TABLES:
            cursor.execute(sql.SQL("SELECT DISTINCT {} FROM {}").format(column(table), sql.Identifier(table)))
            assert cursor.fetchall() == [(globex.organization.pk,)], table
            cursor.execute(
                sql.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(sql.Identifier(table), column(table)),
                [acme.organization.pk],
            )
            assert cursor.fetchone() == (0,), table


def test_a_stranger_changes_and_deletes_nothing(both: tuple[Tenant, Tenant], superuser) -> None:
    acme, globex = both
    before = contents(superuser, acme.organization.pk)
    for table in TENANT_TABLES:
        name, owner = sql.Identifier(table), column(table)
        update = sql.SQL("UPDATE {0} SET {1} = {1} WHERE {1} = %s").format(name, owner)
        delete = sql.SQL("DELETE FROM {0} WHERE {1} = %s").format(name, owner)
        for statement in (update, delete):
            with tenant_scope(globex.organization):
                try:
                    with transaction.atomic():
                        assert execute(statement, acme.organization.pk) == 0, table
                except DatabaseError as error:
                    assert table in READ_ONLY | KEPT_TABLES, error  # noqa: PT017 - which one is the point
                    assert "permission denied" in str(error)  # noqa: PT017 - the same
    assert contents(superuser, acme.organization.pk) == before


@pytest.mark.parametrize("table", [table for table in TENANT_TABLES if table not in READ_ONLY | KEPT_TABLES])
def test_a_stranger_cannot_hand_a_row_over(table: str, both: tuple[Tenant, Tenant]) -> None:
    acme, globex = both
    give = sql.SQL("UPDATE {} SET {} = %s").format(sql.Identifier(table), column(table))
    with (
        pytest.raises(DatabaseError, match="row-level security"),
        tenant_scope(globex.organization),
    ):
        execute(give, acme.organization.pk)


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_a_stranger_cannot_insert_a_row(table: str, both: tuple[Tenant, Tenant], superuser) -> None:
    acme, globex = both
    (row,) = superuser.execute(
        sql.SQL("SELECT to_jsonb(t) FROM {} t WHERE {} = %s LIMIT 1").format(sql.Identifier(table), column(table)),
        [acme.organization.pk],
    ).fetchone()
    copy = sql.SQL("INSERT INTO {0} OVERRIDING SYSTEM VALUE SELECT * FROM jsonb_populate_record(NULL::{0}, %s)").format(
        sql.Identifier(table)
    )
    # Not every column of the read-only tables may be written: that is refused first.
    refusal = "permission denied" if table in READ_ONLY else "row-level security"
    with pytest.raises(DatabaseError, match=refusal), tenant_scope(globex.organization):
        execute(copy, Jsonb(row))


@pytest.mark.parametrize("place", ["id", "slug"])
def test_a_taken_key_of_another_organization_says_nothing_about_it(place: str, acme: Tenant, globex: Tenant) -> None:
    with globex.acting("owner"), transaction.atomic():
        assert Project.objects.get().slug == acme.project.slug  # the same slug lives in both
        values = {"id": acme.project.pk, "slug": "other"} if place == "id" else {"slug": acme.project.slug}
        with pytest.raises(IntegrityError) as caught, transaction.atomic():
            Project(organization=globex.organization, name="Theirs", **values).save(force_insert=True)
    assert "acme" not in str(caught.value).lower()


@pytest.mark.parametrize(("table", "key", "parent"), FOREIGN_KEYS, ids=str)
def test_a_child_cannot_hang_on_a_foreign_parent(
    table: str, key: str, parent: str, both: tuple[Tenant, Tenant], superuser
) -> None:
    acme, globex = both
    (foreign,) = superuser.execute(
        sql.SQL("SELECT id FROM {} WHERE organization_id = %s LIMIT 1").format(sql.Identifier(parent)),
        [acme.organization.pk],
    ).fetchone()
    (own,) = superuser.execute(
        sql.SQL("SELECT id FROM {} WHERE organization_id = %s ORDER BY {} IS NULL LIMIT 1").format(
            sql.Identifier(table), sql.Identifier(key)
        ),
        [globex.organization.pk],
    ).fetchone()
    constraint = f"{table}_{key}_same_organization"[:LONGEST_NAME]
    hang = sql.SQL("UPDATE {} SET {} = %s WHERE id = %s").format(sql.Identifier(table), sql.Identifier(key))
    with pytest.raises(IntegrityError, match=constraint), tenant_scope(globex.organization):
        assert execute(hang, foreign, own) == 1
        execute("SET CONSTRAINTS ALL IMMEDIATE")
    # The database itself refuses, so the superuser, whom row-level security does not bind, is refused as well.
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match=constraint), superuser.transaction():
        superuser.execute(hang, [foreign, own])
        superuser.execute(sql.SQL("SET CONSTRAINTS {} IMMEDIATE").format(sql.Identifier(constraint)))


def test_the_default_role_is_one_of_the_organization(acme: Tenant, globex: Tenant) -> None:
    with tenant_scope(acme.organization):
        foreign = Role.objects.filter(is_builtin=True).first()
    with pytest.raises(IntegrityError, match="default_role_same_organization"), tenant_scope(globex.organization):
        execute("UPDATE tenants_organization SET default_role_id = %s", foreign.pk)
        execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_copy_from_goes_around_no_policy(acme: Tenant) -> None:
    with (
        tenant_scope(acme.organization),
        pytest.raises(psycopg.errors.FeatureNotSupported, match="COPY FROM not supported with row-level security"),
    ):
        with connection.cursor() as cursor, cursor.copy("COPY tenants_project FROM STDIN") as copy:
            copy.write("")
        pytest.fail("the copy went through")
