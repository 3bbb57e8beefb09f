"""What limits hold for a request: it goes along from the process that admits it to the one in which it ends."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

Place = tuple[str, str]
"""A limit's id and the subject that is counted."""


class Entry(NamedTuple):
    """What one limit holds.

    Attributes:
        limit_id, subject, metric, window: which counter.
        started: the window's begin, in seconds of Unix time.
        reserved: how much; the name of a slot where requests at the same time are counted.
    """

    limit_id: str
    subject: str
    metric: str
    window: str
    started: int
    reserved: Any

    @property
    def place(self) -> Place:
        """Return which counter it is of."""
        return self.limit_id, self.subject


class Pending(NamedTuple):
    """What can only be said once the body is known.

    Attributes:
        on_outage: what happens while nobody can count (`gateway.models.CounterOutage`).
        estimate: the tokens that the request was admitted with.
        limits: of each limit the values of `LIMIT`.
    """

    on_outage: str
    estimate: int
    limits: list[list[Any]]


LIMIT = ("id", "subject_kind", "subject", "metric", "window", "amount")


def pending_of(on_outage: str, estimate: int, limits: Iterable[dict[str, Any]]) -> Pending | None:
    """Return what is pending of some limits; None when there are none."""
    later = [[limit[name] for name in LIMIT] for limit in limits]
    return Pending(on_outage, estimate, later) if later else None


def limits_of(pending: Pending) -> list[dict[str, Any]]:
    """Return the limits that are pending, as rows of ``gateway_usagelimit``."""
    return [dict(zip(LIMIT, values, strict=True)) | {"is_enabled": True} for values in pending.limits]


def written(entries: Iterable[Entry], pending: Pending | None = None) -> str:
    """Return a reservation as text; "" for nothing."""
    held = list(entries)
    return json.dumps([held, pending], separators=(",", ":")) if held or pending else ""


def read(reservation: str) -> tuple[list[Entry], Pending | None]:
    """Return what a text of `written` says."""
    if not reservation:
        return [], None
    entries, pending = json.loads(reservation)
    return [Entry(*entry) for entry in entries], Pending(*pending) if pending else None


def held_by(entries: Iterable[Entry], place: Place) -> int:
    """Return how much entries hold of one counter of tokens or money."""
    return sum(entry.reserved for entry in entries if entry.place == place and entry.window != "none")
