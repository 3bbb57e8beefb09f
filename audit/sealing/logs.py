"""A sealed log as the background reads it: by its numbers, in the narrowest scope that shows it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from isolation import context
from isolation.scope import APP, INSTALLATION, OPERATOR, tenant_scope

from .reading import SealedEvent, sealed_events

_SEALED_SINCE = "SELECT min(start) FROM audit_checkpoint WHERE organization_id = %s AND time >= %s"
_SEALED_AT = "SELECT time FROM audit_checkpoint WHERE organization_id = %s AND size > %s ORDER BY size LIMIT 1"
_HEAD = "SELECT coalesce(max(size), 0) FROM audit_checkpoint WHERE organization_id = %s"


@contextmanager
def reading(log: UUID) -> Iterator[Any]:
    """Open a cursor that one log may be read through.

    An organization's log is read as the runtime role inside of its scope; the installation's, which row-level security
    hides from that role, as the operator's.
    """
    if log == INSTALLATION:
        with (
            transaction.atomic(using=OPERATOR),
            context.scoped_to(None, operator_reason="Read the installation's own sealed log"),
            connections[OPERATOR].cursor() as cursor,
        ):
            yield cursor
        return
    with tenant_scope(log), connections[APP].cursor() as cursor:
        yield cursor


def head(log: UUID) -> int:
    """Return how many events of a log are sealed."""
    with reading(log) as cursor:
        cursor.execute(_HEAD, [log])
        return int(cursor.fetchone()[0])


def newest(log: UUID) -> SealedEvent | None:
    """Return the newest sealed event of a log that is still there, of the last hundred; None when there is none."""
    end = head(log)
    with reading(log) as cursor:
        found = [event for event in sealed_events(cursor, log, max(0, end - 100), end) if event.is_there]
    return found[-1] if found else None


def first_sealed_since(log: UUID, moment: datetime) -> int:
    """Return the number of the first event that was sealed at a moment or later; the head when there is none."""
    with reading(log) as cursor:
        cursor.execute(_SEALED_SINCE, [log, moment])
        (found,) = cursor.fetchone()
    return head(log) if found is None else int(found)


def sealed_at(log: UUID, seq: int) -> datetime | None:
    """Return when an event was sealed; None when it is not."""
    with reading(log) as cursor:
        cursor.execute(_SEALED_AT, [log, seq])
        row = cursor.fetchone()
    return row[0] if row else None
