"""Walks the sealed log and raises alerts: a batch, what it changes and the cursor are one transaction.

A worker that dies leaves nothing of its batch behind; the next one begins where the last batch ended.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from audit.leases import LEASE, LeaseLost, wait
from audit.models import Outcome
from audit.recorder import record
from audit.sealing.logs import reading
from audit.sealing.reading import SealedEvent, sealed_events
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope

from .actions import ALERT_RAISED
from .claims import Claim, claim
from .facts import Facts, facts_of
from .locations import Locator, locator
from .models import Alert, AlertChannel, AlertCursor, AlertNotice, AlertState, Sighting
from .rules import Sign
from .tuning import Tuning, tunings
from .windows import LATE, Windows, looked_at

logger = logging.getLogger("gatehouse.audit")

BATCH = 500
"""Events that are looked at together; what they concern is in memory at once."""

TURN_SECONDS = 10

PURGED = "organization.purged"
"""The last event of a log: nothing of it is watched any more."""

_GROWN = ["count", "last_seq", "last_time", "numbers", "told"]


def evaluate(seconds: float) -> int:
    """Give turns to logs until nothing is due or the time is over.

    Args:
        seconds: how long a new turn may begin.

    Returns:
        How many turns there were.
    """
    end, turns = time.monotonic() + seconds, 0
    while time.monotonic() < end and (held := claim()) is not None:
        take_turn(held)
        turns += 1
    return turns


def take_turn(held: Claim) -> None:
    """Evaluate what is new in one log, batch after batch; whatever goes wrong is noted at its cursor."""
    end = time.monotonic() + TURN_SECONDS
    try:
        while held.next_seq < held.head and time.monotonic() < end:
            if not evaluate_batch(held, min(held.head, held.next_seq + BATCH)):
                return
        _release(held)
    except LeaseLost:
        return
    except Exception:
        logger.exception("The log %s was not evaluated for alerts", held.log)
        _fail(held)


def evaluate_batch(held: Claim, end: int) -> bool:
    """Look at the events from where the cursor stands to before `end`.

    Returns:
        Whether the log goes on; False: its organization is gone.

    Raises:
        LeaseLost: nothing is noted.
    """
    with reading(held.log) as cursor:
        events = list(sealed_events(cursor, held.log, held.next_seq, end))
    with tenant_scope(held.log):
        mine = AlertCursor.objects.filter(pk=held.cursor_id, lease=held.lease, next_seq=held.next_seq)
        if not mine.update(next_seq=end, leased_until=timezone.now() + LEASE):
            raise LeaseLost
        if any(event.value("action") == PURGED for event in events):
            Sighting.objects.all().delete()
            AlertCursor.objects.all().delete()
            return False
        settings = tunings(held.log)
        signs = _signs(events, settings, locator())
        if signs:
            windows = _remembered(held.log, signs)
            for tuning, facts, sign in signs:
                windows.take(tuning, facts, sign)
            _keep(windows, settings)
        if events:
            Sighting.objects.filter(expires_at__lt=min(event.event_time for event in events) - LATE).delete()
    held.next_seq = end
    return True


def _signs(
    events: Iterable[SealedEvent], settings: dict[str, Tuning], where: Locator
) -> list[tuple[Tuning, Facts, Sign]]:
    found = []
    for event in events:
        facts = facts_of(event)
        if facts is not None and facts.action != ALERT_RAISED.name:
            found += [(tuning, facts, sign) for tuning, sign in looked_at(settings, facts, where)]
    return found


def _remembered(log: UUID, signs: Sequence[tuple[Tuning, Facts, Sign]]) -> Windows:
    """Return what is stored of the subjects of a batch: two queries, however many there are."""
    first = min(facts.time for _tuning, facts, _sign in signs)
    last = max(facts.time for _tuning, facts, _sign in signs)
    longest = max(tuning.window for tuning, _facts, _sign in signs)
    about: dict[str, Any] = {
        "rule__in": {tuning.rule.key for tuning, _facts, _sign in signs},
        "subject__in": {sign.subject for _tuning, _facts, sign in signs},
    }
    sightings = Sighting.objects.filter(expires_at__gte=first, **about)
    alerts = Alert.objects.filter(last_time__gte=first - longest, started_at__lte=last + longest, **about)
    return Windows(log, timezone.now(), sightings, alerts.order_by("started_at", "id"))


def _keep(windows: Windows, settings: dict[str, Tuning]) -> None:
    """Store what became of a batch, and let people be told."""
    Sighting.objects.bulk_create(windows.sightings.values(), ignore_conflicts=True)
    if windows.touched:
        Sighting.objects.bulk_update(windows.touched.values(), ["time", "expires_at"])
    if windows.forgotten:
        Sighting.objects.filter(pk__in=windows.forgotten).delete()
    if windows.grown:
        Alert.objects.bulk_update(windows.grown.values(), _GROWN)
    if not windows.raised:
        return
    Alert.objects.bulk_create(windows.raised.values(), ignore_conflicts=True)
    # One that was there by its natural key keeps its id: somebody has raised it before.
    new = set(Alert.objects.filter(pk__in=windows.raised).values_list("pk", flat=True))
    raised = [alert for pk, alert in windows.raised.items() if pk in new]
    for alert in raised:
        _record(alert)
    notices = notices_of(raised, settings)
    AlertNotice.objects.bulk_create(notices, ignore_conflicts=True)


def notices_of(alerts: Iterable[Alert], settings: dict[str, Tuning]) -> list[AlertNotice]:
    """Return what has to be sent of new alerts; of those that are muted nothing."""
    channels, now = list(AlertChannel.objects.values_list("pk", flat=True)), timezone.now()
    return [
        AlertNotice(organization_id=alert.organization_id, alert=alert, channel_id=channel, retry_at=now)
        for alert in alerts
        if alert.state == AlertState.OPEN
        for channel in settings[alert.rule].recipients(channels)
    ]


def _record(alert: Alert) -> None:
    record(
        ALERT_RAISED,
        actor=SYSTEM,
        organization_id=alert.organization_id,
        outcome=Outcome.SUCCESS,
        target_type=str(alert._meta.verbose_name),
        target_id=str(alert.pk),
        target_label=str(alert),
        after={
            "rule": alert.rule,
            "severity": alert.severity,
            "count": alert.count,
            "events": alert.numbers,
            "told": alert.told,
            "state": alert.state,
        },
    )


def _release(held: Claim) -> None:
    waiting = held.next_seq < held.head
    with tenant_scope(held.log):
        rows = AlertCursor.objects.filter(pk=held.cursor_id, lease=held.lease)
        if not waiting:
            # More may have been sealed since: then it stays awake.
            rows.filter(head=held.head).update(waiting_since=None)
        rows.update(lease=None, leased_until=None, failures=0, retry_at=None, last_error="")


def _fail(held: Claim) -> None:
    with tenant_scope(held.log):
        cursor = AlertCursor.objects.select_for_update().filter(pk=held.cursor_id, lease=held.lease).first()
        if cursor is None:
            return
        cursor.failures += 1
        cursor.retry_at = timezone.now() + max(wait(cursor.failures), timedelta(seconds=1))
        cursor.last_error = "Something went wrong in Gatehouse itself; its own log says what."
        cursor.lease, cursor.leased_until = None, None
        cursor.save(update_fields=["failures", "retry_at", "last_error", "lease", "leased_until"])
