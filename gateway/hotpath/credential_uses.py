"""When and by whom provider credentials were last used: collected, and written in one statement at a time."""

import logging
import time
from datetime import UTC, datetime

from .database import Database, Unavailable

logger = logging.getLogger("gatehouse.gateway")

WRITE_SECONDS = 10.0
MOST_WAITING = 100_000


class CredentialUses:
    """The uses that are not written yet; the last one of each credential counts.

    Args:
        database: where they go.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, tuple[float, str]] = {}
        self._written_at = 0.0

    def note(self, credential_id: str, now: float, actor: str) -> None:
        """Remember a use.

        Args:
            credential_id: of which.
            now: the monotonic second.
            actor: who, in words.
        """
        self._waiting[credential_id] = (now, actor)

    async def write(self, *, at_once: bool = False) -> None:
        """Write what is waiting, not more often than every `WRITE_SECONDS`; what cannot be written waits on."""
        now = time.monotonic()
        if not self._waiting or (now - self._written_at < WRITE_SECONDS and not at_once):
            return
        self._written_at = now
        waiting, self._waiting = self._waiting, {}
        offset = time.time() - now
        credentials = sorted(waiting)  # always in one order: two processes do not wait for each other crosswise
        times = [datetime.fromtimestamp(waiting[each][0] + offset, UTC) for each in credentials]
        try:
            await self._database.touch_credentials(credentials, times, [waiting[each][1] for each in credentials])
        except Unavailable:
            logger.warning("when %d credentials were last used is not written yet", len(credentials))
            if len(waiting) < MOST_WAITING:
                self._waiting = waiting | self._waiting
