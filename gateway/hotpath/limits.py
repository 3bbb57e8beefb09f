"""Limits: every one that fits a request has to have room for it, counted exactly across all processes.

A process takes a part of what is left of a shared counter (a lease), admits requests from it without asking anybody,
and gives back what it does not use. How much it takes follows what it used lately, and is at most a sixteenth of what
is left: below sixteen there is one question for each request, so that small limits are exact and large ones cost
nothing. What is taken is never more than is left: no limit on requests is ever exceeded. Tokens and money are reserved
by an estimate and settled afterwards.
"""

import asyncio
import contextlib
import itertools
import logging
import math
import secrets
import time
from collections.abc import Iterable, Sequence

from gateway.pricing import PER

from .counters import Change, Counters, CountersAway, Wish
from .leases import Lease, Need
from .limit_refusals import counters_unavailable, no_room
from .limit_rows import ESTIMATED, LimitRow, counts_each, is_on_model, subject_of
from .prices import Prices
from .problems import Refused
from .proxy_request import ProxyRequest
from .reservations import Entry, Place, held_by, limits_of, pending_of, read, written
from .usage import storable

logger = logging.getLogger("gatehouse.gateway")

TICK_SECONDS = 1.0
"""How long a process keeps what it does not use, and how late a settlement reaches the shared counter."""
TOGETHER_SECONDS = 0.02
"""How long the end of one request waits for the ends of others, so that they are written together."""
SLOT_SECONDS = 900
"""After which a request that nobody ended no longer counts as running: its process is dead."""
AWAY_SECONDS = 0.5
LOG_SECONDS = 10.0
MOST_SLOTS = 256
"""That are asked for at once."""


class Limits:
    """The limits as one process keeps them.

    Args:
        counters: what all processes share.
        prices: what an estimate of tokens costs.
        has_transformer: whether something reads bodies and settles. Without it a request whose model only the body
            names counts against every limit on models, tokens stay counted as they were estimated, and a request at the
            same time counts until `SLOT_SECONDS` are over.
    """

    def __init__(self, counters: Counters, prices: Prices, *, has_transformer: bool = True) -> None:
        self._counters = counters
        self._prices = prices
        self._has_transformer = has_transformer
        self._held: dict[str, dict[Place, Lease]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._changes: dict[str, dict[tuple[Place, int], Change]] = {}
        self._away_until = 0.0
        self._uncounted: dict[str, tuple[float, int]] = {}
        self._slot_prefix = secrets.token_hex(8)
        self._slot_numbers = itertools.count()
        self._hurry = asyncio.Event()
        self._ticked_at = time.monotonic()

    async def admit(self, request: ProxyRequest, limits: Sequence[LimitRow], on_outage: str, estimate: int) -> None:
        """Count a request, and reserve what it will probably use; `request.reservation` says what.

        Args:
            request: the request; where its model is not known yet, limits on models wait for `admit_body`.
            limits: the organization's, as rows of ``gateway_usagelimit``.
            on_outage: what happens while nobody can count (`gateway.models.CounterOutage`).
            estimate: the tokens that it will probably use.

        Raises:
            Refused: 402 or 429, there is no room; 503, nobody can count.
        """
        pending = None
        if self._has_transformer:
            in_force = [limit for limit in limits if limit["is_enabled"]]
            waiting = [limit for limit in in_force if is_on_model(limit)] if not request.model else []
            limits = [limit for limit in in_force if not waiting or not is_on_model(limit)]
            # It goes along in a header: only what may count this request.
            estimated = [
                limit for limit in limits if limit["metric"] in ESTIMATED and subject_of(limit, request) is not None
            ]
            pending = pending_of(on_outage, estimate, waiting + estimated)
        request.reservation = written(await self._admit(request, limits, on_outage, estimate, []), pending)

    async def admit_body(self, request: ProxyRequest, tokens: int) -> None:
        """Look at a request again once its body is known: at limits on models, and whether more has to be reserved.

        After a refusal the rest of the reservation is to be released.

        Args:
            request: the request, whose body may have named the model.
            tokens: what its text comes to; when that is less than it was admitted with, the estimate stays.

        Raises:
            Refused: as `admit`.
        """
        entries, pending = read(request.reservation)
        if pending is None:
            return
        request.reservation = written(entries)
        estimate = max(pending.estimate, tokens)
        more = await self._admit(request, limits_of(pending), pending.on_outage, estimate, entries)
        request.reservation = written([*entries, *more])

    async def settle(
        self, request: ProxyRequest, *, input_tokens: int, cached_tokens: int, output_tokens: int, cost: int
    ) -> None:
        """Replace what was reserved by what was used, and end the request.

        Args:
            request: the request, in whichever process it ends; afterwards nothing is reserved for it.
            input_tokens: of the prompt, the cached ones included.
            cached_tokens: those of them that the provider had in its cache.
            output_tokens: of the answer.
            cost: millionths of a US dollar, as `Usage.note` returned it.
        """
        self._end(request, {"tokens": max(input_tokens, 0) + max(output_tokens, 0), "cost": max(cost, 0)})

    async def release(self, request: ProxyRequest) -> None:
        """End a request that used nothing: all that was reserved is given back."""
        self._end(request, {})

    # --- The process ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Write settlements and give back what is not used, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._hurry.wait()
                    await asyncio.sleep(TOGETHER_SECONDS)
            try:
                if time.monotonic() - self._ticked_at >= TICK_SECONDS:
                    self.tick()
                await self.write()
            except Exception:
                logger.exception("what the limits hold could not be written")

    def tick(self) -> None:
        """Give back what was not used lately; `write` tells the shared counters."""
        now = self._ticked_at = time.monotonic()
        for organization_id, held in list(self._held.items()):
            for place, lease in list(held.items()):
                was_used, lease.used = lease.used, 0
                lease.has(0, now)  # forgets what was of a window that is over
                self._give_back(organization_id, place, lease, lease.unused - was_used)
                if not (lease.unused or was_used or lease.waiting) and lease.refused_until <= now:
                    del held[place]
            if not held:
                del self._held[organization_id]
                self._locks.pop(organization_id, None)

    async def write(self) -> None:
        """Tell the shared counters what changed; what is uncertain is counted rather than not."""
        self._hurry.clear()
        waiting, self._changes = self._changes, {}
        is_away = False
        for organization_id, changes in waiting.items():
            told = [change for change in changes.values() if change.delta or change.names]
            if not told:
                continue
            if not is_away:
                try:
                    await self._counters.settle(organization_id, told)
                except CountersAway:
                    is_away = True
                    # Perhaps it arrived: to give back twice would admit too much, to free a slot twice does nothing.
                    told = [change for change in told if change.delta > 0 or change.names]
                else:
                    continue
            for change in told:
                self._note(organization_id, change)

    async def close(self) -> None:
        """Give back everything; what other processes may use is theirs at once."""
        for organization_id, held in self._held.items():
            for place, lease in held.items():
                self._give_back(organization_id, place, lease, lease.unused)
        self._held.clear()
        await self.write()
        await self._counters.close()

    # --- Admitting -----------------------------------------------------------------------------

    async def _admit(
        self,
        request: ProxyRequest,
        limits: Iterable[LimitRow],
        on_outage: str,
        estimate: int,
        held: Sequence[Entry],
    ) -> list[Entry]:
        """Return what was reserved besides what the request holds already.

        Raises:
            Refused: 402 or 429, there is no room; 503, nobody can count.
        """
        needs = self._needs(request, limits, estimate, held)
        while not all(need.lease.has(need.need, time.monotonic()) for need in needs):
            try:
                await self._lease(request.organization_id, needs)
            except CountersAway:
                if on_outage != "open":
                    raise counters_unavailable() from None
                self._say_uncounted(request)
                return []
        return [entry for need in needs if (entry := need.consume()) is not None]

    def _needs(
        self, request: ProxyRequest, limits: Iterable[LimitRow], estimate: int, held: Sequence[Entry]
    ) -> list[Need]:
        needs = []
        leases = self._held.get(request.organization_id)
        for limit in limits:
            if not limit["is_enabled"] or (subject := subject_of(limit, request)) is None:
                continue
            place = (limit["id"], subject)
            whole = need = self._amount(request, limit, estimate)
            if limit["metric"] in ESTIMATED:
                need -= held_by(held, place)
                if need <= 0:
                    continue
            if leases is None:
                leases = self._held.setdefault(request.organization_id, {})
            lease = leases.get(place)
            if lease is None:
                lease = leases[place] = Lease(limit["window"])
            needs.append(Need(limit, place, lease, need, whole))
        return needs

    def _amount(self, request: ProxyRequest, limit: LimitRow, estimate: int) -> int:
        """Return how much of a limit a request is taken to need."""
        metric = limit["metric"]
        if metric not in ESTIMATED:
            return 1
        need, amount = estimate, int(limit["amount"])
        if metric == "cost":
            price = self._prices.of(request.provider, storable(request.model))
            need = -(-estimate * price.dearest // PER) if price is not None else 1
        # A request that is estimated above the whole limit needs all of it; it must not wait for ever.
        return max(1, min(need, amount))

    async def _lease(self, organization_id: str, needs: list[Need]) -> None:
        """Ask for what is missing, one request of an organization at a time: the others find more than they left.

        Raises:
            Refused: there is no room.
            CountersAway: nobody can say.
        """
        for need in needs:
            need.lease.waiting += need.need
        try:
            async with self._locks.setdefault(organization_id, asyncio.Lock()):
                now = time.monotonic()
                missing = [need for need in needs if not need.lease.has(need.need, now)]
                self._refuse_known(missing, now)
                if not missing:
                    return
                if now < self._away_until:
                    raise CountersAway
                wishes = [self._wish(need) for need in missing]
                try:
                    grants = await self._counters.take(organization_id, wishes)
                except CountersAway:
                    self._away_until = time.monotonic() + AWAY_SECONDS
                    # Slots that were perhaps taken are known by their names.
                    for wish in wishes:
                        if wish.names:
                            names = list(wish.names)
                            self._note(organization_id, Change(wish.limit_id, wish.subject, wish.window, 0, 0, names))
                    raise
                for need, wish, grant in zip(missing, wishes, grants, strict=True):
                    need.lease.receive(wish, grant, now)
                try:
                    self._refuse_known(missing, now)
                except Refused:
                    self._take_back(organization_id, missing, wishes)
                    raise
        finally:
            for need in needs:
                need.lease.waiting -= need.need

    def _take_back(self, organization_id: str, needs: list[Need], wishes: list[Wish]) -> None:
        """Give back at once what one limit granted and another one made useless, unless somebody else waits for it."""
        for need, wish in zip(needs, wishes, strict=True):
            if need.lease.waiting == need.need:
                self._give_back(organization_id, need.place, need.lease, min(need.lease.unused, wish.need))
        self._hurry.set()

    def _refuse_known(self, needs: list[Need], now: float) -> None:
        """Refuse what was refused a moment ago.

        Raises:
            Refused: there was no room for so much.
        """
        refused = [need for need in needs if need.lease.refused_until > now and need.need >= need.lease.refused_need]
        if refused:
            raise no_room(max(refused, key=lambda need: need.lease.ends), now)

    def _wish(self, need: Need) -> Wish:
        limit, lease = need.limit, need.lease
        missing = need.need - lease.unused
        want = max(missing, lease.waiting + lease.used - lease.unused)
        is_slot = limit["window"] == "none"
        if is_slot:
            want = min(want, MOST_SLOTS)
        return Wish(
            limit_id=limit["id"],
            kind=limit["subject_kind"],
            subject=need.place[1],
            each=counts_each(limit),
            metric=limit["metric"],
            window=limit["window"],
            amount=limit["amount"],
            need=missing,
            want=want,
            names=[f"{self._slot_prefix}-{next(self._slot_numbers):x}" for _ in range(want)] if is_slot else (),
            seconds=SLOT_SECONDS,
        )

    # --- Giving back ---------------------------------------------------------------------------

    def _give_back(self, organization_id: str, place: Place, lease: Lease, spare: int) -> None:
        if spare <= 0:
            return
        lease.unused -= spare
        names = [lease.slots.popleft() for _ in range(min(spare, len(lease.slots)))]
        delta = 0 if lease.window == "none" else -spare
        self._note(organization_id, Change(*place, lease.window, lease.started, delta, names))

    def _end(self, request: ProxyRequest, used: dict[str, int]) -> None:
        entries, _ = read(request.reservation)
        request.reservation = ""
        counted: set[Place] = set()
        # Where more was reserved later, perhaps in the next window, what was used counts there.
        for entry in reversed(entries):
            if entry.window == "none":
                change = Change(entry.limit_id, entry.subject, entry.window, 0, 0, [entry.reserved])
                self._hurry.set()
            else:
                spent = 0 if entry.place in counted else used.get(entry.metric, 0)
                counted.add(entry.place)
                change = Change(entry.limit_id, entry.subject, entry.window, entry.started, spent - entry.reserved)
            self._note(request.organization_id, change)

    def _note(self, organization_id: str, change: Change) -> None:
        changes = self._changes.setdefault(organization_id, {})
        known = changes.setdefault(((change.limit_id, change.subject), change.started), change)
        if known is not change:
            known.delta += change.delta
            known.names += change.names

    def _say_uncounted(self, request: ProxyRequest) -> None:
        now = time.monotonic()
        said_at, more = self._uncounted.get(request.organization_id, (-math.inf, 0))
        if now - said_at < LOG_SECONDS:
            self._uncounted[request.organization_id] = (said_at, more + 1)
            return
        self._uncounted[request.organization_id] = (now, 0)
        logger.warning(
            "limits cannot be counted: request %s of organization %s was let through, and %d since this was last said",
            request.request_id,
            request.organization_id,
            more,
        )
