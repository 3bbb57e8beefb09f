"""The ASGI application of the gateway's process: introspection, the check of LLM requests, and how the process is.

Bare ASGI, without a framework and without `django.setup()`. What was asked before, in the very same words, is answered
by `Gateway.__call__` itself from memory; everything else takes the longer way through `gateway.hotpath.introspection`.
"""

import asyncio
import contextlib
import gc
import hashlib
import logging
import logging.config
import re
import secrets
from asyncio import current_task
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from time import monotonic
from typing import Any

from .check import Check
from .config import Config
from .counters import counters_at
from .credentials import Credentials
from .database import Database, Unavailable
from .introspection import Introspection
from .limiter import Limiter
from .limits import Limits
from .listener import Listener
from .memory import Memory
from .prices import Prices
from .problems import Headers, Refused, malformed, unavailable
from .records import MemoryRecord
from .requests import BODY_BYTES, client_of, credential_of, headers_of, question_of
from .usage import Usage
from .uses import Uses

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

logger = logging.getLogger("gatehouse.gateway")

INTROSPECT = "/api/v1/introspect"
CHECK = b"/check/"
LOOK_SECONDS = 2.0
BODY_SECONDS = 10.0
START_SECONDS = 5.0
# A body this large is read to its end before it is refused: a client that is still sending when the connection closes
# may never see the answer (RFC 9112 section 9.6).
DRAINED_BYTES = 2**20
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_JSON: Headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
_PROBLEM: Headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
_LONG = b"10000"  # bytes of a body that the short way no longer reads
_UNREAD: Message = {"body": b"", "more_body": True}


class _Remembered:
    """An answer together with whose validity it rests on, and where the two keys were used from."""

    __slots__ = ("address", "caller", "client_ip", "message", "record")

    def __init__(
        self, caller: MemoryRecord, record: MemoryRecord, message: Message, address: str | None, client_ip: str | None
    ) -> None:
        self.caller = caller
        self.record = record
        self.message = message
        self.address = address
        self.client_ip = client_ip


class Gateway:
    """One process's application.

    Args:
        config: read from the settings at start-up when it is not given.
    """

    def __init__(self, config: Config | None = None) -> None:
        self._given = config
        self._hash = hashlib.blake2b(digest_size=16, key=secrets.token_bytes(32))
        self._request_prefix = secrets.token_hex(8).encode() + b"-"
        self._requests = 0
        self._answers: dict[bytes, _Remembered] = {}
        self._reading: dict[asyncio.Task[Any] | None, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one lifespan."""
        if scope["type"] != "http":
            await self._lifespan(receive, send)
            return
        if scope["path"] != INTROSPECT or scope["method"] != "POST":
            await self._elsewhere(scope, send)
            return
        pairs = scope["headers"]
        headers = dict(pairs)
        place = b""
        event: Message = _UNREAD
        try:
            # The short way: these very bytes were asked before, and nothing has changed since. Headers that came twice,
            # a query, and a body that is large or of unknown size take the longer way from the beginning. Everything
            # is written out here: a call costs as much as a lookup.
            if (
                len(headers) == len(pairs)
                and not scope["query_string"]
                and len(headers.get(b"content-length", _LONG)) < len(_LONG)
                and b"transfer-encoding" not in headers  # then the length says nothing (RFC 9112 section 6.3)
            ):
                # A deadline for each body would cost more than all the rest: one task looks after all of them.
                task, now = current_task(), monotonic()
                self._reading[task] = now
                try:
                    event = await receive()
                finally:
                    del self._reading[task]
                # A body that comes in parts has no place here: what follows its first part is not in the hash. Granian
                # calls no part the last one, so that the length decides.
                if headers[b"content-length"] == b"%d" % len(event.get("body", b"")):
                    place = self._place_of(scope["client"], headers, event)
                remembered = self._answers.get(place) if place else None
                if remembered is not None:
                    now = monotonic()
                    caller, record = remembered.caller, remembered.record
                    if caller.until > now and record.until > now and self._memory.trusted_until > now:
                        caller.used_at = record.used_at = now
                        caller.used_ip, record.used_ip = remembered.address, remembered.client_ip
                        if not (caller.waiting and record.waiting):
                            self._uses.note(caller, now, remembered.address)
                            self._uses.note(record, now, remembered.client_ip)
                        await send(self._start(200, _JSON, headers.get(b"x-request-id")))
                        await send(remembered.message)
                        return
            await self._introspect(scope, receive, send, event, place)
        except asyncio.CancelledError:
            await self._refuse(scope, send, _too_slow())
        except ConnectionError:
            # The client has gone, or its body broke off in the middle of a chunk.
            await self._refuse(scope, send, malformed("The body broke off before its end. Send the request again."))

    async def _introspect(self, scope: Scope, receive: Receive, send: Send, event: Message, place: bytes) -> None:
        """Answer by the longer way, and remember the answer when it is a valid key's."""
        try:
            headers = headers_of(scope["headers"])
            if scope["query_string"]:
                raise malformed("A key in an address would end up in logs. Send the parameters in the body.")
            body = await _read(headers, event, receive)
            address = client_of(scope, headers, self._config.trusted_proxies)
            caller = await self._introspection.caller(credential_of(headers.get(b"authorization")), address)
            question = question_of(headers, body)
            answer = await self._introspection.answer(caller, question, address)
            self._uses.note(caller, monotonic(), address)
        except Unavailable:
            await self._refuse(scope, send, unavailable())
            return
        except Refused as refused:
            await self._refuse(scope, send, refused)
            return
        message: Message = {"type": "http.response.body", "body": answer.body}
        if place and answer.record is not None:
            self._remember(place, _Remembered(caller, answer.record, message, address, question.client_ip))
        await send(self._start(HTTPStatus.OK, _JSON, headers.get(b"x-request-id")))
        await send(message)

    async def _elsewhere(self, scope: Scope, send: Send) -> None:
        """Answer what is asked about LLM requests, the probes, and what is not there."""
        if scope["raw_path"].startswith(CHECK):
            shown = dict(scope["headers"])
            await self._check(scope, shown, send, self._identify(shown.get(b"x-request-id")))
            return
        path, method = scope["path"], scope["method"]
        if path in {"/healthz/live", "/healthz/ready"} and method in {"GET", "HEAD"}:
            healthy, body = (True, b'{"status":"ok"}') if path.endswith("live") else await self._health()
            status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
            await send(self._start(status, _JSON, None))
            await send({"type": "http.response.body", "body": body})
            return
        allowed = {INTROSPECT: b"POST", "/healthz/live": b"GET, HEAD", "/healthz/ready": b"GET, HEAD"}.get(path)
        if allowed is None:
            detail = f"There is nothing at this address. Keys are verified by POST {INTROSPECT}."
            refused = Refused(HTTPStatus.NOT_FOUND, "not_found", detail)
        else:
            detail = "This address does not take that method; the Allow header lists those that it takes."
            headers = [(b"allow", allowed)]
            refused = Refused(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", detail, headers=headers)
        await self._refuse(scope, send, refused)

    async def _health(self) -> tuple[bool, bytes]:
        """Return whether requests may come, and why; without notifications they may: the database is asked."""
        memory = "trusted" if self._memory.is_trusted else "not trusted"
        try:
            await self._database.ask()
        except Unavailable:
            database = "unreachable"
        else:
            database = "ok"
        role = {True: "ok", False: "too powerful", None: "unknown"}[self._database.is_fit]
        healthy = database == "ok" and self._database.is_fit is not False
        text = (
            f'{{"status":"{"ok" if healthy else "unavailable"}","checks":{{"database":"{database}",'
            f'"database_role":"{role}","memory":"{memory}"}},"keys":{len(self._memory)}}}'
        )
        return healthy, text.encode()

    async def _refuse(self, scope: Scope, send: Send, refused: Refused) -> None:
        start = self._start(refused.status, [*_PROBLEM, *refused.headers], dict(scope["headers"]).get(b"x-request-id"))
        await send(start)
        await send({"type": "http.response.body", "body": refused.body(start["headers"][-1][1].decode())})

    def _start(self, status: int, headers: Headers, request_id: bytes | None) -> Message:
        """Return the start of a response; its last header is the request's id."""
        return {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"x-request-id", self._identify(request_id))],
        }

    def _identify(self, request_id: bytes | None) -> bytes:
        """Return a request's own id, or a new one where it has none that can be passed on."""
        if request_id is None or not _REQUEST_ID.fullmatch(request_id):
            self._requests += 1
            return b"%b%x" % (self._request_prefix, self._requests)
        return request_id

    def _place_of(self, client: tuple[str, int] | None, headers: dict[bytes, bytes], event: Message) -> bytes:
        """Return where the answer to a request lies: a hash of all that decides about it, under a secret.

        Raises:
            ConnectionError: there is no request any more.
        """
        try:
            body = event["body"]
        except KeyError:
            raise ConnectionError from None  # http.disconnect
        get = headers.get
        digest = self._hash.copy()
        # No header can hold a line's end, and the body comes last: nothing else makes the same text.
        digest.update(
            b"\n".join(
                (
                    get(b"authorization", b""),
                    get(b"content-type", b""),
                    get(b"content-encoding", b""),
                    get(b"x-forwarded-for", b""),
                    client[0].encode() if client else b"",
                    body,
                )
            )
        )
        return digest.digest()

    def _remember(self, place: bytes, remembered: _Remembered) -> None:
        size = self._config.cache_keys
        self._answers.pop(place, None)
        if len(self._answers) >= size:
            del self._answers[next(iter(self._answers))]
        self._answers[place] = remembered

    # --- The process ---------------------------------------------------------------------------

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._start_up()
        except Exception as error:  # noqa: BLE001 - whatever it is, the process must not serve
            await send({"type": "lifespan.startup.failed", "message": f"Gatehouse: {error}"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._shut_down()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start_up(self) -> None:
        config = self._given
        if config is None:
            from django.conf import settings  # noqa: PLC0415 - nothing is read before the process starts

            config = Config.from_settings()
            logging.config.dictConfig(settings.LOGGING)
        self._config = config
        self._memory: Memory[MemoryRecord] = Memory(
            size=config.cache_keys, remember=config.remember, remember_unknown=config.remember_unknown
        )
        self._database = Database(config.conninfo)
        await self._database.open()
        self._uses = Uses(self._database)
        self._introspection = Introspection(
            self._memory,
            self._database,
            self._uses,
            by_address=Limiter(config.guesses_per_minute),
            by_key=Limiter(config.guesses_per_key),
        )
        prices = Prices(self._database.one)
        self._limits = Limits(
            counters_at(config.counter_url, self._database.one), prices, has_transformer=config.transformer
        )
        self._usage = Usage(self._database.one, prices)
        self._credentials = Credentials()
        self._check = Check(
            config,
            self._database,
            self._introspection,
            self._uses,
            credentials=self._credentials,
            limits=self._limits,
            usage=self._usage,
        )
        memories = (self._memory, *self._check.memories)
        listener = Listener(config.conninfo, memories, self._database, hears=(prices.heard,))
        # What lives as long as the process is never looked at again, and a full memory only rarely: a look at all of it
        # would hold every answer for tens of milliseconds. The young are looked at as often as ever: requests leave
        # cycles behind, and letting them pile up doubles the processor time of each.
        gc.collect()
        gc.freeze()
        gc.set_threshold(700, 20, 200)
        work = (listener.run(), self._look_after(), self._limits.run())
        self._tasks = [asyncio.create_task(each) for each in work]
        with contextlib.suppress(TimeoutError):  # without the database it serves too, and refuses everything
            await asyncio.wait_for(listener.heard_once.wait(), START_SECONDS)

    async def _look_after(self) -> None:
        """Write uses, and end the requests whose bodies do not come."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            latest = monotonic() - BODY_SECONDS
            for task in [task for task, since in self._reading.items() if task and since < latest]:
                task.cancel()
            for write in (self._uses.write, self._check.write, self._usage.write):
                try:
                    await write()
                except Exception:
                    logger.exception("what was used could not be written")

    async def _shut_down(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._uses.write()
        await self._check.write(at_once=True)
        await self._usage.write()
        await self._limits.close()
        self._credentials.close()
        await self._database.close()


async def _read(headers: dict[bytes, bytes], event: Message, receive: Receive) -> bytes:
    """Return the whole body.

    Raises:
        Refused: it is too large, or does not come.
    """
    if "body" not in event:
        raise ConnectionError  # http.disconnect
    body: bytes = event["body"]
    length = headers.get(b"content-length", b"0")
    too_large = not length.isdigit() or len(length) > len(str(DRAINED_BYTES)) or int(length) > DRAINED_BYTES
    received = len(body)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while event.get("more_body") and received <= DRAINED_BYTES and not too_large:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise ConnectionError
                part = event.get("body", b"")
                received += len(part)
                if received <= BODY_BYTES:
                    body += part
    except TimeoutError:
        raise _too_slow() from None
    if too_large or received > BODY_BYTES:
        detail = f"The body is larger than {BODY_BYTES // 1024} KiB. Send fewer tokens at once."
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", detail)
    return body


def _too_slow() -> Refused:
    detail = f"The body did not come within {BODY_SECONDS:.0f} s. Send it again."
    return Refused(HTTPStatus.REQUEST_TIMEOUT, "too_slow", detail)


application = Gateway()
