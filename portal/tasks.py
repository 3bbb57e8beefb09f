"""Tasks of the installation itself."""

from celery import shared_task
from django.conf import settings
from django.db import connection


@shared_task(name="portal.tasks.sweep_broker")
def sweep_broker() -> int:
    """Delete the messages that the embedded default's broker has delivered: kombu only marks them.

    Returns:
        How many were deleted; 0 with another broker.
    """
    if not settings.CELERY_BROKER_URL.startswith("sqla+"):
        return 0
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM broker.kombu_message WHERE NOT visible")
        return int(cursor.rowcount)
