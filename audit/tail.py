"""What was committed since a page was drawn, without missing what commits late.

A transaction that began earlier may commit later: by time or id its events lie among those that were seen already. So a
place in the stream is a PostgreSQL snapshot, and new is what it did not see (the sealer finds its rows the same way).
"""

from typing import Any

from django.core import signing
from django.db.models import QuerySet

from .models import Event
from .statements import connection

MOST = 100
"""Events in one answer; who missed more than that reloads."""

_SALT = "audit.tail"
_LATE = 86_400
"""A page that was left for a day starts anew, in seconds."""


class StalePlace(ValueError):  # noqa: N818 - reads as the statement it is
    """The place was not made here, or is a day old: the page has to be loaded again."""


def place_now() -> str:
    """Return the place of everything that is committed now, signed."""
    return signing.dumps(_snapshot(), salt=_SALT)


def new_since(place: str, events: "QuerySet[Any]") -> tuple[list[Event], bool, str]:
    """Return (the newest events that were committed since, whether there are more, the place to ask from next).

    Args:
        place: what `place_now` or this function returned.
        events: the scoped, filtered events.

    Raises:
        StalePlace: it is something else, or too old.
    """
    try:
        before: str = signing.loads(place, salt=_SALT, max_age=_LATE)
    except signing.BadSignature as error:
        raise StalePlace("not a place, or an old one") from error
    now = _snapshot()
    unseen = events.extra(
        # The plain bound lets the index on xid find the start.
        where=[
            "audit_event.xid >= pg_snapshot_xmin(%s::pg_snapshot)",
            "NOT pg_visible_in_snapshot(audit_event.xid, %s::pg_snapshot)",
            "pg_visible_in_snapshot(audit_event.xid, %s::pg_snapshot)",
        ],
        params=[before, before, now],
    ).order_by("-time", "-pk")
    rows = list(unseen[: MOST + 1])
    return rows[:MOST], len(rows) > MOST, signing.dumps(now, salt=_SALT)


def _snapshot() -> str:
    with connection().cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        return str(cursor.fetchone()[0])
