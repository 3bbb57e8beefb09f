"""The migration operation that makes a table governed: no audit event, no change."""

from django.db.migrations.operations import RunSQL


class RequireAuditEvent(RunSQL):
    """Refuse, at commit, every change of a table's rows whose transaction wrote no event for the same organization.

    It catches what the application cannot see itself: `QuerySet.update`, `bulk_create`, raw SQL.

    Args:
        table: the governed table.
        column: the column with the organization's id; None for tables of the installation.
        watched: the columns, comma separated, whose update counts; all of them when empty.
    """

    def __init__(self, table: str, *, column: str | None = "organization_id", watched: str = "") -> None:
        argument = f"'{column}'" if column else ""
        update = f"UPDATE OF {watched}" if watched else "UPDATE"
        super().__init__(
            f"""
            CREATE CONSTRAINT TRIGGER audit_event_required
                AFTER INSERT OR {update} OR DELETE ON {table} DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION audit_require_event({argument});
            """,
            f"DROP TRIGGER audit_event_required ON {table};",
        )
