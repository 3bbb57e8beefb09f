"""What a gateway process remembers, and the proof that it may.

Memory is trusted only while the process's own echo comes back over the connection that brings the notifications. That
connection delivers in the order of commits, so an echo that was sent at a moment proves that everything committed
before it has been heard: what memory says is never older than `TRUST`.
"""

import asyncio
import hashlib
import random
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

TRUST = 0.9
"""Seconds for which an echo vouches for memory: with the answer's own time, a revocation holds within one second."""


class Remembered(Protocol):
    """What memory can hold.

    Attributes:
        ends: the monotonic second in which it ends by itself; infinite when it does not.
        until: the monotonic second up to which memory vouches for it; 0 before it is kept and once it is dropped.
    """

    ends: float
    until: float

    @property
    def is_active(self) -> bool:
        """Return whether it is valid; what is not is remembered for a shorter time."""

    @property
    def identities(self) -> tuple[str, ...]:
        """Return what it rests on: ids that notifications name, or a word that they begin with."""


R = TypeVar("R", bound=Remembered)


class _Flight(Generic[R]):
    """A question to the database that is under way."""

    __slots__ = ("heard", "task", "void")

    def __init__(self) -> None:
        self.task: asyncio.Task[R | None] | None = None
        self.heard: set[str] = set()
        self.void = False


class Memory(Generic[R]):
    """Records by the keyed hash of the key, bounded, least recently used out first.

    Args:
        size: how many records it holds, and as many unknown keys.
        remember: seconds for a valid key.
        remember_unknown: seconds for one that is unknown or not valid.

    Attributes:
        trusted_until: the monotonic second up to which memory may be believed.
    """

    def __init__(self, *, size: int, remember: float, remember_unknown: float) -> None:
        self._size = size
        self._remember = remember
        self._remember_unknown = remember_unknown
        self._secret = secrets.token_bytes(32)
        self._records: OrderedDict[bytes, R] = OrderedDict()
        self._unknown: OrderedDict[bytes, float] = OrderedDict()
        # Where the records that rest on something lie; one place alone is not worth a set.
        self._index: dict[str, bytes | set[bytes]] = {}
        self._flights: dict[bytes, _Flight[R]] = {}  # those that others may still join
        self._airborne: set[_Flight[R]] = set()  # all that are under way
        self.trusted_until = 0.0

    def __len__(self) -> int:
        return len(self._records)

    def place_of(self, text: str) -> bytes:
        """Return where a key's record lies: a hash under a secret of this process, so that memory holds no key."""
        return hashlib.blake2b(text.encode(), digest_size=16, key=self._secret).digest()

    @property
    def is_trusted(self) -> bool:
        """Return whether memory may be believed now."""
        return time.monotonic() < self.trusted_until

    async def find(self, place: bytes, fetch: Callable[[], Awaitable[R | None]]) -> R | None:
        """Return the record from memory or by `fetch`; None for an unknown key.

        Those who ask for the same key at the same time share one question to the database. What arrives while a
        notification about it does is used once and not kept.

        Raises:
            Exception: whatever `fetch` raises.
        """
        if not self.is_trusted:
            return await fetch()
        flight = self._flights.get(place)
        if flight is None:
            flight = self._flights[place] = _Flight[R]()
            flight.task = asyncio.create_task(self._fly(place, flight, fetch))
            flight.task.add_done_callback(_retrieve)  # also when all who asked have gone
        assert flight.task is not None  # noqa: S101 - set in the same step as the flight itself
        return await asyncio.shield(flight.task)

    def recall(self, place: bytes, now: float) -> R | bool | None:
        """Return a remembered record, False for a key that is known to be unknown, None when nothing is remembered."""
        if now >= self.trusted_until:
            return None
        record = self._records.get(place)
        if record is not None and record.until > now:
            self._records.move_to_end(place)
            return record
        return False if self._unknown.get(place, 0.0) > now else None

    def has_proved(self, place: bytes) -> bool:
        """Return whether a key was valid when it was last looked at, however long ago: asking again is no guess."""
        record = self._records.get(place)
        return record is not None and record.is_active

    def heard(self, what: str) -> None:
        """Forget what a notification is about.

        Args:
            what: ``key:<id>``, ``user:<id>``, ``account:<id>``, ``org:<id>`` or ``signing:<id>``.
        """
        word, _, identity = what.partition(":")
        for name in (identity, word):
            places = self._index.get(name, ())
            for place in [places] if isinstance(places, bytes) else list(places):
                self._drop(place)
        for flight in self._airborne:
            flight.heard |= {identity, word}
        # Whoever asks from now on must not be given what a question of before brings back.
        self._flights.clear()
        if word == "key":
            self._unknown.clear()  # it may be a new one

    def forget_everything(self) -> None:
        """Forget and distrust: nobody tells this process any more what changes."""
        self.trusted_until = 0.0
        for record in self._records.values():
            record.until = 0.0
        for flight in self._airborne:
            flight.void = True
        # The records stay, as dead as they are: they say which keys were no guesses.
        self._unknown.clear()
        self._flights.clear()

    async def _fly(self, place: bytes, flight: _Flight[R], fetch: Callable[[], Awaitable[R | None]]) -> R | None:
        self._airborne.add(flight)
        started = time.monotonic()
        try:
            record = await fetch()
        finally:
            self._airborne.discard(flight)
            if self._flights.get(place) is flight:
                del self._flights[place]
        if record is None:
            if not flight.void and not flight.heard:
                self._keep_unknown(place, started + self._remember_unknown)
        elif not flight.void and flight.heard.isdisjoint(record.identities):
            # Not all at once: keys that were asked for together would come back to the database together.
            seconds = self._remember * random.uniform(0.8, 1) if record.is_active else self._remember_unknown  # noqa: S311 - spread only
            self._keep(place, record, min(started + seconds, record.ends))
        return record

    def _keep(self, place: bytes, record: R, until: float) -> None:
        if place in self._records:
            self._drop(place)
        elif len(self._records) >= self._size:
            self._drop(next(iter(self._records)))
        record.until = until
        self._records[place] = record
        for identity in record.identities:
            known = self._index.get(identity)
            if known is None:
                self._index[identity] = place
            elif isinstance(known, set):
                known.add(place)
            else:
                self._index[identity] = {known, place}

    def _keep_unknown(self, place: bytes, until: float) -> None:
        if len(self._unknown) >= self._size:
            self._unknown.popitem(last=False)
        self._unknown[place] = until
        self._unknown.move_to_end(place)

    def _drop(self, place: bytes) -> None:
        record = self._records.pop(place)
        record.until = 0.0
        for identity in record.identities:
            known = self._index.get(identity)
            if isinstance(known, set):
                known.discard(place)
                if not known:
                    del self._index[identity]
            else:
                self._index.pop(identity, None)


def _retrieve(task: asyncio.Task[R | None]) -> None:
    if not task.cancelled():
        task.exception()
