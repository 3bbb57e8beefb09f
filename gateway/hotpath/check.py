"""The authorization of LLM requests (Envoy's ext_authz over HTTP): who asks, whether they may, with which credential.

What was asked before in the very same words is answered from memory, for as long as everything that the answer rests on
is vouched for; everything else takes the longer way through `Check._decide`. Only the way out is never remembered:
credentials are asked for their headers, and limits for room, each time.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import math
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from time import monotonic
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import UUID

from accounts.key_format import KeyKind, parse_secret
from gateway.claims import SKEW_SECONDS, Claims, TokenRefused
from isolation.addresses import peer_address
from tenants.permissions import P

from .actors import Caller
from .choosing import Choice, Wish, choices
from .config import Config
from .credential_uses import CredentialUses
from .credentials import Credentials
from .database import Database, Unavailable
from .denials import DENIAL_HEADER, denied
from .introspection import Introspection
from .limits import Limits
from .memory import Memory, Remembered
from .places import Place
from .problems import Headers, Refused
from .proxy_request import CONTEXT_HEADER, ProxyRequest
from .records import MemoryRecord
from .refusals import RefusalLog
from .requests import CREDENTIAL_BYTES, Credential, client_of, headers_of, names_project
from .routes import PROVIDERS
from .tokens import Tokens
from .usage import Usage
from .uses import Uses

logger = logging.getLogger("gatehouse.gateway")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

PREFIX = "/check/"
PATIENCE_SECONDS = 1.0
"""For a credential that needs a token or a lease first, while there is another one to fall back to."""
SLOW_SECONDS = 0.1
"""After a longer wait for a credential everything else is looked at again."""
ESTIMATED_TOKENS = 1_000
"""What a request is taken to use until its end says what it did: nobody has seen its body yet."""
TOKEN_HEADER = b"x-gatehouse-llm-auth"
LANGSMITH_HEADER = b"x-langsmith-llm-auth"
PROVIDER_HEADER, MODEL_HEADER, PROJECT_HEADER = b"x-gatehouse-provider", b"x-gatehouse-model", b"x-gatehouse-project"
UPSTREAM_HEADER = b"x-gatehouse-upstream"
REMOVE_HEADER = b"x-envoy-auth-headers-to-remove"
UNAVAILABLE_AS_HEADER = b"x-gatehouse-unavailable-as"
"""Envoy throws the answer away that explains a 5xx. With 424 in this header an outage is answered so, and Envoy, which
sets it, makes 503 of it again."""

# The version of the API that is meant when the client names none (Anthropic demands one).
SECRET_HEADER = b"x-gatehouse-check-secret"
_VERSION_HEADER, _VERSION = b"anthropic-version", b"2023-06-01"
_SHOWN = (TOKEN_HEADER, LANGSMITH_HEADER, b"authorization", b"x-api-key")
_STATED = (PROVIDER_HEADER, MODEL_HEADER, PROJECT_HEADER)
_SINGLE = frozenset({*_SHOWN, *_STATED, SECRET_HEADER, b"x-request-id", _VERSION_HEADER})
# Whatever a client may have sent that opens, or chooses, something at a provider, and what is ours.
_REMOVED = (
    *_SHOWN,
    *_STATED,
    b"api-key",
    b"cookie",
    b"openai-organization",
    b"openai-project",
    b"proxy-authorization",
    b"x-amz-security-token",
    b"x-goog-api-key",
    b"x-goog-user-project",
)
_SECRET_PARAMETERS = frozenset({b"access_token", b"api-key", b"api_key", b"apikey", b"key", b"token"})
_PROBLEM: Headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
_NOTHING: Message = {"type": "http.response.body", "body": b""}
_NOWHERE = str(UUID(int=0))
_KEY_PREFIX = b"gatesk_"


@dataclass(slots=True)
class _Asker:
    """Who a request comes from, once that is certain.

    Attributes:
        place, caller: where, and who.
        rests_on: what this is known by.
        ends: the monotonic second in which it is over by itself.
        claims: the token's, None for a key.
        record: the key's own record, None for a token.
    """

    place: Place
    caller: Caller
    rests_on: Remembered
    ends: float = math.inf
    claims: Claims | None = None
    record: MemoryRecord | None = None

    def holds(self, now: float) -> bool:
        """Return whether everything that this rests on is still vouched for."""
        return self.place.until > now and self.caller.until > now and self.rests_on.until > now and self.ends > now


class _Verdict:
    """That requests in the very same words are let through, and how."""

    __slots__ = ("_context", "_values", "address", "asker", "choice", "fixed", "label")

    def __init__(
        self, asker: _Asker, choice: Choice, request: ProxyRequest, fixed: Headers, address: str | None
    ) -> None:
        self.asker = asker
        self.choice = choice
        self.fixed = fixed
        self.address = address
        self.label = request.actor_label
        values = asdict(request)
        del values["request_id"], values["reservation"]
        self._values = values
        self._context = json.dumps(values, separators=(",", ":")).encode()[1:]

    def request(self, request_id: bytes) -> ProxyRequest:
        """Return such a request."""
        return ProxyRequest(request_id=request_id.decode(), **self._values)

    def context(self, request_id: bytes, reservation: str) -> bytes:
        """Return what `ProxyRequest.header` says of such a request; its id holds no character that JSON escapes."""
        held = json.dumps(reservation).encode() if reservation else b'""'
        return urlsafe_b64encode(b'{"request_id":"%b","reservation":%b,%b' % (request_id, held, self._context))


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
        self._database = database
        self._introspection = introspection
        self._uses = uses
        self._credentials = credentials
        self._limits = limits
        self._usage = usage
        self._credential_uses = CredentialUses(database)
        self._refusals = RefusalLog(database)
        size, remember, unknown = config.cache_keys, config.remember, config.remember_unknown
        self._tokens = Tokens(database, issuer=config.issuer, size=size, remember=remember)
        self._places: Memory[Place] = Memory(size=size, remember=remember, remember_unknown=unknown)
        self._callers: Memory[Caller] = Memory(size=size, remember=remember, remember_unknown=unknown)
        self._hash = hashlib.blake2b(digest_size=16, key=secrets.token_bytes(32))
        self._verdicts: dict[bytes, _Verdict] = {}

    @property
    def memories(self) -> tuple[Memory[Any], ...]:
        """Return what has to hear of changes."""
        return self._places, self._callers, self._tokens.memory

    async def write(self, *, at_once: bool = False) -> None:
        """Write what is waiting to be written."""
        await self._credential_uses.write(at_once=at_once)
        await self._refusals.write()

    async def __call__(self, scope: Scope, send: Send, request_id: bytes) -> None:
        """Answer one question.

        Args:
            scope: of a request whose path begins with `PREFIX`.
            send: ASGI's.
            request_id: a valid one, the request's own if it has one.
        """
        pairs = scope["headers"]
        headers = dict(pairs)
        place = b""
        try:
            if len(headers) == len(pairs):
                place = self._place_of(scope, headers)
                verdict = self._verdicts.get(place)
                if verdict is not None:
                    now = monotonic()
                    if self._places.trusted_until > now and verdict.asker.holds(now):
                        try:
                            injected = await self._credentials.headers(verdict.choice.credential)
                        except Refused:  # the longer way tries the next one
                            self._verdicts.pop(place, None)
                        else:
                            if verdict.asker.holds(monotonic()):  # that may have taken a while
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
        headers = headers_of(scope["headers"], single=_SINGLE)
        self._refuse_strangers(scope, headers)
        path = _path_of(scope)
        address = client_of(scope, headers, self._config.trusted_proxies)
        request = ProxyRequest(request_id=request_id.decode(), organization_id="", project_id="")
        try:
            asker = await self._asker(headers, address, request)
            wish = _wish_of(scope["method"], path, headers, asker.claims)
            # Nothing that a client makes up becomes a row of the usage of its own.
            request.provider = wish.provider if wish.provider in PROVIDERS else ""
            request.model = wish.model if wish.is_bound else ""
            since = monotonic()
            choice, injected = await self._choose(wish, asker.place, request)
            now = monotonic()
            if now - since > SLOW_SECONDS or (self._places.trusted_until > now and not asker.holds(now)):
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
        if choice.credential.provider == "anthropic" and _VERSION_HEADER not in headers:
            fixed.append((_VERSION_HEADER, _VERSION))
        verdict = _Verdict(asker, choice, request, fixed, address)
        if place:
            self._remember(place, verdict)
        await self._let_through(send, verdict, injected, request_id, monotonic())

    async def _still_allowed(
        self, headers: dict[bytes, bytes], address: str | None, request: ProxyRequest, choice: Choice
    ) -> _Asker:
        """Return who asks, once more: while a credential got its token, anything may have been revoked.

        Raises:
            Refused: they may not ask any more.
            Unavailable: nobody can say, or the credential is another one now.
        """
        asker = await self._asker(headers, address, request)
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

    async def _asker(self, headers: dict[bytes, bytes], address: str | None, request: ProxyRequest) -> _Asker:
        """Return who asks; what becomes known on the way is noted in `request`.

        Raises:
            Refused: they may not ask, or show nothing.
            Unavailable: nobody can say.
        """
        named = headers.get(PROJECT_HEADER, b"").decode("latin-1")
        if named and not names_project(named):
            raise denied("project_unknown")
        token, is_langsmith = _token_of(headers)
        if token:
            asker = await self._by_token(token, named, request, is_langsmith=is_langsmith)
        else:
            asker = await self._by_key(_key_of(headers), named, address, request)
        caller = asker.caller
        if caller.key_is_over:
            raise denied("token_revoked" if asker.claims else "key_invalid")
        if not caller.accepts(address):
            raise denied("network_not_allowed")
        if not caller.may_invoke or (asker.claims is not None and P.LLM_INVOKE not in asker.claims.scope):
            raise denied("permission_missing")
        return asker

    async def _by_token(self, token: str, named: str, request: ProxyRequest, *, is_langsmith: bool) -> _Asker:
        try:
            claims, keys = await self._tokens.claims(token)
            organization_id, project_id = str(UUID(claims.organization_id)), str(UUID(claims.project_id))
            actor_id = str(UUID(claims.subject))
        except TokenRefused as refused:
            raise denied(refused.code, refused.detail) from None
        except ValueError:
            raise denied("token_invalid") from None
        ends = monotonic() + claims.expires_at + SKEW_SECONDS - time.time()
        request.organization_id, request.project_id = organization_id, project_id
        request.actor_type, request.actor_id = claims.actor_type, actor_id
        place = await self._place(organization_id, project_id)
        _refuse_state(place)
        request.environment = place.environment
        user = actor_id if claims.actor_type == "user" else None
        account = actor_id if claims.actor_type not in {"user", "api_key"} else None
        if claims.actor_type == "api_key" and not claims.client_id:
            raise denied("token_invalid")
        caller = await self._caller(place, user, account, claims.client_id or "", actor_id)
        _name(request, caller)
        # A key's token names the key itself.
        if place.revocations.include(claims) or caller.id != actor_id:
            raise denied("token_revoked")
        if not claims.is_for(place.audiences):
            raise denied(
                "token_invalid", "The token is for another audience than those of the organization's settings."
            )
        if is_langsmith and not place.emits_langsmith_names:
            detail = "The header X-LangSmith-LLM-Auth is taken where the organization's settings say so. Use "
            raise denied(
                "token_invalid", detail + "X-Gatehouse-LLM-Auth, or let an administrator turn LangSmith names on."
            )
        if named not in {"", place.project, project_id}:
            raise denied("project_unknown")
        return _Asker(place, caller, keys, ends=ends, claims=claims)

    async def _by_key(self, secret: str, named: str, address: str | None, request: ProxyRequest) -> _Asker:
        shown = Credential(secret)
        record = await self._introspection.look_up(shown, named, address)
        if record is None or record.organization_id is None:
            raise denied("key_invalid")
        request.organization_id = record.organization_id
        request.project_id = record.project_id or ""
        request.actor_type, request.actor_id, request.actor_label = "api_key", record.id, record.public_id
        request.api_key_id = record.id
        if not record.is_active:
            await self._say_why(record, shown, named, address)
            raise denied("key_invalid")
        if record.project_id is None:
            raise denied("project_unknown", "This key counts in many projects. Name one in “X-Gatehouse-Project”.")
        place = await self._place(record.organization_id, record.project_id)
        _refuse_state(place)
        request.environment = place.environment
        if not place.accepts_api_keys:
            raise denied("api_keys_not_accepted")
        caller = await self._caller(place, None, None, record.public_id, record.id)
        _name(request, caller)
        return _Asker(place, caller, record, record=record)

    async def _say_why(self, record: MemoryRecord, shown: Credential, named: str, address: str | None) -> None:
        """Refuse a key that is right and yet not valid here by what is wrong, as far as that is not the key.

        Raises:
            Refused: it is its organization's or project's state, or the project that was named.
        """
        assert record.organization_id is not None  # noqa: S101 - the caller has looked
        place = await self._place(record.organization_id, record.project_id or _NOWHERE)
        if place.is_suspended or (place.exists and place.is_closing):
            _refuse_state(place)
        if named:
            elsewhere = await self._introspection.look_up(shown, "", address)
            if elsewhere is not None and elsewhere.is_active:
                raise denied("project_unknown")

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

    async def _place(self, organization_id: str, project_id: str) -> Place:
        place = self._places.place_of(f"{organization_id} {project_id}")
        found = self._places.recall(place, monotonic())
        if not isinstance(found, Place):
            found = await self._places.find(place, lambda: self._fetch_place(organization_id, project_id))
        if found is None:
            raise Unavailable
        return found

    async def _fetch_place(self, organization_id: str, project_id: str) -> Place:
        row = await self._database.place(organization_id, project_id)
        return Place(row, organization_id=organization_id, project_id=project_id, defaults=self._config.proxy_defaults)

    async def _caller(self, place: Place, user: str | None, account: str | None, public_id: str, sub: str) -> Caller:
        at = self._callers.place_of(f"{place.organization_id} {place.project_id} {user} {account} {public_id} {sub}")
        found = self._callers.recall(at, monotonic())
        if not isinstance(found, Caller):
            found = await self._callers.find(at, lambda: self._fetch_caller(place, user, account, public_id, sub))
        if found is None:
            raise Unavailable
        return found

    async def _fetch_caller(
        self, place: Place, user: str | None, account: str | None, public_id: str, sub: str
    ) -> Caller:
        started = monotonic()
        row = await self._database.caller(place.organization_id, user, account, public_id)
        caller = Caller(row, organization_id=place.organization_id, project_id=place.project_id, sub=sub)
        if row and row["key"] and row["key"]["lives"] is not None:
            caller.ends = started + row["key"]["lives"]
        return caller

    def _place_of(self, scope: Scope, headers: dict[bytes, bytes]) -> bytes:
        """Return where the answer to a request lies: a hash of all that decides about it, under a secret."""
        get = headers.get
        client = scope["client"]
        digest = self._hash.copy()
        # No header, path or method can hold a line's end: nothing else makes the same text.
        digest.update(
            b"\n".join(
                (
                    get(TOKEN_HEADER, b""),
                    get(LANGSMITH_HEADER, b""),
                    get(b"authorization", b""),
                    get(b"x-api-key", b""),
                    get(PROVIDER_HEADER, b""),
                    get(MODEL_HEADER, b""),
                    get(PROJECT_HEADER, b""),
                    get(b"x-forwarded-for", b""),
                    get(SECRET_HEADER, b""),
                    b"1" if _VERSION_HEADER in headers else b"",
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


def _name(request: ProxyRequest, caller: Caller) -> None:
    """Note who asks."""
    request.actor_type, request.actor_id, request.actor_label = caller.type, caller.id, caller.label
    request.api_key_id = caller.key_id


def _logged(request: ProxyRequest) -> Headers:
    """Return what Envoy's access log says of a request; nobody else gets to see it."""
    names = ("organization_id", "project_id", "actor_type", "actor_id", "provider", "model", "credential_id")
    found = ((name, getattr(request, name)) for name in names)
    return [
        (f"x-gatehouse-log-{name.replace('_', '-')}".encode(), str(value).encode()) for name, value in found if value
    ]


def _refuse_state(place: Place) -> None:
    """Refuse where no request may come from.

    Raises:
        Refused: it is suspended, gone, or turned off.
    """
    if place.is_suspended:
        raise denied("organization_suspended")
    if not place.exists:
        raise denied("project_unknown")
    if place.is_closing:
        raise denied("project_suspended")
    if not place.is_enabled:
        raise denied("proxy_disabled")


def _path_of(scope: Scope) -> str:
    """Return the client's path as it came, still encoded.

    Raises:
        Refused: a secret stands in the query, which would take it to the provider and into logs.
    """
    query: bytes = scope["query_string"]
    if query:
        parts = query.replace(b";", b"&").split(b"&")
        if not _SECRET_PARAMETERS.isdisjoint(unquote_to_bytes(part.partition(b"=")[0]).lower() for part in parts):
            raise denied(
                "malformed",
                "A key in an address ends up in logs, and would reach the provider. Send credentials in headers.",
            )
    path: bytes = scope["raw_path"]
    return path[len(PREFIX) - 1 :].decode("latin-1")


def _token_of(headers: dict[bytes, bytes]) -> tuple[str, bool]:
    """Return the token that a request shows, or "", and whether it came under LangSmith's name alone.

    Raises:
        Refused: two different ones came.
    """
    ours, theirs = (_bare(headers.get(name, b"")) for name in (TOKEN_HEADER, LANGSMITH_HEADER))
    if ours and theirs and ours != theirs:
        raise denied("malformed", "Two different tokens came. Send one, in X-Gatehouse-LLM-Auth.")
    return ours or theirs, not ours


def _key_of(headers: dict[bytes, bytes]) -> str:
    """Return the API key that a request shows.

    Raises:
        Refused: it shows none, none of ours, or two.
    """
    scheme, _, bearer = headers.get(b"authorization", b"").partition(b" ")
    given = {headers.get(b"x-api-key", b"").strip()}
    if scheme.lower() == b"bearer":
        given.add(bearer.strip())
    keys = [key for key in given if key.startswith(_KEY_PREFIX)]
    if not keys:
        raise denied("token_invalid")
    if len(keys) > 1:
        raise denied("malformed", "Two different API keys came. Send one.")
    key = keys[0].decode("latin-1")
    parsed = parse_secret(key) if len(key) <= CREDENTIAL_BYTES else None
    if parsed is None or parsed.kind in {KeyKind.PLATFORM, KeyKind.SCIM}:
        raise denied("key_invalid")
    return key


def _bare(value: bytes) -> str:
    """Return a token without the word before it."""
    scheme, space, rest = value.strip().partition(b" ")
    return (rest.strip() if space and scheme.lower() == b"bearer" else value.strip()).decode("latin-1")


def _wish_of(method: str, path: str, headers: dict[bytes, bytes], claims: Claims | None) -> Wish:
    stated_provider = headers.get(PROVIDER_HEADER, b"").decode("latin-1")
    stated_model = headers.get(MODEL_HEADER, b"").decode("latin-1")
    if claims is None:
        return Wish(method, path, stated_provider, stated_model)
    return Wish(
        method,
        path,
        claims.model_provider or stated_provider,
        claims.model_name or stated_model,
        is_bound=bool(claims.model_name),
    )
