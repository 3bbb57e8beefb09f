"""Tasks of the installation itself."""

from celery import shared_task
from django.conf import settings
from django.core.cache import caches
from django.db import connection

from portal.cache import SharedCache


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


@shared_task(name="portal.tasks.sweep_cache")
def sweep_cache() -> int:
    """Delete what the shared cache keeps no longer.

    Returns:
        How many entries were deleted; 0 with Redis, which sweeps by itself.
    """
    cache = caches["default"]
    return cache.sweep() if isinstance(cache, SharedCache) else 0
