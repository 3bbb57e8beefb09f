"""Retires what is out of time: month by month, in batches, each against a signed receipt in one transaction with it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import UUID

from django.db import OperationalError, connections, transaction

from audit import notes
from audit.catalogue import Action, catalogue
from audit.receipts import Receipt, log_origin
from audit.sealing.keys import active_key
from isolation.scope import SEALER

from .policy import default_months, minimum_months

logger = logging.getLogger("gatehouse.audit")

BATCH = 50_000
"""Events that are looked at in one transaction, and go against one receipt."""

# The database writes these events itself, see migrations/retention.sql.
RETIRED = catalogue.add(Action("audit_log.retired", "Retired events that were out of time"))
PARTITION_DROPPED = catalogue.add(Action("audit_log.partition_dropped", "Dropped the empty table of a month"))

_MONTHS = """
SELECT to_date(right(c.relname, 7), 'YYYY_MM')
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'audit_event'::regclass AND c.relname ~ '^audit_event_[0-9]{4}_[0-9]{2}$'
  AND to_date(right(c.relname, 7), 'YYYY_MM') + make_interval(months => 1 + %s) <= now() AT TIME ZONE 'UTC'
ORDER BY 1
"""
# From one log to the next by the index: DISTINCT would read every text of the month.
_LOGS_OF_MONTH = """
WITH RECURSIVE of_month AS (
    SELECT %s::timestamp AT TIME ZONE 'UTC' AS since, (%s::timestamp + interval '1 month') AT TIME ZONE 'UTC' AS until
), logs (id) AS (
    (SELECT organization_id FROM audit_leaftext, of_month
     WHERE event_time >= since AND event_time < until ORDER BY organization_id LIMIT 1)
    UNION ALL
    SELECT (SELECT organization_id FROM audit_leaftext, of_month
            WHERE event_time >= since AND event_time < until AND organization_id > logs.id ORDER BY 1 LIMIT 1)
    FROM logs WHERE logs.id IS NOT NULL
)
SELECT id FROM logs WHERE id IS NOT NULL
"""
# NULL months: kept without end.
_OUT_OF_TIME = """
SELECT coalesce((%s::timestamp + interval '1 month') AT TIME ZONE 'UTC'
    + make_interval(months => greatest(kept, minimum, 1) + 0 * kept) <= now(), false)
FROM (SELECT audit_months_kept(%s, %s) AS kept, %s::integer AS minimum) AS policy
"""
_WINDOW = """
SELECT count(*), max(seq) + 1 FROM (
    SELECT seq FROM audit_leaftext
    WHERE organization_id = %s AND event_time >= %s::timestamp AT TIME ZONE 'UTC'
      AND event_time < (%s::timestamp + interval '1 month') AT TIME ZONE 'UTC' AND seq >= %s
    ORDER BY seq LIMIT %s
) AS next
"""
_LOCKS_WAIT = "SET LOCAL lock_timeout = '3s'"


def retire() -> int:
    """Retire what is out of time in every log, and drop the tables of months in which nothing is left.

    Returns:
        How many events went.

    Raises:
        VaultError: the signing key cannot be opened.
    """
    with sealing_cursor() as cursor:
        cursor.execute(_MONTHS, [minimum_months()])
        months = [row[0] for row in cursor.fetchall()]
    gone = 0
    for month in months:
        with sealing_cursor() as cursor:
            cursor.execute(_LOGS_OF_MONTH, [month, month])
            logs = [row[0] for row in cursor.fetchall()]
        for log in logs:
            gone += retire_month(log, month)
    drop_empty_partitions()
    return gone


def retire_month(log: UUID, month: date) -> int:
    """Retire what may be retired of one month of a log, batch after batch.

    Each batch is one transaction with its own receipt: whoever is interrupted leaves a log that verifies, and the next
    one goes on.

    Args:
        log: the organization, or `notes.INSTALLATION`.
        month: its first day.

    Returns:
        How many events went; 0 when they are not out of time, held, or not verified.

    Raises:
        VaultError: the signing key cannot be opened.
    """
    with sealing_cursor() as cursor:
        kept = [log, default_months()]
        cursor.execute(_OUT_OF_TIME, [month, *kept, minimum_months()])
        if not cursor.fetchone()[0]:
            return 0
    gone = 0
    start: int | None = 0
    while start is not None:
        count, start = _retire_batch(log, month, start)
        gone += count
    return gone


def _retire_batch(log: UUID, month: date, start: int) -> tuple[int, int | None]:
    """Retire what may be retired of the next events of a month; return how many, and where to go on."""
    policy = [default_months(), minimum_months()]
    with sealing_cursor() as cursor:
        cursor.execute("SELECT audit_holds_lock(true)")
        cursor.execute(_WINDOW, [log, month, month, start, BATCH])
        read, end = cursor.fetchone()
        if not read:
            return 0, None
        following = end if read == BATCH else None
        cursor.execute(
            "SELECT first, last FROM audit_retirable(%s, %s, %s, %s, %s, %s)", [log, month, *policy, start, end]
        )
        ranges = tuple(cursor.fetchall())
        if not ranges:
            return 0, following
        note = _receipt(cursor, log, month, ranges)
        cursor.execute("SELECT audit_retire(%s, %s, %s, %s, %s, %s, %s)", [log, month, *policy, note, start, end])
        return int(cursor.fetchone()[0]), following


def drop_empty_partitions() -> list[str]:
    """Drop the tables of months in which nothing is left; readers who take long put it off until the next turn.

    Returns:
        The months, as ``2024_01``.
    """
    try:
        with sealing_cursor() as cursor:
            cursor.execute(_LOCKS_WAIT)
            cursor.execute("SELECT audit_drop_empty_partitions()")
            return [row[0] for row in cursor.fetchall()]
    except OperationalError:
        logger.info("The empty tables of old months are in use; they are dropped another time.")
        return []


@contextmanager
def sealing_cursor() -> Iterator[Any]:
    """Open a transaction of the sealer in which each statement sees what is committed: a hold that was just set."""
    with transaction.atomic(using=SEALER), connections[SEALER].cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        yield cursor


def _receipt(cursor: Any, log: UUID, month: date, ranges: tuple[tuple[int, int], ...]) -> str:
    """Return the signed receipt; the database holds it against what it would write itself."""
    key = active_key(cursor)
    if key is None:
        raise RuntimeError("There is no signing key, although events were sealed.")
    origin = log_origin(cursor, log)
    cursor.execute(
        "SELECT size, root, now(), greatest(audit_months_kept(%s, %s), %s, 1) FROM audit_checkpoint"
        " WHERE organization_id = %s ORDER BY size DESC LIMIT 1",
        [log, default_months(), minimum_months(), log],
    )
    size, root, now, kept = cursor.fetchone()
    receipt = Receipt(origin, month, kept, ranges, size, bytes(root), now.replace(microsecond=0))
    return notes.sign(receipt.text(), origin, key.private)
