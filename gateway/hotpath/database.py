"""The gateway's questions to PostgreSQL: raw SQL, one statement each, from a small pool."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from accounts.key_format import digest
from isolation.roles import EXCESS
from vault.keyring import keyring

from .records import MemoryRecord, record_of

logger = logging.getLogger("gatehouse.gateway")

CONNECTIONS = 4
ANSWER_SECONDS = 3.0
CONNECTION_SECONDS = 1.5
WAITING = 2_000


class Unavailable(Exception):  # noqa: N818 - reads as the statement it is
    """The database does not answer, so nobody can say that a key is valid."""


class Database:
    """A pool of connections of one process.

    Args:
        conninfo: libpq's connection string.

    Attributes:
        is_session: whether the connections are sessions of the server's own, in which statements may stay prepared;
            behind a transaction pooler they are not. The listener finds out.
        is_fit: whether the role was found to be able to do no more than it must; None before it was looked at.
    """

    def __init__(self, conninfo: str) -> None:
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            conninfo,
            min_size=1,
            max_size=CONNECTIONS,
            open=False,
            timeout=CONNECTION_SECONDS,
            max_waiting=WAITING,
            reconnect_timeout=0,
            kwargs={"autocommit": True},
            name="gateway",
        )
        self._peppers: tuple[bytes, ...] = ()
        self.is_session = False
        self.is_fit: bool | None = None

    async def open(self) -> None:
        """Read the peppers and begin to connect; returns at once.

        Raises:
            vault.exceptions.MissingKey: the keyring names a pepper that it does not have.
        """
        ring = keyring()
        self._peppers = tuple(ring.pepper(number) for number in ring.pepper_numbers)
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close(timeout=1)

    async def key(self, secret: str, project: str) -> MemoryRecord | None:
        """Return what is true now about the key with this secret.

        Args:
            secret: the whole secret.
            project: the project in question, by id or identifier, or "".

        Returns:
            The record, true now; None when there is no such key.

        Raises:
            Unavailable: the database cannot say.
        """
        started = time.monotonic()
        digests = [digest(secret, pepper) for pepper in self._peppers]
        row = await self._asked("SELECT gateway_key(%b, %b)", [digests, project])
        if row is None:
            return None
        record = record_of(row, project)
        if row["lives"] is not None:
            record.ends = started + row["lives"]
        return record

    async def signing_keys(self) -> dict[str, str]:
        """Return the published keys: each one's x by its kid.

        Raises:
            Unavailable: the database cannot say.
        """
        found: dict[str, str] = await self._asked("SELECT gateway_signing_keys()", [])
        return found

    async def place(self, organization_id: str, project_id: str) -> dict[str, Any] | None:
        """Return what ``gateway_place`` says about a project; None when there is no such organization.

        Raises:
            Unavailable: the database cannot say.
        """
        found: dict[str, Any] | None = await self._asked(
            "SELECT gateway_place(%s::uuid, %s::uuid)", [organization_id, project_id]
        )
        return found

    async def caller(
        self, organization_id: str, user: str | None, account: str | None, public_id: str
    ) -> dict[str, Any] | None:
        """Return what ``gateway_actor`` says about who asks; None when there is no such key.

        Raises:
            Unavailable: the database cannot say.
        """
        found: dict[str, Any] | None = await self._asked(
            "SELECT gateway_actor(%s::uuid, %s::uuid, %s::uuid, %s)", [organization_id, user, account, public_id]
        )
        return found

    async def touch_credentials(
        self, credentials: Sequence[str], times: Sequence[datetime], actors: Sequence[str]
    ) -> None:
        """Write when and by whom credentials were last used, in one statement.

        Raises:
            Unavailable: nothing was written.
        """
        statement = "SELECT gateway_touch_credentials(%s::uuid[], %s, %s::text[])"
        await self._one(statement, [[*credentials], [*times], [*actors]])

    async def tell(self, refusals: Jsonb) -> None:
        """Write refusals to the audit logs of their organizations.

        Raises:
            Unavailable: nothing was written.
        """
        await self._one("SELECT gateway_tell_refusals(%s)", [refusals])

    async def touch(self, keys: Sequence[str], times: Sequence[datetime], addresses: Sequence[str | None]) -> None:
        """Write when and from where keys were last used, in one statement.

        Raises:
            Unavailable: nothing was written.
        """
        await self._one("SELECT accounts_touch_keys(%s::uuid[], %s, %s::text[])", [[*keys], [*times], [*addresses]])

    async def one(self, statement: str, parameters: Sequence[Any]) -> Any:
        """Return the first value of a statement's first row, None when there is no row.

        Raises:
            Unavailable: the database cannot say; perhaps the statement was carried out all the same.
        """
        return await self._one(statement, parameters)

    async def ask(self) -> None:
        """Return when the database answers.

        Raises:
            Unavailable: it does not.
        """
        await self._one("SELECT 1", [])

    async def look_at_role(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Find out whether the role may do more than it must; then every question is refused."""
        excess = await (await connection.execute(EXCESS, [])).fetchall()
        self.is_fit = not excess
        if excess:
            logger.error(
                "every check is refused: the gateway's database role %s; connect as gatehouse_app",
                ", ".join(row[0] for row in excess),
            )

    async def _asked(self, statement: str, parameters: Sequence[Any]) -> Any:
        """Return an answer that something is allowed by; as a role that may do too much nothing is asked."""
        if self.is_fit is False:
            raise Unavailable
        return await self._one(statement, parameters)

    async def _one(self, statement: str, parameters: Sequence[Any]) -> Any:
        # A restarted server leaves a pool of dead connections: each is found out once.
        for attempts_left in range(CONNECTIONS, -1, -1):
            try:
                async with self._answering(), self._pool.connection() as connection:
                    cursor = await connection.execute(statement, parameters, prepare=self.is_session)
                    row = await cursor.fetchone()
                    return row[0] if row else None
            except psycopg.OperationalError as error:
                if isinstance(error, PoolTimeout | PoolClosed | TooManyRequests) or not attempts_left:
                    raise Unavailable from error
            except (TimeoutError, psycopg.Error) as error:
                logger.exception("the database did not answer a question about a key")
                raise Unavailable from error
        raise Unavailable

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        async with asyncio.timeout(ANSWER_SECONDS):
            yield
