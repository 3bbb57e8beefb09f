"""Housekeeping of the event table."""

from celery import shared_task
from django.db import connections

from isolation.scope import APP

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
