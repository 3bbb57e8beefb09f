"""Hears what changes, over a database session of its own, and lets memory be trusted only while that is sure."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

from .database import Database
from .memory import TRUST, Memory

logger = logging.getLogger("gatehouse.gateway")

CHANNEL = "gatehouse_keys"
PING_SECONDS = 0.25
SILENCE_SECONDS = 2.0
SLOWEST_RETRY_SECONDS = 1.0


class _PoolerBetweenError(OSError):
    """A pooler answers in the server's place: notifications reach whoever holds the session at that moment."""


class Listener:
    """LISTENs for changes and for its own echo (PostgreSQL delivers a session's notifications in the order of commits).

    Args:
        conninfo: a direct session; behind a pooler memory is never trusted.
        memories: what forgets.
        database: what is told how its connections are.
        hears: what else is told of changes, and need not be.

    Attributes:
        is_listening: whether an echo came back over the present connection; None before the first attempt ended.
        heard_once: set with the first echo.
    """

    def __init__(
        self,
        conninfo: str,
        memories: Iterable[Memory[Any]],
        database: Database,
        *,
        hears: Iterable[Callable[[str], None]] = (),
    ) -> None:
        self._conninfo = conninfo
        self._memories = tuple(memories)
        self._hears = (*(memory.heard for memory in self._memories), *hears)
        self._database = database
        self._echo = f"gatehouse_echo_{secrets.token_hex(8)}"
        self.is_listening: bool | None = None
        self.heard_once = asyncio.Event()

    async def run(self) -> None:
        """Listen for ever; every loss of the connection empties memory, and so does every return."""
        pause = 0.05
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    await self._database.look_at_role(connection)
                    self._forget_everything()
                    await self._listen(connection)
            except (psycopg.Error, OSError, TimeoutError) as error:
                self._forget_everything()
                if self.is_listening or self.is_listening is None:
                    logger.warning(
                        "no notifications: every check asks the database until they come again (%s)",
                        type(error).__name__,
                    )
            if self.is_listening:
                pause = 0.05
            self.is_listening = False
            await asyncio.sleep(pause)
            pause = min(2 * pause, SLOWEST_RETRY_SECONDS)

    async def _listen(self, connection: psycopg.AsyncConnection[Any]) -> None:
        cursor = await connection.execute("SELECT pg_backend_pid()")
        if await cursor.fetchone() != (connection.info.backend_pid,):
            raise _PoolerBetweenError
        await connection.execute(f"LISTEN {CHANNEL}")
        await connection.execute(f"LISTEN {self._echo}")
        answered = time.monotonic()
        while True:
            sent = time.monotonic()
            if sent - answered > SILENCE_SECONDS:
                raise TimeoutError
            async with asyncio.timeout(SILENCE_SECONDS):
                await connection.execute("SELECT pg_notify(%s, %s)", [self._echo, repr(sent)], prepare=False)
            async for notification in connection.notifies(timeout=PING_SECONDS):
                if notification.channel == CHANNEL:
                    for hears in self._hears:
                        hears(notification.payload)
                elif notification.channel == self._echo:
                    answered = time.monotonic()
                    self._trust(float(notification.payload))

    def _forget_everything(self) -> None:
        for memory in self._memories:
            memory.forget_everything()

    def _trust(self, sent: float) -> None:
        for memory in self._memories:
            memory.trusted_until = sent + TRUST
        self._database.is_session = True
        self.heard_once.set()
        if not self.is_listening:
            self.is_listening = True
            logger.info("notifications come: memory is trusted")
