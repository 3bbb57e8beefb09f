"""Housekeeping of the event table, and the search for changes that carry no event."""

from celery import shared_task
from django.db import connections

from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import APP, settling

from .reconciliation import logs_to_reconcile, reconcile

MONTHS_AHEAD = 12


@shared_task(name="audit.tasks.ensure_partitions")
def ensure_partitions() -> int:
    """Create the monthly partitions up to a year ahead.

    Returns:
        how many were missing.
    """
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT audit_ensure_partitions(%s)", [MONTHS_AHEAD])
        return int(cursor.fetchone()[0])


@shared_task(name="audit.tasks.reconcile_changes")
def reconcile_changes() -> int:
    """Write the event of each change that committed without one, and sweep what statements noted.

    Returns:
        how many findings there were.
    """
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT audit_sweep_pending()")
    found = 0
    for organization_id in logs_to_reconcile():
        with settling(), acting_as(SYSTEM):
            found += len(reconcile(organization_id))
    return found
