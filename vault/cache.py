"""Unwrapped data keys of this process: few, for a while, so that a key provider is not asked for each row."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from .hidden import Hidden

CAPACITY = 4096


class DataKeyCache:
    """Holds at most `capacity` keys, the least recently used leaving first.

    Args:
        capacity: how many.
        clock: seconds of a clock that only goes forward.
    """

    def __init__(self, capacity: int = CAPACITY, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = capacity
        self._clock = clock
        self._keys: OrderedDict[tuple[UUID, UUID], tuple[Hidden, float]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, organization_id: UUID, data_key: UUID) -> Hidden | None:
        """Return the organization's key, None when it is not here or its time is over."""
        place = (organization_id, data_key)
        with self._lock:
            key, ends = self._keys.get(place, (None, 0.0))
            if key is None:
                return None
            if self._clock() >= ends:
                del self._keys[place]
                return None
            self._keys.move_to_end(place)
            return key

    def put(self, organization_id: UUID, data_key: UUID, key: Hidden, *, seconds: float) -> None:
        """Keep a key for so many seconds; 0 keeps nothing."""
        if seconds <= 0:
            return
        with self._lock:
            self._keys[organization_id, data_key] = (key, self._clock() + seconds)
            self._keys.move_to_end((organization_id, data_key))
            while len(self._keys) > self._capacity:
                self._keys.popitem(last=False)

    def forget(self, organization_id: UUID | None = None) -> None:
        """Drop an organization's keys, all of them without one."""
        with self._lock:
            for place in [p for p in self._keys if organization_id in {None, p[0]}]:
                del self._keys[place]

    def __len__(self) -> int:
        return len(self._keys)


unwrapped = DataKeyCache()
