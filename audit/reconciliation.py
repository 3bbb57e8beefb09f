"""Unattributed changes become events of the logs that they belong to: told once, in bounded numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from django.db import connections, transaction
from django.db.models import QuerySet

from isolation.actor import SYSTEM
from isolation.scope import APP, tenant_scope

from .catalogue import Action, catalogue
from .models import Outcome, UnattributedChange
from .recorder import record
from .signals import unattributed_changes_found

# The database function audit_report_changes() knows this name as well.
CHANGE_FOUND = catalogue.add(
    Action(
        "unattributed_change.found",
        "Found a change that carries no event",
        sentence="found {after.operation} on {target} by {after.database_user}, which no event tells of",
    )
)
_KEYS_SHOWN = 20
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one event tells: the same sort of change, by the same database user.

    Attributes:
        table: the table, or the object of the schema.
        operation: INSERT, UPDATE, DELETE, TRUNCATE, or a command on the schema.
        database_user: who was connected.
        rows: how many rows, over all statements.
    """

    table: str
    operation: str
    database_user: str
    rows: int


def logs_to_reconcile() -> list[UUID | None]:
    """Return whose logs do not tell yet of changes without an event; None is the installation's."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT audit_logs_with_unreported_changes()")
        return [organization_id for (organization_id,) in cursor.fetchall()]


def reconcile(organization_id: UUID | None) -> list[Finding]:
    """Write the events of one log's unattributed changes, and tell who listens.

    One event stands for all changes of a table by one operation, database user and program: somebody's loop over a
    million rows does not bury the log. The changes themselves stay, each tied to its event.

    Args:
        organization_id: whose log, None for the installation's.

    Returns:
        what was found; nothing when another process was first.
    """
    if organization_id is None:
        with transaction.atomic(using=APP):
            return _reconcile(None)
    with tenant_scope(organization_id):
        return _reconcile(organization_id)


def _reconcile(organization_id: UUID | None) -> list[Finding]:
    with connections[APP].cursor() as cursor:
        cursor.execute(_LOCK, [f"gatehouse unattributed changes {organization_id}"])
    # A function hands them out: of the installation's the app's role sees none.
    query = "SELECT * FROM audit_unreported_changes(%s)"
    changes: list[UnattributedChange] = list(QuerySet(UnattributedChange, using=APP).raw(query, [organization_id]))
    changes.sort(key=_sort_of_change)
    findings = [_tell(organization_id, list(group)) for _, group in groupby(changes, _sort_of_change)]
    if findings:
        unattributed_changes_found.send(sender=UnattributedChange, organization_id=organization_id, findings=findings)
    return findings


def _sort_of_change(change: UnattributedChange) -> tuple[str, ...]:
    return (
        change.table_name,
        change.operation,
        change.why,
        change.database_user,
        change.database_role,
        change.application_name,
        str(change.client_address or ""),
    )


def _tell(organization_id: UUID | None, changes: Sequence[UnattributedChange]) -> Finding:
    first = changes[0]
    rows = sum(change.rows or 0 for change in changes)
    keys = [key for change in changes for key in change.keys]
    told = {
        "operation": first.operation,
        "why": first.get_why_display(),
        "rows": rows or None,
        "statements": len(changes),
        "keys": keys[:_KEYS_SHOWN],
        "from": min(change.time for change in changes).isoformat(),
        "until": max(change.time for change in changes).isoformat(),
        "database_user": first.database_user,
        "database_role": first.database_role,
        "application_name": first.application_name,
        "client_address": first.client_address,
        "transactions": sorted({change.transaction_id for change in changes})[:_KEYS_SHOWN],
    }
    event = record(
        CHANGE_FOUND,
        actor=SYSTEM,
        organization_id=organization_id,
        outcome=Outcome.SUCCESS,
        target_type="table" if first.rows is not None else "schema",
        target_label=first.table_name,
        after={name: value for name, value in told.items() if value not in (None, "", [])},
        reason="The database noted it; no event of its transaction tells of it.",
    )
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT audit_report_changes(%s, %s)", [[change.pk for change in changes], event.pk])
    return Finding(first.table_name, first.operation, first.database_user, rows)
