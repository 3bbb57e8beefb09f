"""The cache without Redis: one table that all processes of all machines share.

What is here has to hold across processes: how often somebody tried to sign in, to confirm who they are or to reset a
password. Values are JSON: whoever could write the table could make a process run a pickle.
"""

import json
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connections

from isolation.scope import APP

_GET = "SELECT value FROM portal_cache WHERE key = %s AND (expires_at IS NULL OR expires_at > clock_timestamp())"
_SET = """
INSERT INTO portal_cache AS entry (key, value, expires_at)
VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, expires_at = EXCLUDED.expires_at
"""
# Of two at the same moment the second waits for the first one's transaction, and then finds its entry.
_ADD = _SET + "WHERE entry.expires_at <= clock_timestamp()"
_TOUCH = """
UPDATE portal_cache SET expires_at = clock_timestamp() + make_interval(secs => %s)
WHERE key = %s AND (expires_at IS NULL OR expires_at > clock_timestamp())
"""


class SharedCache(BaseCache):
    """Keeps values in the database, in the transaction that is open: what rolls back was never counted."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        """Return the value, `default` when there is none or its time is over."""
        found = self._fetch(_GET, [self.make_and_validate_key(key, version)])
        return default if found is None else json.loads(found[0])

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        """Keep a value for so many seconds, for ever when that is None."""
        self._run(_SET, [self.make_and_validate_key(key, version), json.dumps(value), self._seconds(timeout)])

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Keep a value unless there is one; return whether it is kept."""
        stored = [self.make_and_validate_key(key, version), json.dumps(value), self._seconds(timeout)]
        return self._run(_ADD, stored) == 1

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Keep what is there for so many seconds from now; return whether there is something."""
        return self._run(_TOUCH, [self._seconds(timeout), self.make_and_validate_key(key, version)]) == 1

    def delete(self, key: str, version: int | None = None) -> bool:
        """Forget a value; return whether there was one."""
        return self._run("DELETE FROM portal_cache WHERE key = %s", [self.make_and_validate_key(key, version)]) == 1

    def clear(self) -> None:
        """Forget everything."""
        self._run("DELETE FROM portal_cache", [])

    def sweep(self) -> int:
        """Forget what is over; return how much that was."""
        return self._run("DELETE FROM portal_cache WHERE expires_at <= clock_timestamp()", [])

    def _seconds(self, timeout: Any) -> float | None:
        if timeout is DEFAULT_TIMEOUT:
            return self.default_timeout
        return None if timeout is None else float(timeout)

    @staticmethod
    def _fetch(statement: str, parameters: list[Any]) -> Any:
        with connections[APP].cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchone()

    @staticmethod
    def _run(statement: str, parameters: list[Any]) -> int:
        with connections[APP].cursor() as cursor:
            cursor.execute(statement, parameters)
            return int(cursor.rowcount)
