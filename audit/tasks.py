"""Housekeeping of the event table; sealing, witnesses, verification, delivery to sinks, alerts."""

from celery import shared_task
from django.db import connections

from isolation.scope import APP

from .alerts.claims import wake as wake_alerts
from .alerts.evaluation import evaluate
from .alerts.notices import tell
from .sealing.database import can_seal
from .sealing.sealer import seal
from .sinks.claims import wake
from .sinks.delivery import deliver
from .watching import watch
from .witnesses.publishing import publish

MONTHS_AHEAD = 12

DELIVERING_SECONDS = 20
"""How long one task goes on giving turns; the next second's task helps it meanwhile."""

EVALUATING_SECONDS = 10


@shared_task(name="audit.tasks.ensure_partitions")
def ensure_partitions() -> int:
    """Create the monthly partitions up to a year ahead.

    Returns:
        how many were missing.
    """
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT audit_ensure_partitions(%s)", [MONTHS_AHEAD])
        created = int(cursor.fetchone()[0])
        cursor.execute("SELECT audit_ensure_leaftext_partitions()")
        return created


@shared_task(name="audit.tasks.seal_events")
def seal_events() -> int:
    """Seal what is new.

    Returns:
        How many events were sealed; 0 where the sealer's database role is not configured.
    """
    return seal() if can_seal() else 0


@shared_task(name="audit.tasks.publish_checkpoints")
def publish_checkpoints() -> int:
    """Send the newest checkpoints to the witnesses.

    Returns:
        How many notes they kept.
    """
    return publish() if can_seal() else 0


@shared_task(name="audit.tasks.verify_log")
def verify_log() -> int:
    """Verify what is new, and a stretch of what is old.

    Returns:
        In how many logs something is wrong.
    """
    return watch() if can_seal() else 0


@shared_task(name="audit.tasks.deliver_events")
def deliver_events() -> int:
    """Let sinks know of what was sealed, and deliver what is due.

    Returns:
        How many turns sinks had.
    """
    wake()
    return deliver(DELIVERING_SECONDS)


@shared_task(name="audit.tasks.evaluate_alerts")
def evaluate_alerts() -> int:
    """Look for alerts in what was sealed.

    Returns:
        How many turns logs had.
    """
    wake_alerts()
    return evaluate(EVALUATING_SECONDS)


@shared_task(name="audit.tasks.send_alerts")
def send_alerts() -> int:
    """Tell people and programs of new alerts.

    Returns:
        How many notices were tried.
    """
    return tell(DELIVERING_SECONDS)
