"""What a rule would have raised lately: the same decisions over sealed events, and nothing is stored."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from audit.leaf import FIELDS, SELECT
from audit.sealing.logs import reading
from audit.sealing.reading import MICROSECONDS, SealedEvent
from isolation.scope import INSTALLATION

from .actions import ALERT_RAISED
from .facts import KEYS, facts_of
from .locations import locator
from .models import Alert
from .tuning import Tuning
from .windows import Windows, looked_at

SPAN = timedelta(days=30)
MOST_EVENTS = 100_000
SHOWN = 50
"""Alerts that are shown; the newest."""
SECONDS = 8.0
_AT_ONCE = 2_000

_EVENTS = f"""
SELECT l.seq, l.hash, l.event_time, {MICROSECONDS}, row.*
FROM audit_event e
JOIN audit_leaf l ON l.organization_id = %(log)s AND l.event_id = e.id AND l.event_time = e.time
CROSS JOIN LATERAL (SELECT {SELECT}) AS row
WHERE e.organization_id {{whose}} AND {{which}}
  AND e.time >= %(since)s AND (e.time, e.id) > (%(time)s, %(id)s)
ORDER BY e.time, e.id LIMIT %(limit)s
"""  # noqa: S608 - names of ours
_ACTIONS, _KEYS = "e.action = ANY(%(actions)s)", "e.actor_kind = ANY(%(kinds)s)"


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a rule would have raised.

    Attributes:
        alerts: the newest ones, never stored.
        count: how many there were.
        events: how many events were looked at.
        since: from when on.
        until: up to when.
        is_complete: whether it came to the end: there is a limit to time and events.
    """

    alerts: list[Alert]
    count: int
    events: int
    since: datetime
    until: datetime
    is_complete: bool


def dry_run(tuning: Tuning, log: UUID, *, seconds: float = SECONDS) -> DryRun:
    """Return what a rule would have raised in the last 30 days, set like this and without muting.

    Events are taken in the order of their times.

    Args:
        tuning: how the rule is set.
        log: the organization, or `INSTALLATION`; its scope is open.
        seconds: after which it stops.
    """
    now = timezone.now()
    since, deadline = now - SPAN, time.monotonic() + seconds
    windows, where, looked, until = Windows(log, now), locator(), 0, since
    settings = {tuning.rule.key: tuning}
    is_complete = True
    for event in _events(tuning, log, since):
        if looked == MOST_EVENTS or time.monotonic() > deadline:
            is_complete = False
            break
        facts = facts_of(event)
        if facts is None:
            continue
        looked, until = looked + 1, facts.time
        if facts.action != ALERT_RAISED.name:
            for found, sign in looked_at(settings, facts, where):
                windows.take(found, facts, sign)
    alerts = [*windows.raised.values()][::-1][:SHOWN]
    return DryRun(alerts, len(windows.raised), looked, since, now if is_complete else until, is_complete)


def _events(tuning: Tuning, log: UUID, since: datetime) -> Iterator[SealedEvent]:
    """Yield the sealed events that the rule looks at, in order."""
    actions = tuning.rule.actions
    installation = log == INSTALLATION
    query = _EVENTS.format(
        whose="IS NULL" if installation else "= %(log)s", which=_KEYS if actions is None else _ACTIONS
    )
    values: dict[str, Any] = {
        "log": log,
        "actions": sorted(actions or ()),
        "kinds": sorted(KEYS),
        "since": since,
        "time": since,
        "id": UUID(int=0),
        "limit": _AT_ONCE,
    }
    while True:
        with reading(log) as cursor:
            cursor.execute(query, values)
            rows = cursor.fetchall()
        for seq, digest, _time, moment, *columns in rows:
            yield SealedEvent((seq, bytes(digest), str(columns[0]), moment, None, b"", True, *columns))
        if len(rows) < _AT_ONCE:
            return
        last = dict(zip(FIELDS, rows[-1][4:], strict=True))
        values |= {"time": rows[-1][2], "id": last["id"]}
