"""Token introspection (RFC 7662): what a key may do now, told to services that may ask."""

import asyncio
import hmac
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from uuid import UUID

from accounts.key_format import parse_public_id, parse_secret
from isolation.addresses import counted_as
from tenants.permissions import P

from .database import Database
from .limiter import Limiter
from .memory import Memory
from .problems import not_authenticated, permission_missing, too_many_guesses
from .records import INACTIVE, MemoryRecord
from .requests import Credential, Question, names_project, token_credential
from .uses import Uses


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back.

    Attributes:
        body: JSON.
        record: the one key that the whole answer is about, when it is valid.
    """

    body: bytes
    record: MemoryRecord | None = None


class Introspection:
    """Recognizes callers and answers their questions.

    Args:
        memory: asked first.
        database: asked when memory does not know, or is not to be trusted.
        uses: where it is noted that a key was used.
        by_address: wrong guesses by address.
        by_key: wrong guesses by public id.
    """

    def __init__(
        self, memory: Memory[MemoryRecord], database: Database, uses: Uses, *, by_address: Limiter, by_key: Limiter
    ) -> None:
        self._memory = memory
        self._database = database
        self._uses = uses
        self._by_address = by_address
        self._by_key = by_key

    async def caller(self, credential: Credential, address: str | None) -> MemoryRecord:
        """Return the key of the calling service.

        Args:
            credential: what it shows.
            address: where it calls from.

        Raises:
            Refused: the key is not valid here.
            Unavailable: nobody can say.
        """
        record = await self.look_up(credential, "", address)
        if record is None or not record.is_active or not record.accepts(address):
            raise not_authenticated()
        return record

    async def answer(self, caller: MemoryRecord, question: Question, address: str | None) -> Answer:
        """Return the answer.

        Args:
            caller: who asks.
            question: what.
            address: where the caller calls from.

        Raises:
            Refused: the caller may not ask, or too many wrong keys were tried.
            Unavailable: nobody can say.
        """
        project = _project_of(caller, question)
        now = time.monotonic()
        if not question.many:
            record = await self._visible(caller, question.tokens[0], project, question.client_ip, address)
            if record is None:
                return Answer(INACTIVE)
            self._uses.note(record, now, question.client_ip)
            return Answer(record.body or INACTIVE, record)
        looks: list[Awaitable[MemoryRecord | None]] = [
            self._visible(caller, token, project, question.client_ip, address) for token in question.tokens
        ]
        bodies = []
        for record in await asyncio.gather(*looks):
            if record is not None:
                self._uses.note(record, now, question.client_ip)
            bodies.append((record.body if record else None) or INACTIVE)
        return Answer(b'{"results":[' + b",".join(bodies) + b"]}")

    async def _visible(
        self, caller: MemoryRecord, token: str, project: str, client_ip: str | None, address: str | None
    ) -> MemoryRecord | None:
        """Return a valid key that the caller may learn about; everything else is None, and looks the same."""
        if project and not names_project(project):
            return None
        # An address that an organization's service merely names is charged in that organization alone: otherwise its
        # wrong keys could shut out whoever really is at that address. The platform's own services are believed.
        witness = caller.organization_id or "" if client_ip else ""
        record = await self.look_up(token_credential(token), project, client_ip or address, witness)
        if record is None or not record.is_active or record.is_platform or not _may_learn(caller, record):
            return None
        # A service that looks at its own key is the one that uses it.
        used_from = client_ip or (address if record.id == caller.id else None)
        return record if record.accepts(used_from) else None

    async def look_up(
        self, credential: Credential, project: str, address: str | None, witness: str = ""
    ) -> MemoryRecord | None:
        """Return what is known about a credential; None when it is wrong.

        Args:
            credential: a secret, perhaps with a public id.
            project: the project in question, or "".
            address: who is charged for a wrong guess.
            witness: the organization on whose word alone the address is known, or "".
        """
        secret, public_id = credential.secret, credential.public_id
        if not secret.isascii() or not public_id.isascii():
            return None
        place = self._memory.place_of(f"{secret} {project}")
        known = self._memory.recall(place, time.monotonic())
        if known is None:
            bucket = f"{witness} {counted_as(address)}" if witness else counted_as(address)
            known = await self._guess(place, credential, project, bucket)
        if not isinstance(known, MemoryRecord):
            return None
        if public_id and not hmac.compare_digest(public_id, known.public_id):
            return None
        return known

    async def _guess(self, place: bytes, credential: Credential, project: str, bucket: str) -> MemoryRecord | None:
        """Ask the database about what memory does not know; wrong guesses are counted and run out.

        Those for a public id run out only for addresses that guessed wrong themselves: public ids are no secrets, and
        whoever knows one must not be able to shut its holder out.

        Raises:
            Refused: they have run out.
        """
        if parse_secret(credential.secret) is None:
            return None  # a typo: nobody is asked
        if credential.public_id and parse_public_id(credential.public_id) is None:
            return None
        now = time.monotonic()
        if not self._memory.has_proved(place):
            wait = self._by_address.wait(bucket, now)
            if credential.public_id and self._by_address.counted_lately(bucket, now):
                wait = max(wait, self._by_key.wait(credential.public_id, now))
            if wait:
                raise too_many_guesses(wait)
        record = await self._memory.find(place, lambda: self._database.key(credential.secret, project))
        if record is None:
            self._by_address.count(bucket, now)
            if credential.public_id:
                self._by_key.count(credential.public_id, now)
        return record


def _project_of(caller: MemoryRecord, question: Question) -> str:
    """Return the project that the question is about: a project's own service asks about its project.

    Raises:
        Refused: the caller may not verify keys there.
    """
    if caller.is_platform:
        return question.project
    if caller.authority is None:
        raise permission_missing(
            "The caller's key may not verify others. Give it the scope api_keys:introspect; its owner needs it too."
        )
    if caller.authority.project_id is not None:
        return question.project or str(caller.authority.project_id)
    if not question.project and P.API_KEYS_INTROSPECT not in caller.authority.permissions_in(None):
        raise permission_missing(
            "The caller's key may verify others in some projects only. Name one of them in the parameter “project”."
        )
    return question.project


def _may_learn(caller: MemoryRecord, record: MemoryRecord) -> bool:
    """Return whether the caller may learn about a key: one of its organization, where it may verify keys."""
    if caller.is_platform:
        return True
    if caller.authority is None or record.organization_id != caller.organization_id:
        return False
    place = UUID(record.project_id) if record.project_id else None
    return P.API_KEYS_INTROSPECT in caller.authority.permissions_in(place)
