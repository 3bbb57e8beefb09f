"""The authorization of LLM requests (Envoy's ext_authz over HTTP): who asks, whether they may, with which credential.

What was asked before in the very same words is answered from memory, for as long as everything that the answer rests on
is vouched for and the credential lies ready; everything else takes the longer way through `Check._decide`. Only the way
out is never remembered: limits are asked for room each time.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict
from http import HTTPStatus
from time import monotonic
from typing import Any

from gateway.upstreams import ANTHROPIC_VERSION
from isolation.addresses import peer_address

from .asking import Asker, Askers
from .check_requests import (
    SECRET_HEADER,
    SHOWN,
    SINGLE,
    STATED,
    VERSION_HEADER,
    path_of,
    wish_of,
)
from .choosing import Choice, Wish, choices
from .config import Config
from .credential_uses import CredentialUses
from .credentials import Credentials
from .database import Database, Unavailable
from .denials import DENIAL_HEADER, denied
from .introspection import Introspection
from .limits import Limits
from .memory import Memory
from .places import Place
from .problems import Headers, Refused
from .proxy_request import CONTEXT_HEADER, ProxyRequest
from .refusals import RefusalLog
from .requests import client_of, headers_of
from .routes import PROVIDERS
from .usage import Usage
from .uses import Uses

logger = logging.getLogger("gatehouse.gateway")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

PATIENCE_SECONDS = 1.0
"""For a credential that needs a token or a lease first, while there is another one to fall back to."""
SLOW_SECONDS = 0.1
"""After a longer wait for a credential everything else is looked at again."""
ESTIMATED_TOKENS = 1_000
"""What a request is taken to use until its end says what it did: nobody has seen its body yet."""
UPSTREAM_HEADER = b"x-gatehouse-upstream"
REMOVE_HEADER = b"x-envoy-auth-headers-to-remove"
UNAVAILABLE_AS_HEADER = b"x-gatehouse-unavailable-as"
"""Envoy throws the answer away that explains a 5xx. With 424 in this header an outage is answered so, and Envoy, which
sets it, makes 503 of it again."""

_VERSION = ANTHROPIC_VERSION.encode()
# Whatever a client may have sent that opens, or chooses, something at a provider, what is ours, and what a server may
# take for another method or path than the one that was allowed.
_REMOVED = (
    *SHOWN,
    *STATED,
    b"api-key",
    b"cookie",
    b"ocp-apim-subscription-key",
    b"openai-organization",
    b"openai-project",
    b"proxy-authorization",
    b"x-amz-security-token",
    b"x-goog-api-key",
    b"x-goog-user-project",
    b"x-http-method",
    b"x-http-method-override",
    b"x-method-override",
    b"x-original-url",
    b"x-rewrite-url",
)
# The headers that decide about the answer, and what stands for one that did not come.
_DECIDING = (*SHOWN, *STATED, b"x-forwarded-for", SECRET_HEADER)
_ABSENT = (b"",) * len(_DECIDING)
_PROBLEM: Headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
_NOTHING: Message = {"type": "http.response.body", "body": b""}


class _Verdict:
    """That requests in the very same words are let through, and how."""

    __slots__ = ("_context", "_values", "address", "asker", "choice", "fixed", "label")

    def __init__(
        self, asker: Asker, choice: Choice, request: ProxyRequest, fixed: Headers, address: str | None
    ) -> None:
        self.asker = asker
        self.choice = choice
        self.fixed = fixed
        self.address = address
        self.label = request.actor_label
        values = asdict(request)
        del values["request_id"], values["reservation"]
        self._values = values
        known = json.dumps(values, separators=(",", ":")).encode()[:-1] + b',"request_id":"'
        # Of a length at which Base64 can go on: what is the same for all of them is encoded once.
        self._context = urlsafe_b64encode(b" " * (-len(known) % 3) + known)

    def request(self, request_id: bytes) -> ProxyRequest:
        """Return such a request."""
        return ProxyRequest(request_id=request_id.decode(), **self._values)

    def context(self, request_id: bytes, reservation: str) -> bytes:
        """Return what `ProxyRequest.header` says of such a request; its id holds no character that JSON escapes."""
        held = json.dumps(reservation).encode() if reservation else b'""'
        return self._context + urlsafe_b64encode(b'%b","reservation":%b}' % (request_id, held))


class Check:
    """Answers whether LLM requests may pass.

    Args:
        config: of the process.
        database: asked when memory does not know, or is not to be trusted.
        introspection: knows API keys, and limits guesses at them.
        uses: where it is noted that a key was used.
        credentials: makes what goes to the provider.
        limits: says whether there is room.
        usage: counts what was refused, and what was let through where no transformer does it.
    """

    def __init__(
        self,
        config: Config,
        database: Database,
        introspection: Introspection,
        uses: Uses,
        *,
        credentials: Credentials,
        limits: Limits,
        usage: Usage,
    ) -> None:
        self._config = config
        self._uses = uses
        self._credentials = credentials
        self._limits = limits
        self._usage = usage
        self._credential_uses = CredentialUses(database)
        self._refusals = RefusalLog(database)
        self._askers = Askers(config, database, introspection)
        self._hash = hashlib.blake2b(digest_size=16, key=secrets.token_bytes(32))
        self._verdicts: dict[bytes, _Verdict] = {}

    @property
    def memories(self) -> tuple[Memory[Any], ...]:
        """Return what has to hear of changes."""
        return self._askers.memories

    async def write(self, *, at_once: bool = False) -> None:
        """Write what is waiting to be written."""
        await self._credential_uses.write(at_once=at_once)
        await self._refusals.write()

    async def __call__(self, scope: Scope, headers: dict[bytes, bytes], send: Send, request_id: bytes) -> None:
        """Answer one question.

        Args:
            scope: of a request whose path begins with ``/check/``.
            headers: the request's; of one that came twice the last.
            send: ASGI's.
            request_id: a valid one, the request's own if it has one.
        """
        place = b""
        try:
            if len(headers) == len(scope["headers"]):
                place = self._place_of(scope, headers)
                verdict = self._verdicts.get(place)
                if verdict is not None:
                    now = monotonic()
                    if self._askers.trusted_until > now and verdict.asker.holds(now):
                        injected = self._credentials.ready(verdict.choice.credential, now)
                        if injected is not None:
                            await self._let_through(send, verdict, injected, request_id, now)
                            return
            await self._decide(scope, send, request_id, place)
        except Unavailable:
            await self._refuse(send, denied("unavailable"), request_id, headers)
        except Refused as refused:
            await self._refuse(send, refused, request_id, headers)
        except Exception:
            logger.exception("request %s could not be checked", request_id.decode())
            await self._refuse(send, denied("unavailable"), request_id, headers)

    # --- The longer way ------------------------------------------------------------------------

    async def _decide(self, scope: Scope, send: Send, request_id: bytes, place: bytes) -> None:
        """Find out everything, and let the request through.

        Raises:
            Refused: it may not pass.
            Unavailable: nobody can say.
        """
        headers = headers_of(scope["headers"], single=SINGLE)
        self._refuse_strangers(scope, headers)
        path = path_of(scope)
        address = client_of(scope, headers, self._config.trusted_proxies)
        request = ProxyRequest(request_id=request_id.decode(), organization_id="", project_id="")
        try:
            asker = await self._askers.who(headers, address, request)
            wish = wish_of(scope["method"], path, headers, asker.claims)
            # Nothing that a client makes up becomes a row of the usage of its own.
            request.provider = wish.provider if wish.provider in PROVIDERS else ""
            request.model = wish.model if wish.is_bound else ""
            since = monotonic()
            choice, injected = await self._choose(wish, asker.place, request)
            now = monotonic()
            if now - since > SLOW_SECONDS or (self._askers.trusted_until > now and not asker.holds(now)):
                asker = await self._still_allowed(headers, address, request, choice)
        except Refused as refused:
            self._note(request, refused, address)
            raise
        names = {name for name, _ in injected}
        fixed: Headers = [
            (UPSTREAM_HEADER, choice.credential.upstream.encode()),
            (REMOVE_HEADER, b",".join(name for name in _REMOVED if name not in names)),
            (b"content-length", b"0"),
            *_logged(request),
        ]
        if choice.credential.provider == "anthropic" and VERSION_HEADER not in headers:
            fixed.append((VERSION_HEADER, _VERSION))
        verdict = _Verdict(asker, choice, request, fixed, address)
        if place:
            self._remember(place, verdict)
        await self._let_through(send, verdict, injected, request_id, monotonic())

    async def _still_allowed(
        self, headers: dict[bytes, bytes], address: str | None, request: ProxyRequest, choice: Choice
    ) -> Asker:
        """Return who asks, once more: while a credential got its token, anything may have been revoked.

        Raises:
            Refused: they may not ask any more.
            Unavailable: nobody can say, or the credential is another one now.
        """
        asker = await self._askers.who(headers, address, request)
        if choice.credential not in asker.place.credentials:
            raise Unavailable
        return asker

    def _refuse_strangers(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """Refuse whoever is not the proxy's Envoy: answers hold what opens a provider.

        Raises:
            Refused: neither is a secret shown, nor, where there is none, does the question come from this machine.
        """
        expected = self._config.check_secrets
        if expected:
            shown = headers.get(SECRET_HEADER, b"")
            known = [hmac.compare_digest(shown, secret) for secret in expected]
            if any(known):
                return
        else:
            peer = peer_address(scope["client"][0] if scope.get("client") else None)
            if peer is None or peer.is_loopback:
                return
        raise denied("caller_unknown")

    async def _choose(self, wish: Wish, place: Place, request: ProxyRequest) -> tuple[Choice, Headers]:
        """Return the first credential that fits and can be used, and its headers.

        Raises:
            Refused: none fits, or none of those that do can be used now.
        """
        if place.masked and not self._config.transformer and wish.method != "GET":
            raise denied("not_maskable")
        found = choices(wish, place.credentials, transformer=self._config.transformer)
        request.masked = place.masked
        failed: Refused | None = None
        for choice in found:
            credential = choice.credential
            request.provider, request.model, request.mapping = credential.provider, choice.model, choice.mapping
            request.credential_id, request.allowed_models = credential.id, [*choice.allowed_models]
            try:
                async with asyncio.timeout(None if choice is found[-1] else PATIENCE_SECONDS):
                    return choice, await self._credentials.headers(credential)
            except TimeoutError:  # it may come for those who ask later; this request has another one
                continue
            except Refused as refused:
                failed = failed or refused
        assert failed is not None  # noqa: S101 - the last one is waited for
        raise failed

    # --- The way out ---------------------------------------------------------------------------

    async def _let_through(
        self, send: Send, verdict: _Verdict, injected: Headers, request_id: bytes, now: float
    ) -> None:
        """Reserve what limits hold for the request, and answer that it may pass.

        Raises:
            Refused: there is no room.
        """
        asker = verdict.asker
        place = asker.place
        reservation = ""
        if place.limits or not self._config.transformer:
            request = verdict.request(request_id)
            if place.limits:
                try:
                    await self._limits.admit(request, place.limits, place.on_counter_outage, ESTIMATED_TOKENS)
                except Refused as refused:
                    self._note(request, refused, verdict.address)
                    raise
                reservation = request.reservation
            if not self._config.transformer:
                self._usage.note(request, "allowed")
        self._credential_uses.note(verdict.choice.credential.id, now, verdict.label)
        if asker.record is not None:
            self._uses.note(asker.record, now, verdict.address)
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    *verdict.fixed,
                    *injected,
                    (CONTEXT_HEADER, verdict.context(request_id, reservation)),
                    (b"x-request-id", request_id),
                ],
            }
        )
        await send(_NOTHING)

    async def _refuse(self, send: Send, refused: Refused, request_id: bytes, headers: dict[bytes, bytes]) -> None:
        status = refused.status
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and headers.get(UNAVAILABLE_AS_HEADER) == b"424":
            status = HTTPStatus.FAILED_DEPENDENCY
        answer = [*_PROBLEM, *refused.headers, (DENIAL_HEADER, refused.code.encode()), (b"x-request-id", request_id)]
        await send({"type": "http.response.start", "status": status, "headers": answer})
        await send({"type": "http.response.body", "body": refused.body(request_id.decode())})

    def _note(self, request: ProxyRequest, refused: Refused, address: str | None) -> None:
        """Count a refusal, when it is known whose it is."""
        if request.organization_id:
            self._usage.note(request, refused.code)
            self._refusals.note(request, refused.code, address)

    # --- Memory --------------------------------------------------------------------------------

    def _place_of(self, scope: Scope, headers: dict[bytes, bytes]) -> bytes:
        """Return where the answer to a request lies: a hash of all that decides about it, under a secret."""
        client = scope["client"]
        digest = self._hash.copy()
        # No header, path or method can hold a line's end: nothing else makes the same text.
        digest.update(
            b"\n".join(
                (
                    *map(headers.get, _DECIDING, _ABSENT),
                    b"1" if VERSION_HEADER in headers else b"",
                    scope["method"].encode(),
                    scope["raw_path"],
                    scope["query_string"],
                    client[0].encode() if client else b"",
                )
            )
        )
        return digest.digest()

    def _remember(self, place: bytes, verdict: _Verdict) -> None:
        self._verdicts.pop(place, None)
        if len(self._verdicts) >= self._config.cache_keys:
            del self._verdicts[next(iter(self._verdicts))]
        self._verdicts[place] = verdict


def _logged(request: ProxyRequest) -> Headers:
    """Return what Envoy's access log says of a request; nobody else gets to see it."""
    names = ("organization_id", "project_id", "actor_type", "actor_id", "provider", "model", "credential_id")
    found = ((name, getattr(request, name)) for name in names)
    return [
        (f"x-gatehouse-log-{name.replace('_', '-')}".encode(), str(value).encode()) for name, value in found if value
    ]
