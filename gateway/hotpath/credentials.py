"""Provider credentials on the hot path: opened when they are needed, and turned into what a provider wants.

What a request waits for is in memory as a rule. Servers that give tokens and leases are asked in threads, by one
request at a time for each credential, while no organization takes more than a few of the threads.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from gateway.credential_sources import CannotObtain, obtained
from gateway.upstreams import UnknownUpstream, upstream_of
from vault import envelope
from vault.cache import DataKeyCache
from vault.envelope import Place
from vault.exceptions import VaultError
from vault.keyring import keyring

from .problems import Headers, Refused

logger = logging.getLogger("gatehouse.gateway")

TABLE, COLUMN = "gateway_providercredential", "secret"
EARLY_SECONDS = 30.0
"""What ends is asked for again this long before."""
WAIT_SECONDS = 12.0
"""For everything that one credential needs: a login, a secret, a token."""
FAILED_SECONDS = 2.0
"""For so long nobody asks again after a failure."""
THREADS, THREADS_OF_ONE = 32, 4
MOST_HELD = 20_000


@dataclass(frozen=True, slots=True)
class Credential:
    """A provider credential as the database has it; its secret is opened by `Credentials` alone.

    Attributes:
        id: which.
        organization_id: whose.
        project_id: of which project, None for the organization's.
        name: as people call it.
        provider, kind: see `gateway.models.Provider` and `gateway.models.CredentialKind`.
        upstream: where its requests go, by `gateway.upstreams.Upstream.name`.
        options: what provider and kind need besides.
        allowed_models: patterns; empty: every model.
        priority: the lowest number is tried first.
        secret: the ciphertext.
        data_key, wrapped, wrapped_by: what opens it.
        version: another one when any of this is another.
    """

    id: str
    organization_id: UUID
    project_id: str | None
    name: str
    provider: str
    kind: str
    upstream: str
    options: Mapping[str, Any]
    allowed_models: tuple[str, ...]
    priority: int
    secret: bytes = field(repr=False)
    data_key: UUID = field(repr=False)
    wrapped: bytes = field(repr=False)
    wrapped_by: int = field(repr=False)
    version: bytes = field(repr=False)


def credentials_of(rows: Iterable[Mapping[str, Any]]) -> Iterator[Credential]:
    """Yield the credentials that ``gateway_credentials`` returned, in their order.

    Those whose address the operator does not allow (any more) are left out: nothing may go there.
    """
    from django.conf import settings  # noqa: PLC0415 - nothing is read before the process asks for it

    for row in rows:
        try:
            region = str(row["options"].get("region", ""))
            upstream = upstream_of(row["provider"], row["base_url"], region, settings.PROXY_UPSTREAMS)
        except UnknownUpstream:
            continue
        version = hashlib.blake2b(json.dumps(row, sort_keys=True).encode(), digest_size=16).digest()
        yield Credential(
            id=row["id"],
            organization_id=UUID(row["organization_id"]),
            project_id=row["project_id"],
            name=row["name"],
            provider=row["provider"],
            kind=row["kind"],
            upstream=upstream.name,
            options=row["options"],
            allowed_models=tuple(row["allowed_models"]),
            priority=row["priority"],
            secret=bytes.fromhex(row["secret"]),
            data_key=UUID(row["data_key"]),
            wrapped=bytes.fromhex(row["wrapped"]),
            wrapped_by=row["wrapped_by"],
            version=version,
        )


@dataclass(frozen=True, slots=True)
class _Held:
    """What a credential came to: headers, or why there are none.

    Attributes:
        version: of the credential that it belongs to.
        until: the monotonic second at which it ends.
        headers: to inject.
        has_failed: whether there are none.
    """

    version: bytes
    until: float
    headers: Headers = field(default_factory=list, repr=False)
    has_failed: bool = False


class Credentials:
    """What this process knows of provider credentials in the clear; of each one the headers, for a while."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self._asking: dict[tuple[str, bytes], asyncio.Task[_Held]] = {}
        self._turns: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()
        self._data_keys = DataKeyCache()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="credentials")

    async def headers(self, credential: Credential) -> Headers:
        """Return the headers by which the provider knows the organization.

        Tokens and leases are kept until 30 seconds before they end; of several requests one asks for the next.

        Raises:
            Refused: there are none now (503 ``credential_unavailable``); the log says why.
        """
        held = self._current(credential, monotonic()) or await self._renewed(credential)
        if held.has_failed:
            raise _unavailable(held)
        return held.headers

    def ready(self, credential: Credential, now: float) -> Headers | None:
        """Return what `headers` would, if nothing has to be asked for it; None otherwise.

        Args:
            credential: the credential.
            now: the monotonic second.
        """
        held = self._current(credential, now)
        return None if held is None or held.has_failed else held.headers

    def _current(self, credential: Credential, now: float) -> _Held | None:
        held = self._held.get(credential.id)
        return held if held is not None and held.until > now and held.version == credential.version else None

    def close(self) -> None:
        """Let go of threads and of everything that is known."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._held.clear()
        self._data_keys.forget()

    async def _renewed(self, credential: Credential) -> _Held:
        place = (credential.id, credential.version)
        task = self._asking.get(place)
        if task is None:
            task = asyncio.create_task(self._ask(credential))
            self._asking[place] = task
            task.add_done_callback(lambda _: self._asking.pop(place, None))
        # Who gives up waiting does not end it for the others.
        return await asyncio.shield(task)

    async def _ask(self, credential: Credential) -> _Held:
        started = monotonic()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                header, value, seconds = await self._in_thread(credential)
        except TimeoutError:
            failure = f"What it needs did not come within {WAIT_SECONDS:.0f} seconds."
        except CannotObtain as error:
            failure = str(error)
        except VaultError:
            logger.exception("the provider credential %s does not open", credential.id)
            failure = "Its secret does not open."
        except Exception:
            logger.exception("the provider credential %s cannot be used", credential.id)
            failure = "Something unexpected happened; the gateway's log has it."
        else:
            until = started + max(0.0, seconds - EARLY_SECONDS)
            return self._keep(credential, _Held(credential.version, until, [(header.encode(), value.encode())]))
        logger.warning("the provider credential %s cannot be used: %s", credential.id, failure)
        return self._keep(credential, _Held(credential.version, monotonic() + FAILED_SECONDS, has_failed=True))

    async def _in_thread(self, credential: Credential) -> tuple[str, str, float]:
        """Return what `_obtain` does, when it is the organization's turn.

        A turn lasts as long as its thread works, also when nobody waits for it any more.
        """
        turn = self._turns.get(credential.organization_id)
        if turn is None:
            turn = self._turns[credential.organization_id] = asyncio.Semaphore(THREADS_OF_ONE)
        await turn.acquire()
        loop = asyncio.get_running_loop()

        def over(_work: Future[Any]) -> None:
            with suppress(RuntimeError):  # the process is ending
                loop.call_soon_threadsafe(turn.release)

        try:
            work = self._threads.submit(self._obtain, credential)
        except BaseException:
            turn.release()
            raise
        work.add_done_callback(over)
        return await asyncio.wrap_future(work)

    def _keep(self, credential: Credential, held: _Held) -> _Held:
        self._held.pop(credential.id, None)
        while len(self._held) >= MOST_HELD:
            del self._held[next(iter(self._held))]
        self._held[credential.id] = held
        return held

    def _obtain(self, credential: Credential) -> tuple[str, str, float]:
        """Return header, value and for how many seconds they are good; runs in a thread."""
        found = obtained(credential.provider, credential.kind, credential.options, self._open(credential))
        seconds = found.seconds if found.seconds is not None else EARLY_SECONDS + _kept_seconds()
        return found.header, found.value, seconds

    def _open(self, credential: Credential) -> str:
        organization_id = credential.organization_id
        key = self._data_keys.get(organization_id, credential.data_key)
        if key is None:
            context = {"organization": str(organization_id), "data_key": str(credential.data_key)}
            key = keyring().provider(credential.wrapped_by).unwrap(credential.wrapped, context)
            self._data_keys.put(organization_id, credential.data_key, key, seconds=_kept_seconds())
        place = Place(organization_id, TABLE, COLUMN, credential.id)
        return envelope.unseal(key, place, credential.secret).expose().decode()


def _kept_seconds() -> float:
    """Return how long what was opened stays in memory."""
    from django.conf import settings  # noqa: PLC0415 - nothing is read before the process asks for it

    return float(settings.KEYRING.cache_seconds)


def _unavailable(held: _Held) -> Refused:
    """Return the refusal; who may only call models learns neither the credential's name nor where its secret lies."""
    seconds = max(1, round(held.until - monotonic()))
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "credential_unavailable",
        "The credential for this provider cannot be used now. Try again in a moment; if it stays so, let an "
        "administrator test the provider credentials, which says why.",
        headers=[(b"retry-after", b"%d" % seconds)],
    )
