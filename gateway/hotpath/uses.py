"""When keys were last used: collected, and written in one statement at a time."""

import logging
import time
from datetime import UTC, datetime

from .database import Database, Unavailable
from .records import MemoryRecord

logger = logging.getLogger("gatehouse.gateway")

MOST_WAITING = 200_000


class Uses:
    """The uses that are not written yet.

    Args:
        database: where they go.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[MemoryRecord] = []

    def note(self, record: MemoryRecord, now: float, address: str | None) -> None:
        """Remember a use; the last one of each key counts.

        Args:
            record: the key.
            now: the monotonic second.
            address: where its user called from, None when that is not known.
        """
        record.used_at = now
        record.used_ip = address
        if not record.waiting and len(self._waiting) < MOST_WAITING:
            record.waiting = True
            self._waiting.append(record)

    async def write(self) -> None:
        """Write what is waiting; what cannot be written waits on."""
        records, self._waiting = self._waiting, []
        if not records:
            return
        # Several records may be of one key: as asked in several projects, or remembered anew.
        latest: dict[str, tuple[float, str | None]] = {}
        for record in records:
            record.waiting = False
            if record.used_at > latest.get(record.id, (0.0, None))[0]:
                latest[record.id] = (record.used_at, record.used_ip)
        offset = time.time() - time.monotonic()
        keys = sorted(latest)  # always in one order: two processes do not wait for each other crosswise
        times = [datetime.fromtimestamp(latest[key][0] + offset, UTC) for key in keys]
        try:
            await self._database.touch(keys, times, [latest[key][1] for key in keys])
        except Unavailable:
            logger.warning("when %d keys were last used is not written yet: the database does not answer", len(keys))
            for record in records:
                if not record.waiting and len(self._waiting) < MOST_WAITING:
                    record.waiting = True
                    self._waiting.append(record)
