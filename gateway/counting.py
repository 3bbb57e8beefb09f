"""What the shared counters of limits say now, for people and for alerts."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.db import connections
from django.utils import timezone

from gateway.hotpath.counters import ANSWER_SECONDS, SCRIPT, months, script_arguments, slots_key
from gateway.models import LimitWindow, UsageLimit
from isolation.scope import APP

logger = logging.getLogger("gatehouse.gateway")

MOST_SUBJECTS = 50
"""Of a limit that counts each of its kind: the fullest ones."""
_WHOLE = 100


@dataclass(frozen=True, slots=True)
class Counted:
    """How far one subject has come in the running window of a limit.

    Attributes:
        subject: whose use; "" for the organization.
        used: in the limit's own unit.
        amount: the limit's.
    """

    subject: str
    used: int
    amount: int

    @property
    def percent(self) -> int:
        """Return how much of the limit is used, in whole percent; what is above it stays above."""
        return self.used * _WHOLE // self.amount if self.amount else _WHOLE


def counted(organization_id: UUID, limits: Iterable[UsageLimit]) -> dict[UUID, list[Counted]] | None:
    """Return what is used of limits now, by their ids, the fullest subjects first; its scope must be open.

    Returns:
        None when the counters do not answer.
    """
    rows = list(limits)
    found = _in_redis(organization_id, rows) if settings.COUNTER_URL else _in_postgres(organization_id, rows)
    if found is None:
        return None
    return {
        limit.pk: [Counted(subject, used, limit.amount) for subject, used in found.get(str(limit.pk), [])]
        or _from_hours(organization_id, limit)
        for limit in rows
    }


def window_start(window: str, now: datetime | None = None) -> datetime:
    """Return when the running window of a kind began (UTC)."""
    now = (now or timezone.now()).replace(second=0, microsecond=0)
    if window == LimitWindow.DAY:
        now = now.replace(hour=0, minute=0)
    elif window == LimitWindow.MONTH:
        now = now.replace(day=1, hour=0, minute=0)
    return now


def _from_hours(organization_id: UUID, limit: UsageLimit) -> list[Counted]:
    """Return what the first request will find: the counter of a day or month begins with the hours that are written."""
    if limit.counts_each or limit.window not in {LimitWindow.DAY, LimitWindow.MONTH}:
        return []
    parameters: list[Any] = [
        organization_id,
        limit.subject_kind,
        limit.subject,
        False,
        limit.metric,
        window_start(limit.window),
    ]
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT gateway_used(%s, %s, %s, %s, %s, %s)", parameters)
        used = int(cursor.fetchone()[0])
    return [Counted(limit.subject, used, limit.amount)] if used else []


def _in_postgres(organization_id: UUID, limits: Sequence[UsageLimit]) -> dict[str, list[Any]]:
    asked = json.dumps([{"limit": str(limit.pk), "window": limit.window} for limit in limits])
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT gateway_counted(%s, %s, %s)", [organization_id, asked, MOST_SUBJECTS])
        found: Any = cursor.fetchone()[0]
    answer: dict[str, list[Any]] = json.loads(found) if isinstance(found, str) else found
    return answer


def _in_redis(organization_id: UUID, limits: Sequence[UsageLimit]) -> dict[str, list[Any]] | None:
    if not limits:
        return {}
    operations = [
        {"op": "read", "limit": str(limit.pk), "window": limit.window, "months": months()} for limit in limits
    ]
    arguments = script_arguments(str(organization_id), operations)
    found: dict[str, list[Any]] = {}
    client: Any = redis.Redis.from_url(
        settings.COUNTER_URL, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
    )
    try:
        answers = client.register_script(SCRIPT)(**arguments)
        for number, (limit, answer) in enumerate(zip(limits, answers, strict=True)):
            subjects = [text.decode("utf-8", "replace") for text in answer[::2]]
            used = answer[1::2]
            if limit.window == LimitWindow.NONE:
                place = arguments["keys"][2 * number]
                used = [client.zcount(slots_key(place, subject), _now_ms(client), "+inf") for subject in subjects]
            pairs = [[subject, int(number)] for subject, number in zip(subjects, used, strict=True) if number]
            found[str(limit.pk)] = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:MOST_SUBJECTS]
    except (redis.RedisError, OSError) as error:
        logger.warning("Redis does not say what is counted: %s", type(error).__name__)
        return None
    finally:
        client.close()
    return found


def _now_ms(client: Any) -> int:
    seconds, micro = client.time()
    return int(seconds) * 1_000 + int(micro) // 1_000
