"""Housekeeping of the event table; sealing, witnesses, verification, retention, exports, sinks, alerts."""

import time
from uuid import UUID

from celery import shared_task
from django.db import connections

from isolation.actor import SYSTEM
from isolation.context import Origin, acting_as, originating
from isolation.scope import APP, settling

from .alerts.claims import wake as wake_alerts
from .alerts.evaluation import evaluate
from .alerts.notices import tell
from .cosigning.asking import ask
from .exports import storage
from .exports.making import make, sweep
from .reconciliation import logs_to_reconcile, reconcile
from .retention.erasing import carry_out
from .retention.retiring import retire
from .sealing.database import can_seal
from .sealing.sealer import seal
from .sinks.claims import wake
from .sinks.delivery import deliver
from .watching import watch
from .witnesses.publishing import publish

MONTHS_AHEAD = 12

DELIVERING_SECONDS = 20
"""How long one task goes on giving turns; the next second's task helps it meanwhile."""

LOOKING_SECONDS, LOOK_EVERY = 1.0, 0.2
"""How long it looks for more when nothing is due, and how often: the schedule sends the next task meanwhile."""

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


@shared_task(name="audit.tasks.ask_cosigners")
def ask_cosigners() -> int:
    """Have the newest checkpoints cosigned by other installations.

    Returns:
        How many cosignatures came.
    """
    return ask() if can_seal() else 0


@shared_task(name="audit.tasks.verify_log")
def verify_log() -> int:
    """Verify what is new, and a stretch of what is old.

    Returns:
        In how many logs something is wrong.
    """
    return watch() if can_seal() else 0


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


@shared_task(name="audit.tasks.retire_events")
def retire_events() -> int:
    """Retire what is out of time.

    Returns:
        How many events went.
    """
    return retire() if can_seal() else 0


@shared_task(name="audit.tasks.carry_out_erasures")
def carry_out_erasures() -> int:
    """Erase the people whose notice is over.

    Returns:
        How many erasures were carried out.
    """
    return carry_out() if can_seal() else 0


@shared_task(name="audit.tasks.deliver_events")
def deliver_events() -> int:
    """Let sinks know of what was sealed, and deliver what is due.

    Returns:
        How many turns sinks had.
    """
    turns, end = 0, time.monotonic() + LOOKING_SECONDS
    while True:
        wake()
        turns += deliver(DELIVERING_SECONDS)
        if time.monotonic() >= end:
            return turns
        time.sleep(LOOK_EVERY)


@shared_task(name="audit.tasks.sweep_exports")
def sweep_exports() -> int:
    """Go on with exports whose worker ended or whose message was lost, and delete those whose time is over.

    Returns:
        How many are being made.
    """
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT organization_id, id FROM audit_exports_to_do()")
        found = cursor.fetchall()
    with originating(Origin()), acting_as(SYSTEM):
        for organization_id in {row[0] for row in found if row[1] is None} | set(storage.organizations()):
            sweep(organization_id)
    running = [row for row in found if row[1] is not None]
    for organization_id, export_id in running:
        make_export.delay(str(organization_id), str(export_id))
    return len(running)


@shared_task(name="audit.tasks.make_export")
def make_export(organization_id: str, export_id: str) -> None:
    """Work on an export; what is left after some minutes is for another task.

    It opens a transaction for each piece itself: somebody who is killed repeats no more than that.
    """
    with originating(Origin()), acting_as(SYSTEM):
        more = make(UUID(organization_id), UUID(export_id))
    if more:
        make_export.delay(organization_id, export_id)


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
