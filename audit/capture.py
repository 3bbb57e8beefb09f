"""Whether the database still notes every write: what the start-up check and the consoles say about it."""

import logging
from dataclasses import dataclass

from django.apps import apps
from django.db import connections, transaction

from isolation.managers import tenant_column
from isolation.scope import APP

logger = logging.getLogger("gatehouse.audit")

NO_EVENT_TRIGGERS = (
    "Changes to the schema of the audit log are not noted: the database has no event triggers of Gatehouse. "
    "A superuser runs isolation/sql/roles.sql once; where nobody may create event triggers, see docs/operations.md."
)

_VERBS = 4  # insert, update, delete, truncate

# Each governed table has a function of its own, which stays when its triggers are dropped.
_TABLES = """
SELECT c.relname::text, count(t.oid), coalesce(bool_and(t.tgenabled = 'A'), false)
FROM pg_class c
LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname LIKE 'audit\\_capture\\_%%'
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND (
    c.relname = ANY (%s) OR EXISTS (
        SELECT FROM pg_proc f
        WHERE f.pronamespace = c.relnamespace AND f.proname = left('audit_capture_' || c.relname, 63)))
GROUP BY c.relname ORDER BY c.relname
"""
_LOG = """
SELECT c.relname::text || ' ' || wanted.trigger
FROM pg_class c
JOIN (VALUES ('audit_append_only'), ('audit_no_truncate'), ('audit_event_required')) AS wanted(trigger)
  ON (wanted.trigger = 'audit_event_required') = (c.relname = 'audit_pendingchange')
LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = wanted.trigger
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND (c.relname IN ('audit_unattributedchange', 'audit_pendingchange')
       OR c.relname IN ('audit_leaf', 'audit_node', 'audit_checkpoint', 'audit_receipt')
       OR c.oid IN (SELECT relid FROM pg_partition_tree('audit_event'))
       OR c.oid IN (SELECT relid FROM pg_partition_tree('audit_leaftext')))
  AND t.tgenabled IS DISTINCT FROM 'A'
ORDER BY 1
"""
_EVENT_TRIGGERS = """
SELECT count(*) FROM pg_event_trigger WHERE evtname IN ('gatehouse_ddl', 'gatehouse_drop') AND evtenabled = 'A'
"""


@dataclass(frozen=True, slots=True)
class Capture:
    """What is watched.

    Attributes:
        tables: how many tables are.
        gaps: each table or trigger that should be and is not, in words.
        schema_is_watched: whether changes to the schema are noted, which takes a superuser's event triggers.
    """

    tables: int
    gaps: tuple[str, ...]
    schema_is_watched: bool


def inspect_capture(alias: str = APP) -> Capture:
    """Return what the database says about its triggers.

    Watched must be every table with a function that watches it, and of every model with an organization the table,
    unless the model says `audit_exempt`.
    """
    with connections[alias].cursor() as cursor:
        cursor.execute(_TABLES, [_governed_models()])
        tables = cursor.fetchall()
        gaps = [f"{name} is not watched" for name, count, _ in tables if count != _VERBS]
        gaps += [f"{name} is not always watched" for name, count, always in tables if count == _VERBS and not always]
        cursor.execute(_LOG)
        gaps += [f"{name} is not always on" for (name,) in cursor.fetchall()]
        cursor.execute(_EVENT_TRIGGERS)
        watched = cursor.fetchone()[0] == 2  # noqa: PLR2004 - the two that are counted
    return Capture(len(tables) - len({gap.partition(" ")[0] for gap in gaps}), tuple(gaps), watched)


def refuse_gaps() -> None:
    """Stop the process when a write could go unnoticed; say so in the log when only a change of the schema could.

    Raises:
        SystemExit: with one line that names the first gap and the mend.
    """
    capture = inspect_capture()
    if capture.gaps:
        raise SystemExit(
            f"Gatehouse does not start: in the database {capture.gaps[0]}"
            f"{f' (and {len(capture.gaps) - 1} more)' if len(capture.gaps) > 1 else ''}, so that changes without an "
            "audit event could go unnoticed. Run: manage.py migrate"
        )
    if not capture.schema_is_watched:
        logger.warning(NO_EVENT_TRIGGERS)


def is_installed(alias: str) -> bool:
    """Return whether the database has come as far as the migration that watches."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT to_regproc('audit_governed') IS NOT NULL")
        return bool(cursor.fetchone()[0])


def repair(alias: str) -> None:
    """Put every governed table under watch again, as the migrator: columns may have changed, triggers may be gone."""
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT audit_govern(table_name, organization_column, watched, stands_for) FROM audit_governed()"
        )


def _governed_models() -> list[str]:
    return [
        model._meta.db_table
        for model in apps.get_models()
        if tenant_column(model) and not getattr(model, "audit_exempt", False)
    ]
