"""Migration operations of the audit log: no audit event, no change; and who owns the log's own tables."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import RunSQL, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


class RequireAuditEvent(RunSQL):
    """Note every write to a table, and refuse at commit the one whose transaction wrote no event for its organization.

    It catches what the application cannot see itself: `QuerySet.update`, `bulk_create`, raw SQL. What commits and is
    not named by an event all the same becomes an unattributed change.

    Args:
        table: the governed table.
        column: the column with the organization's id; None for tables of the installation.
        watched: the columns, comma separated, whose update counts; all of them when empty.
        stands_for: a column whose value an event names too when it names the row (a membership's person).
    """

    def __init__(
        self, table: str, *, column: str | None = "organization_id", watched: str = "", stands_for: str = ""
    ) -> None:
        argument = f"'{column}'" if column else ""
        update = f"UPDATE OF {watched}" if watched else "UPDATE"
        # Before the audit app's own migration the table is governed row by row; that migration takes it over.
        super().__init__(
            f"""
            DO $$
            BEGIN
                IF to_regproc('audit_govern') IS NOT NULL THEN
                    PERFORM audit_govern('{table}', '{column or ""}', '{watched}', '{stands_for}');
                ELSE
                    CREATE CONSTRAINT TRIGGER audit_event_required
                        AFTER INSERT OR {update} OR DELETE ON {table} DEFERRABLE INITIALLY DEFERRED
                        FOR EACH ROW EXECUTE FUNCTION audit_require_event({argument});
                END IF;
            END $$;
            """,
            f"""
            DO $$
            BEGIN
                IF to_regproc('audit_ungovern') IS NOT NULL THEN
                    PERFORM audit_ungovern('{table}');
                ELSE
                    DROP TRIGGER audit_event_required ON {table};
                END IF;
            END $$;
            """,
        )


class AsAuditOwner(SeparateDatabaseAndState):
    """Run operations on the audit log's own tables, which gatehouse_audit owns and not the role that migrates.

    Args:
        operations: what is run, forwards or back, as that role.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        super().__init__(database_operations=operations, state_operations=operations)

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """Return how this operation is written."""
        return type(self).__name__, [], {"operations": self.database_operations}

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Run the operations."""
        schema_editor.execute("SET LOCAL ROLE gatehouse_audit")
        super().database_forwards(app_label, schema_editor, from_state, to_state)
        schema_editor.execute("SET LOCAL ROLE gatehouse_owner")

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Take the operations back."""
        schema_editor.execute("SET LOCAL ROLE gatehouse_audit")
        super().database_backwards(app_label, schema_editor, from_state, to_state)
        schema_editor.execute("SET LOCAL ROLE gatehouse_owner")
