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
import json
import logging
import math
import secrets
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any

from gateway.pricing import PER

from .counters import Change, Counters, CountersAway, Grant, Wish
from .prices import Prices
from .problems import Headers, Refused
from .proxy_request import ProxyRequest
from .usage import storable

logger = logging.getLogger("gatehouse.gateway")

TICK_SECONDS = 1.0
"""How long a process keeps what it does not use, and how late a settlement reaches the shared counter."""
TOGETHER_SECONDS = 0.02
"""How long the end of one request waits for the ends of others, so that they are written together."""
SLOT_SECONDS = 900
"""After which a request that nobody ended no longer counts as running: its process is dead."""
REFUSED_SECONDS = 1.0
REFUSED_SLOT_SECONDS = 0.05
"""How long a process believes that there is no room, before it asks again."""
AWAY_SECONDS = 0.5
LOG_SECONDS = 10.0
MOST_SLOTS = 256
"""That are asked for at once."""

_SHORT = ("id", "subject_kind", "subject", "metric", "window", "amount")
_WINDOWS = {"minute": 60, "day": 86_400}
_WHOSE = {
    "organization": "the organization",
    "project": "this project",
    "api_key": "this key",
    "actor": "this user or service account",
    "model": "this model",
}

Place = tuple[str, str]
"""A limit's id and the subject that is counted."""


class _Counter:
    """What this process holds of one shared counter."""

    __slots__ = (
        "ends",
        "left",
        "refused_need",
        "refused_until",
        "slots",
        "started",
        "until",
        "unused",
        "used",
        "waiting",
        "window",
    )

    def __init__(self, window: str) -> None:
        self.window = window
        self.unused = 0
        self.slots: deque[str] = deque()  # as many as are unused, where requests at the same time are counted
        self.started = 0  # the window's begin, Unix time
        self.until = 0.0  # its end, monotonic
        self.used = 0  # since the last tick
        self.waiting = 0  # the needs of those who are asking at this moment
        self.refused_need = 0
        self.refused_until = 0.0
        self.ends = 0.0
        self.left = 0

    def has(self, need: int, now: float) -> bool:
        """Return whether there is room without asking anybody."""
        if self.until <= now:
            self.unused = 0  # of a window that is over
        return self.unused >= need

    def receive(self, wish: Wish, grant: Grant, now: float) -> None:
        """Take what was granted, asked for at the monotonic second `now`."""
        is_slot = self.window == "none"
        if grant.started != self.started:
            self.unused = 0
        self.started = grant.started
        self.until = math.inf if is_slot else now + grant.seconds
        self.unused += grant.granted
        self.slots.extend(wish.names[: grant.granted])
        if not grant.granted:
            seconds = REFUSED_SLOT_SECONDS if is_slot else min(REFUSED_SECONDS, grant.seconds)
            self.refused_need, self.left = wish.need + self.unused, grant.left + self.unused
            self.refused_until = now + seconds
            self.ends = now + (1 if is_slot else grant.seconds)


@dataclass(slots=True)
class _Need:
    """How much one request needs of one limit."""

    limit: dict[str, Any]
    place: Place
    counter: _Counter
    need: int


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
        self._held: dict[str, dict[Place, _Counter]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._changes: dict[str, dict[tuple[Place, int], Change]] = {}
        self._away_until = 0.0
        self._uncounted: dict[str, tuple[float, int]] = {}
        self._slot_prefix = secrets.token_hex(8)
        self._slot_numbers = itertools.count()
        self._hurry = asyncio.Event()
        self._ticked_at = time.monotonic()

    async def admit(
        self, request: ProxyRequest, limits: Sequence[dict[str, Any]], on_outage: str, estimate: int
    ) -> None:
        """Count a request, and reserve what it will probably use; `request.reservation` says what.

        Args:
            request: the request; where its model is not known yet, limits on models wait for `admit_model`.
            limits: the organization's, as rows of ``gateway_usagelimit``.
            on_outage: what happens while nobody can count (`gateway.models.CounterOutage`).
            estimate: the tokens that it will probably use.

        Raises:
            Refused: 402 or 429, there is no room; 503, nobody can count.
        """
        pending = None
        if self._has_transformer and not request.model:
            later = [
                [limit[name] for name in _SHORT] for limit in limits if limit["is_enabled"] and _is_on_model(limit)
            ]
            if later:
                pending = [on_outage, estimate, later]
                limits = [limit for limit in limits if not _is_on_model(limit)]
        entries = await self._admit(request, limits, on_outage, estimate)
        if entries or pending:
            request.reservation = _reservation(entries, pending)

    async def admit_model(self, request: ProxyRequest) -> None:
        """Count a request against the limits on models, once its body has named the model.

        Does nothing when `admit` knew the model. After a refusal the rest of the reservation is to be released.

        Raises:
            Refused: as `admit`.
        """
        entries, pending = _parts(request.reservation)
        if pending is None:
            return
        on_outage, estimate, later = pending
        limits = [dict(zip(_SHORT, values, strict=True)) | {"is_enabled": True} for values in later]
        request.reservation = _reservation(entries, None)
        entries += await self._admit(request, limits, on_outage, estimate)
        request.reservation = _reservation(entries, None)

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
            for place, counter in list(held.items()):
                was_used, counter.used = counter.used, 0
                counter.has(0, now)  # forgets what was of a window that is over
                self._give_back(organization_id, place, counter, counter.unused - was_used)
                if not (counter.unused or was_used or counter.waiting) and counter.refused_until <= now:
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
            for place, counter in held.items():
                self._give_back(organization_id, place, counter, counter.unused)
        self._held.clear()
        await self.write()
        await self._counters.close()

    # --- Admitting -----------------------------------------------------------------------------

    async def _admit(
        self, request: ProxyRequest, limits: Iterable[dict[str, Any]], on_outage: str, estimate: int
    ) -> list[list[Any]]:
        needs = self._needs(request, limits, estimate)
        while not all(need.counter.has(need.need, time.monotonic()) for need in needs):
            try:
                await self._lease(request.organization_id, needs)
            except CountersAway:
                if on_outage != "open":
                    raise _counters_unavailable() from None
                self._say_uncounted(request)
                return []
        return [entry for need in needs if (entry := _consume(need)) is not None]

    def _needs(self, request: ProxyRequest, limits: Iterable[dict[str, Any]], estimate: int) -> list[_Need]:
        needs = []
        held = self._held.get(request.organization_id)
        for limit in limits:
            if not limit["is_enabled"] or (subject := _subject_of(limit, request)) is None:
                continue
            metric, amount, need = limit["metric"], limit["amount"], 1
            if metric in {"tokens", "cost"}:
                need = estimate
                if metric == "cost":
                    price = self._prices.of(request.provider, storable(request.model))
                    need = -(-estimate * price.dearest // PER) if price is not None else 1
                # A request that is estimated above the whole limit needs all of it; it must not wait for ever.
                need = max(1, min(need, amount))
            if held is None:
                held = self._held.setdefault(request.organization_id, {})
            place = (limit["id"], subject)
            counter = held.get(place)
            if counter is None:
                counter = held[place] = _Counter(limit["window"])
            needs.append(_Need(limit, place, counter, need))
        return needs

    async def _lease(self, organization_id: str, needs: list[_Need]) -> None:
        """Ask for what is missing, one request of an organization at a time: the others find more than they left.

        Raises:
            Refused: there is no room.
            CountersAway: nobody can say.
        """
        for need in needs:
            need.counter.waiting += need.need
        try:
            async with self._locks.setdefault(organization_id, asyncio.Lock()):
                now = time.monotonic()
                missing = [need for need in needs if not need.counter.has(need.need, now)]
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
                    need.counter.receive(wish, grant, now)
                try:
                    self._refuse_known(missing, now)
                except Refused:
                    self._take_back(organization_id, missing, wishes)
                    raise
        finally:
            for need in needs:
                need.counter.waiting -= need.need

    def _take_back(self, organization_id: str, needs: list[_Need], wishes: list[Wish]) -> None:
        """Give back at once what one limit granted and another one made useless, unless somebody else waits for it."""
        for need, wish in zip(needs, wishes, strict=True):
            if need.counter.waiting == need.need:
                self._give_back(organization_id, need.place, need.counter, min(need.counter.unused, wish.need))
        self._hurry.set()

    def _refuse_known(self, needs: list[_Need], now: float) -> None:
        """Refuse what was refused a moment ago.

        Raises:
            Refused: there was no room for so much.
        """
        refused = [
            need for need in needs if need.counter.refused_until > now and need.need >= need.counter.refused_need
        ]
        if refused:
            raise _no_room(max(refused, key=lambda need: need.counter.ends), now)

    def _wish(self, need: _Need) -> Wish:
        limit, counter = need.limit, need.counter
        missing = need.need - counter.unused
        want = max(missing, counter.waiting + counter.used - counter.unused)
        is_slot = limit["window"] == "none"
        if is_slot:
            want = min(want, MOST_SLOTS)
        return Wish(
            limit_id=limit["id"],
            kind=limit["subject_kind"],
            subject=need.place[1],
            each=_is_each(limit),
            metric=limit["metric"],
            window=limit["window"],
            amount=limit["amount"],
            need=missing,
            want=want,
            names=[f"{self._slot_prefix}-{next(self._slot_numbers):x}" for _ in range(want)] if is_slot else (),
            seconds=SLOT_SECONDS,
        )

    # --- Giving back ---------------------------------------------------------------------------

    def _give_back(self, organization_id: str, place: Place, counter: _Counter, spare: int) -> None:
        if spare <= 0:
            return
        counter.unused -= spare
        names = [counter.slots.popleft() for _ in range(min(spare, len(counter.slots)))]
        delta = 0 if counter.window == "none" else -spare
        self._note(organization_id, Change(*place, counter.window, counter.started, delta, names))

    def _end(self, request: ProxyRequest, used: dict[str, int]) -> None:
        entries, _ = _parts(request.reservation)
        request.reservation = ""
        for limit_id, subject, metric, window, started, reserved in entries:
            if window == "none":
                change = Change(limit_id, subject, window, 0, 0, [reserved])
                self._hurry.set()
            else:
                change = Change(limit_id, subject, window, started, used.get(metric, 0) - reserved)
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


def _is_on_model(limit: dict[str, Any]) -> bool:
    return bool(limit["subject_kind"] == "model")


def _is_each(limit: dict[str, Any]) -> bool:
    return limit["subject_kind"] != "organization" and not limit["subject"]


def _subject_of(limit: dict[str, Any], request: ProxyRequest) -> str | None:
    """Return whose use a limit counts for a request; None when it does not fit."""
    chosen: str = limit["subject"]
    match limit["subject_kind"]:
        case "organization":
            return ""
        case "model":
            model = storable(request.model)
            # A model that nobody names could be any of them.
            return (chosen or model) if not chosen or not model or fnmatchcase(model, chosen) else None
        case "project":
            value = request.project_id
        case "api_key":
            value = request.api_key_id or ""
        case _:
            value = request.actor_id
    return value if value and chosen in {"", value} else None


def _consume(need: _Need) -> list[Any] | None:
    """Use what is there; return what has to be known when the request ends."""
    counter, limit = need.counter, need.limit
    counter.unused -= need.need
    counter.used += need.need
    if limit["metric"] == "requests":
        return None
    is_slot = limit["window"] == "none"
    reserved = counter.slots.popleft() if is_slot else need.need
    return [*need.place, limit["metric"], limit["window"], counter.started, reserved]


def _reservation(entries: list[list[Any]], pending: list[Any] | None) -> str:
    return json.dumps([entries, pending], separators=(",", ":")) if entries or pending else ""


def _parts(reservation: str) -> tuple[list[list[Any]], list[Any] | None]:
    if not reservation:
        return [], None
    entries, pending = json.loads(reservation)
    return entries, pending


# --- Refusals ----------------------------------------------------------------------------------


def _no_room(need: _Need, now: float) -> Refused:
    limit, counter = need.limit, need.counter
    metric, window, amount = limit["metric"], limit["window"], limit["amount"]
    wait = max(1, math.ceil(counter.ends - now))
    left = max(0, min(counter.left, amount))
    whose = _WHOSE[limit["subject_kind"]]
    if metric == "concurrency":
        status, code = HTTPStatus.TOO_MANY_REQUESTS, "concurrency_exceeded"
        happened = f"As many requests of {whose} are running as are allowed at the same time ({amount:,})."
        advice = "Try again when one of them has ended"
    else:
        status, code = HTTPStatus.PAYMENT_REQUIRED, "budget_exceeded"
        if window == "minute":
            status, code = HTTPStatus.TOO_MANY_REQUESTS, "rate_limited"
        allowed, rest, asked = (_amount(metric, number) for number in (amount, left, need.need))
        happened = f"Of the {allowed} that {whose} may use in a {window} {rest} are left; this request needs {asked}."
        advice = f"Try again in {wait} s, when the next {window} begins" + (" (UTC)" if window != "minute" else "")
    policy = b'"%b";q=%d' % (metric.encode(), amount)
    if window in _WINDOWS:
        policy += b";w=%d" % _WINDOWS[window]
    headers: Headers = [
        (b"retry-after", b"%d" % wait),
        (b"ratelimit-policy", policy),
        (b"ratelimit", b'"%b";r=%d;t=%d' % (metric.encode(), left, wait)),
    ]
    detail = f"{happened} {advice}, or ask who manages the usage limits of the organization to raise this one."
    return Refused(status, code, detail, headers=headers, limit=limit["id"])


def _amount(metric: str, number: int) -> str:
    if metric == "cost":
        return f"${number // PER:,}.{number % PER:06}"
    return f"{number:,} {metric}"


def _counters_unavailable() -> Refused:
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "counters_unavailable",
        "Limits apply to this request, and they cannot be counted at this moment. Try again in a second; the "
        "organization can choose to let requests through meanwhile.",
        headers=[(b"retry-after", b"1")],
    )
