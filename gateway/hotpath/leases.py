"""What one process holds of the counters that all processes share."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

from .counters import Grant, Wish
from .reservations import Entry, Place

REFUSED_SECONDS = 1.0
REFUSED_SLOT_SECONDS = 0.05
"""How long a process believes that there is no room, before it asks again."""


class Lease:
    """What this process holds of one shared counter.

    Attributes:
        window: the limit's.
        unused: what may be used without asking.
        slots: as many names as are unused, where requests at the same time are counted.
        started: the window's begin, in seconds of Unix time.
        until: the monotonic second of its end.
        used: what was used since the last tick.
        waiting: the needs of those who are asking at this moment.
        refused_need, refused_until: from how much on nothing is to be had, and up to which monotonic second.
        left, ends: what was left then, and when the window will have ended.
    """

    __slots__ = (
        "ends",
        "left",
        "refused_need",
        "refused_until",
        "slots",
        "started",
        "until",
        "unused",
        "used",
        "waiting",
        "window",
    )

    def __init__(self, window: str) -> None:
        self.window = window
        self.unused = 0
        self.slots: deque[str] = deque()
        self.started = 0
        self.until = 0.0
        self.used = 0
        self.waiting = 0
        self.refused_need = 0
        self.refused_until = 0.0
        self.ends = 0.0
        self.left = 0

    def has(self, need: int, now: float) -> bool:
        """Return whether there is room without asking anybody."""
        if self.until <= now:
            self.unused = 0  # of a window that is over
        return self.unused >= need

    def receive(self, wish: Wish, grant: Grant, now: float) -> None:
        """Take what was granted, asked for at the monotonic second `now`."""
        is_slot = self.window == "none"
        if grant.started != self.started:
            self.unused = 0
        self.started = grant.started
        self.until = math.inf if is_slot else now + grant.seconds
        self.unused += grant.granted
        self.slots.extend(wish.names[: grant.granted])
        if not grant.granted:
            seconds = REFUSED_SLOT_SECONDS if is_slot else min(REFUSED_SECONDS, grant.seconds)
            self.refused_need, self.left = wish.need + self.unused, grant.left + self.unused
            self.refused_until = now + seconds
            self.ends = now + (1 if is_slot else grant.seconds)


@dataclass(slots=True)
class Need:
    """How much one request needs of one limit.

    Attributes:
        limit: the limit's row.
        place: its counter.
        lease: what this process holds of it.
        need: how much is to be had now.
        whole: together with what the request holds already.
    """

    limit: dict[str, Any]
    place: Place
    lease: Lease
    need: int
    whole: int

    def consume(self) -> Entry | None:
        """Use what is there; return what has to be known when the request ends."""
        lease, limit = self.lease, self.limit
        lease.unused -= self.need
        lease.used += self.need
        if limit["metric"] == "requests":
            return None
        reserved = lease.slots.popleft() if limit["window"] == "none" else self.need
        return Entry(*self.place, limit["metric"], limit["window"], lease.started, reserved)
