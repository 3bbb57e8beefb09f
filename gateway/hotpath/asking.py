"""Who sends an LLM request: by a token or by an API key, and whether they may, as things are now."""

import math
import time
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID

from gateway.claims import SKEW_SECONDS, Claims, TokenRefused
from tenants.permissions import P

from .actors import Caller
from .check_requests import PROJECT_HEADER, key_of, token_of
from .config import Config
from .database import Database, Unavailable
from .denials import denied
from .introspection import Introspection
from .memory import Memory, Remembered
from .places import Place
from .proxy_request import ProxyRequest
from .records import MemoryRecord
from .requests import Credential, names_project
from .tokens import Tokens

_NOWHERE = str(UUID(int=0))


@dataclass(slots=True)
class Asker:
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


class Askers:
    """Finds out who asks, from memory where it may be trusted.

    Args:
        config: of the process.
        database: asked when memory does not know, or is not to be trusted.
        introspection: knows API keys, and limits guesses at them.
    """

    def __init__(self, config: Config, database: Database, introspection: Introspection) -> None:
        self._config = config
        self._database = database
        self._introspection = introspection
        size, remember, unknown = config.cache_keys, config.remember, config.remember_unknown
        self._tokens = Tokens(database, issuer=config.issuer, size=size, remember=remember)
        self._places: Memory[Place] = Memory(size=size, remember=remember, remember_unknown=unknown)
        self._callers: Memory[Caller] = Memory(size=size, remember=remember, remember_unknown=unknown)

    @property
    def memories(self) -> tuple[Memory[Any], ...]:
        """Return what has to hear of changes."""
        return self._places, self._callers, self._tokens.memory

    @property
    def trusted_until(self) -> float:
        """Return the monotonic second up to which memory may be believed."""
        return self._places.trusted_until

    async def who(self, headers: dict[bytes, bytes], address: str | None, request: ProxyRequest) -> Asker:
        """Return who asks; what becomes known on the way is noted in `request`.

        Raises:
            Refused: they may not ask, or show nothing.
            Unavailable: nobody can say.
        """
        named = headers.get(PROJECT_HEADER, b"").decode("latin-1")
        if named and not names_project(named):
            raise denied("project_unknown")
        token, is_langsmith = token_of(headers)
        if token:
            asker = await self._by_token(token, named, request, is_langsmith=is_langsmith)
        else:
            asker = await self._by_key(key_of(headers), named, address, request)
        caller = asker.caller
        if caller.key_is_over:
            raise denied("token_revoked" if asker.claims else "key_invalid")
        if not caller.accepts(address):
            raise denied("network_not_allowed")
        if not caller.may_invoke or (asker.claims is not None and P.LLM_INVOKE not in asker.claims.scope):
            raise denied("permission_missing")
        return asker

    async def _by_token(self, token: str, named: str, request: ProxyRequest, *, is_langsmith: bool) -> Asker:
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
        return Asker(place, caller, keys, ends=ends, claims=claims)

    async def _by_key(self, secret: str, named: str, address: str | None, request: ProxyRequest) -> Asker:
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
        return Asker(place, caller, record, record=record)

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


def _name(request: ProxyRequest, caller: Caller) -> None:
    """Note who asks."""
    request.actor_type, request.actor_id, request.actor_label = caller.type, caller.id, caller.label
    request.api_key_id = caller.key_id


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
