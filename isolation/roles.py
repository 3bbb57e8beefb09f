"""What the running database role may do: Gatehouse refuses to start as more than `gatehouse_app`."""

from dataclasses import dataclass

from django.db import connections

from .scope import APP

TENANT_COLUMN = "organization_id"

EXCESS = """
SELECT 'is a superuser' FROM pg_roles WHERE rolname = current_user AND rolsuper
UNION ALL
SELECT 'bypasses row-level security' FROM pg_roles WHERE rolname = current_user AND rolbypassrls
UNION ALL
SELECT 'may create roles' FROM pg_roles WHERE rolname = current_user AND rolcreaterole
UNION ALL
-- A temporary table would stand before the real one in the functions that run as their owner.
SELECT 'may create temporary tables' WHERE has_database_privilege(current_user, current_database(), 'TEMPORARY')
UNION ALL
SELECT 'is a member of ' || r.rolname FROM pg_roles r
WHERE r.rolname <> current_user AND pg_has_role(current_user, r.oid, 'MEMBER')
UNION ALL
SELECT 'owns ' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)
UNION ALL
SELECT 'may truncate ' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND has_table_privilege(c.oid, 'TRUNCATE')
UNION ALL
SELECT 'may rewrite ' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname LIKE 'audit\\_event%%'
  AND (has_table_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE'))
UNION ALL
-- What proves the log is written by gatehouse_sealer alone.
SELECT 'may write ' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
  AND c.relname ~ '^audit_(leaf|leaftext|node|checkpoint|receipt|signingkey|sealer|verification|witness)(_|$)'
  AND (has_table_privilege(c.oid, 'INSERT') OR has_table_privilege(c.oid, 'UPDATE')
       OR has_table_privilege(c.oid, 'DELETE'))
UNION ALL
-- Which transaction wrote an event is the server's word, and what was written without one as well.
SELECT 'may write ' || c.relname || '.' || a.attname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname = 'public' AND a.attnum > 0 AND NOT a.attisdropped
  AND (c.relname = 'audit_event' AND a.attname = 'xid'
       OR c.relname IN ('audit_pendingchange', 'audit_unattributedchange'))
  AND has_column_privilege(c.oid, a.attnum, 'INSERT, UPDATE')
UNION ALL
-- What takes something out of the log is called by gatehouse_sealer alone.
SELECT 'may call ' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'public' AND p.proname IN ('audit_retire', 'audit_erase', 'audit_drop_empty_partitions')
  AND has_function_privilege(p.oid, 'EXECUTE')
UNION ALL
SELECT 'may rewrite ' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public'
  AND c.relname IN ('audit_retentionchange', 'audit_legalhold', 'audit_erasurerequest', 'audit_deletedlog')
  AND (has_table_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE'))
"""

_UNPROTECTED = """
SELECT c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
  AND (c.relname = 'tenants_organization' OR EXISTS (
      SELECT 1 FROM pg_attribute a
      WHERE a.attrelid = c.oid AND a.attname = %s AND NOT a.attisdropped))
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity
           AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid))
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class RoleReport:
    """What `inspect_role` found.

    Attributes:
        role: the database role of the connection.
        excess: each power it should not have, in words.
    """

    role: str
    excess: tuple[str, ...]


def inspect_role(alias: str = APP) -> RoleReport:
    """Return which powers the role behind `alias` has that the app must not have."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT current_user")
        role = cursor.fetchone()[0]
        cursor.execute(EXCESS, [])
        return RoleReport(role=role, excess=tuple(row[0] for row in cursor.fetchall()))


def unprotected_tables(alias: str = APP) -> list[str]:
    """Return every table that has a tenant column and no forced row-level security."""
    with connections[alias].cursor() as cursor:
        cursor.execute(_UNPROTECTED, [TENANT_COLUMN])
        return [row[0] for row in cursor.fetchall()]


def refuse_excess_power() -> None:
    """Stop the process when the app's role could see or change more than row-level security allows.

    Raises:
        SystemExit: with one line that names the role, the first excess and the mend.
    """
    report = inspect_role()
    if report.excess:
        raise SystemExit(
            f"Gatehouse does not start: its database role {report.role} {report.excess[0]}"
            f"{f' (and {len(report.excess) - 1} more)' if len(report.excess) > 1 else ''}. "
            "Connect as gatehouse_app (isolation/sql/roles.sql creates it)."
        )
    unprotected = unprotected_tables()
    if unprotected:
        raise SystemExit(
            f"Gatehouse does not start: {', '.join(unprotected)} lack forced row-level security. Run: manage.py migrate"
        )
