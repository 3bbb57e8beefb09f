"""Migration operations that put a table under tenancy: forced row-level security and composite foreign keys."""

from collections.abc import Sequence

from django.db.migrations.operations import RunSQL

from .scope import ORGANIZATION_SETTING

CURRENT_ORGANIZATION = f"current_setting('{ORGANIZATION_SETTING}')::uuid"
"""Bare and loud: without a tenant PostgreSQL raises instead of matching nothing."""


class ForceRowLevelSecurity(RunSQL):
    """Let a table show and take only the current organization's rows, for its owner as well.

    Args:
        table: the table's name.
        column: the column with the organization's id.
    """

    def __init__(self, table: str, *, column: str = "organization_id") -> None:
        super().__init__(
            f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY tenant ON {table}
                USING ({column} = {CURRENT_ORGANIZATION})
                WITH CHECK ({column} = {CURRENT_ORGANIZATION});
            """,
            f"""
            DROP POLICY tenant ON {table};
            ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;
            ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
            """,
        )


class CreatingTenantTables(RunSQL):
    """Stand first in a migration that creates tenant tables next to ones that are protected already.

    PostgreSQL validates a new foreign key as the tables' owner, whom forced row-level security binds: without a tenant
    it raises. The new tables are empty, so for the rest of this transaction the tenant is one that cannot exist.
    """

    def __init__(self) -> None:
        super().__init__(
            f"SELECT set_config('{ORGANIZATION_SETTING}', '00000000-0000-0000-0000-000000000000', true);",
            RunSQL.noop,
        )


class CompositeForeignKey(RunSQL):
    """Tie a child to a parent of the same organization.

    PostgreSQL checks a plain foreign key around row-level security, so a child could hang on another tenant's parent.
    The parent needs a unique constraint on (organization_id, id).

    Args:
        table: the child's table.
        column: its column that names the parent.
        parent: the parent's table.
        follow: True lets the child's organization follow when the parent moves (a project's API keys).
    """

    def __init__(self, table: str, column: str, parent: str, *, follow: bool = False) -> None:
        name = f"{table}_{column}_same_organization"
        super().__init__(
            f"""
            ALTER TABLE {table} ADD CONSTRAINT {name}
                FOREIGN KEY (organization_id, {column}) REFERENCES {parent} (organization_id, id)
                {"ON UPDATE CASCADE" if follow else ""} DEFERRABLE INITIALLY DEFERRED;
            """,
            f"ALTER TABLE {table} DROP CONSTRAINT {name};",
        )


class LookupFunctions(RunSQL):
    """Create SECURITY DEFINER functions that belong to the role `gatehouse_lookup`, callable by the app alone.

    Args:
        sql: the CREATE FUNCTION statements.
        signatures: each function as ``name(type, ...)``, for ownership, grants and the way back.
    """

    def __init__(self, sql: str, signatures: Sequence[str]) -> None:
        handed_over = "".join(
            f"""
            REVOKE ALL ON FUNCTION {signature} FROM PUBLIC;
            GRANT EXECUTE ON FUNCTION {signature} TO gatehouse_app;
            ALTER FUNCTION {signature} OWNER TO gatehouse_lookup;
            """
            for signature in signatures
        )
        super().__init__(
            sql + handed_over,
            "SET LOCAL ROLE gatehouse_lookup;"
            + "".join(f"DROP FUNCTION {signature};" for signature in signatures)
            + "SET LOCAL ROLE gatehouse_owner;",
        )
