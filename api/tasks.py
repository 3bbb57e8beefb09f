"""Sweeps what is kept for a while only."""

from celery import shared_task
from django.db import connections

from isolation.scope import APP

from .idempotency import KEPT


@shared_task(name="api.tasks.sweep")
def sweep() -> int:
    """Delete responses that need not be repeated any more, and counts of minutes that are over.

    Returns:
        How many responses there were.
    """
    with connections[APP].cursor() as cursor:
        cursor.execute("DELETE FROM api_rate WHERE window_start < now() - interval '1 hour'")
        cursor.execute("SELECT api_forget_responses(%s)", [KEPT])  # type: ignore[list-item]  # psycopg takes intervals
        return int(cursor.fetchone()[0])
