"""Decides, event after event, what becomes an alert; nothing here reads or writes a database.

What is decided depends on the events in the order of their numbers and on their own times alone, never on the clock or
on where a batch ends: whoever looks at the same events again finds the same alerts, by the same names.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from uuid import UUID, uuid4

from .facts import Facts
from .locations import Locator
from .models import Alert, AlertState, Sighting
from .rules import Kind, Rule, Sign
from .tuning import Tuning

KEPT_NUMBERS, KEPT_SENTENCES = 100, 10
"""Of the events of one alert."""
KEPT_VALUES = 200
"""Of one subject; beyond that the one that was seen longest ago is forgotten."""
LATE = timedelta(days=1)
"""Events may be sealed so much later than they happened and still find those around them."""
NEAR_KM = 300
"""Closer places are one: databases of addresses are not more exact."""
_LONGEST = 320
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_COARSE = 12

Key = tuple[str, str]
"""A rule and a subject."""


class Windows:
    """What is remembered of some subjects, and what became of it.

    Attributes:
        sightings: new ones, by their ids.
        touched: old ones whose time changed, by their ids.
        forgotten: ids of old ones that are not needed any more.
        raised: new alerts, by their ids.
        grown: old ones that further events have joined, by their ids.

    Args:
        log: the organization, or `INSTALLATION`.
        now: when an alert counts as raised.
        sightings, alerts: what is stored of the subjects that will come up.
    """

    def __init__(
        self, log: UUID, now: datetime, sightings: Iterable[Sighting] = (), alerts: Iterable[Alert] = ()
    ) -> None:
        self.sightings: dict[UUID, Sighting] = {}
        self.touched: dict[UUID, Sighting] = {}
        self.forgotten: list[UUID] = []
        self.raised: dict[UUID, Alert] = {}
        self.grown: dict[UUID, Alert] = {}
        self._log, self._now = log, now
        self._seen: dict[Key, list[Sighting]] = defaultdict(list)
        self._alerts: dict[Key, list[Alert]] = defaultdict(list)
        for sighting in sightings:
            self._seen[sighting.rule, sighting.subject].append(sighting)
        for alert in alerts:
            self._alerts[alert.rule, alert.subject].append(alert)

    def take(self, tuning: Tuning, facts: Facts, sign: Sign) -> None:
        """Look at an event that says something to a rule.

        Args:
            tuning: how the rule is set.
            facts: the event; those before it in the log were looked at already.
            sign: what it says.
        """
        key = (tuning.rule.key, sign.subject)
        seen = self._seen[key] = [each for each in self._seen[key] if each.expires_at >= facts.time]
        if self._counted(key, facts) or any(each.seq == facts.seq for each in seen):
            return
        match tuning.rule.kind:
            case Kind.NEW:
                self._take_new(tuning, facts, sign, seen)
            case Kind.SILENCE:
                self._take_silence(tuning, facts, sign, seen)
            case Kind.TRAVEL:
                self._take_travel(tuning, facts, sign, seen)
            case _:
                self._take_many(tuning, facts, sign, seen)

    # The kinds ----------------------------------------------------------------------------------------

    def _take_many(self, tuning: Tuning, facts: Facts, sign: Sign, seen: list[Sighting]) -> None:
        if running := self._running(tuning, facts, sign):
            self._grow(running, facts, sign)
            return
        kind, window = tuning.rule.kind, tuning.window
        if kind is Kind.DISTINCT and any(
            each.value == sign.value and abs(each.time - facts.time) <= window / _COARSE for each in seen
        ):
            return  # one row stands for those that follow it closely
        new = self._sighting(tuning, facts, sign, keep=window + LATE)
        threshold = 1 if kind is Kind.EACH else tuning.threshold
        full = full_window([*seen, new], new, window, threshold, kind)
        if not full:
            self._remember(new)
            return
        self._raise(tuning, full, sign)
        for each in full:
            self._forget(each)

    def _take_new(self, tuning: Tuning, facts: Facts, sign: Sign, seen: list[Sighting]) -> None:
        memory = timedelta(days=tuning.threshold)
        known = next((each for each in seen if each.value == sign.value), None)
        is_first = not seen
        is_new = known is None or facts.time - known.time > memory
        if known is None:
            if len(seen) >= KEPT_VALUES:
                self._forget(min(seen, key=lambda each: each.time))
            known = self._sighting(tuning, facts, sign, keep=2 * memory)
            self._remember(known)
        elif facts.time - known.time > _DAY:
            self._touch(known, facts.time, keep=2 * memory)
        if is_new and not is_first:
            self._join_or_raise(tuning, known, facts, sign)

    def _take_silence(self, tuning: Tuning, facts: Facts, sign: Sign, seen: list[Sighting]) -> None:
        keep = timedelta(days=2 * Kind.SILENCE.most)
        if not seen:
            self._remember(self._sighting(tuning, facts, sign, keep=keep))
            return
        last = seen[0]
        silence = facts.time - last.time
        if silence > _HOUR:
            self._touch(last, facts.time, keep=keep)
        if silence >= timedelta(days=tuning.threshold):
            told = Sign(sign.subject, sign.label, told=f"It had not been seen for {silence.days} days.")
            self._join_or_raise(tuning, self._sighting(tuning, facts, told, keep=keep), facts, told)

    def _take_travel(self, tuning: Tuning, facts: Facts, sign: Sign, seen: list[Sighting]) -> None:
        if sign.position is None:
            return
        latitude, longitude = sign.position
        here = Sign(sign.subject, sign.label, value=f"{latitude:.4f},{longitude:.4f},{sign.value}"[:_LONGEST])
        before = max((each for each in seen if each.time <= facts.time), key=lambda each: each.time, default=None)
        after = min((each for each in seen if each.time > facts.time), key=lambda each: each.time, default=None)
        for other in filter(None, (before, after)):
            distance, hours = distance_km(_position(other.value), sign.position), _hours(other.time, facts.time)
            if distance >= NEAR_KM and distance > tuning.threshold * hours:
                there = other.value.split(",", 2)[2]
                told = f"{there} and {sign.value}: {distance:,.0f} km within {_minutes(hours)}."
                moved = Sign(sign.subject, sign.label, told=told)
                self._join_or_raise(tuning, self._sighting(tuning, facts, moved, keep=_DAY), facts, moved)
                break
        if before is None or before.value != here.value or facts.time - before.time > _HOUR:
            self._remember(self._sighting(tuning, facts, here, keep=tuning.window + LATE))

    # Alerts -------------------------------------------------------------------------------------------

    def _counted(self, key: Key, facts: Facts) -> bool:
        """Return whether an alert was decided with this event already: somebody looks at the log again."""
        return any(
            alert.first_seq <= facts.seq <= alert.last_seq and alert.started_at <= facts.time <= alert.last_time
            for alert in self._alerts[key]
        )

    def _running(self, tuning: Tuning, facts: Facts, sign: Sign) -> Alert | None:
        """Return the alert that an event joins: of the same subject, near in time, and not settled before it."""
        for alert in self._alerts[tuning.rule.key, sign.subject]:
            if alert.state == AlertState.MUTED and not tuning.is_muted_at(facts.time):
                continue  # it told nobody
            if alert.settled_at is not None and facts.time > alert.settled_at:
                continue
            if alert.started_at - tuning.window <= facts.time <= alert.last_time + tuning.window:
                return alert
        return None

    def _join_or_raise(self, tuning: Tuning, sighting: Sighting, facts: Facts, sign: Sign) -> None:
        if running := self._running(tuning, facts, sign):
            self._grow(running, facts, sign)
        else:
            self._raise(tuning, [_at(sighting, facts)], sign)

    def _raise(self, tuning: Tuning, events: Sequence[Sighting], sign: Sign) -> None:
        rule, last_time = tuning.rule, max(each.time for each in events)
        numbers = sorted(each.seq for each in events)
        alert = Alert(
            id=uuid4(),
            organization_id=self._log,
            rule=rule.key,
            subject=sign.subject,
            subject_label=sign.label[:_LONGEST],
            severity=rule.severity,
            started_at=min(each.time for each in events),
            last_time=last_time,
            first_seq=numbers[0],
            last_seq=numbers[-1],
            count=measure(events, rule.kind),
            numbers=numbers[:KEPT_NUMBERS],
            told=[sign.told] if sign.told else [],
            state=AlertState.MUTED if tuning.is_muted_at(last_time) else AlertState.OPEN,
            raised_at=self._now,
        )
        self._alerts[rule.key, sign.subject].append(alert)
        self.raised[alert.pk] = alert

    def _grow(self, alert: Alert, facts: Facts, sign: Sign) -> None:
        if facts.seq <= alert.last_seq:
            return  # somebody looks at the log again
        alert.count += sign.amount
        alert.last_seq = facts.seq
        alert.last_time = max(alert.last_time, facts.time)
        if len(alert.numbers) < KEPT_NUMBERS:
            alert.numbers = [*alert.numbers, facts.seq]
        if sign.told and sign.told not in alert.told and len(alert.told) < KEPT_SENTENCES:
            alert.told = [*alert.told, sign.told]
        if alert.pk not in self.raised:
            self.grown[alert.pk] = alert

    # Sightings ----------------------------------------------------------------------------------------

    def _sighting(self, tuning: Tuning, facts: Facts, sign: Sign, *, keep: timedelta) -> Sighting:
        return Sighting(
            id=uuid4(),
            organization_id=self._log,
            rule=tuning.rule.key,
            subject=sign.subject,
            value=sign.value[:_LONGEST],
            amount=sign.amount,
            seq=facts.seq,
            time=facts.time,
            expires_at=facts.time + keep,
        )

    def _remember(self, sighting: Sighting) -> None:
        self._seen[sighting.rule, sighting.subject].append(sighting)
        self.sightings[sighting.pk] = sighting

    def _touch(self, sighting: Sighting, time: datetime, *, keep: timedelta) -> None:
        sighting.time, sighting.expires_at = time, time + keep
        if sighting.pk not in self.sightings:
            self.touched[sighting.pk] = sighting

    def _forget(self, sighting: Sighting) -> None:
        kept = self._seen[sighting.rule, sighting.subject]
        self._seen[sighting.rule, sighting.subject] = [each for each in kept if each is not sighting]
        if self.sightings.pop(sighting.pk, None) is None:
            self.touched.pop(sighting.pk, None)
            self.forgotten.append(sighting.pk)


def full_window(
    sightings: Iterable[Sighting], new: Sighting, window: timedelta, threshold: int, kind: Kind
) -> list[Sighting]:
    """Return the sightings of the earliest window with `new` in it that reaches the threshold; [] when none does.

    Args:
        sightings: of one subject, in any order, `new` among them.
        new: the one that has just come, which may be older than others.
        window: how long a window is.
        threshold: what it has to reach.
        kind: what is counted.
    """
    near = sorted(
        (each for each in sightings if abs(each.time - new.time) <= window), key=lambda each: (each.time, each.seq)
    )
    if measure(near, kind) < threshold:
        return []
    for start, first in enumerate(near):
        inside = [each for each in near[start:] if each.time - first.time <= window]
        if first.time <= new.time and measure(inside, kind) >= threshold:
            return inside
    return []


def measure(sightings: Sequence[Sighting], kind: Kind) -> int:
    """Return how much some sightings count together."""
    if kind is Kind.DISTINCT:
        return len(Counter(each.value for each in sightings))
    if kind is Kind.SUM:
        return sum(each.amount for each in sightings)
    return len(sightings)


def looked_at(tunings: Mapping[str, Tuning], facts: Facts, locator: Locator) -> list[tuple[Tuning, Sign]]:
    """Return what an event says to the rules that watch.

    Args:
        tunings: by the rules' keys.
        facts: the event.
        locator: finds addresses.
    """
    found = []
    for tuning in tunings.values():
        rule: Rule = tuning.rule
        if tuning.is_active and rule.looks_at(facts.action) and (sign := rule.read(facts, locator)) is not None:
            found.append((tuning, _fitting(sign)))
    return found


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the distance of two places in kilometres, over the ground of a round earth."""
    (latitude, longitude), (second_latitude, second_longitude) = (tuple(map(radians, each)) for each in (one, other))
    across = sin((second_latitude - latitude) / 2) ** 2
    across += cos(latitude) * cos(second_latitude) * sin((second_longitude - longitude) / 2) ** 2
    return 2 * 6_371 * asin(sqrt(min(1.0, across)))


def _fitting(sign: Sign) -> Sign:
    if len(sign.subject) <= _LONGEST and len(sign.label) <= _LONGEST:
        return sign
    return Sign(sign.subject[:_LONGEST], sign.label[:_LONGEST], sign.value, sign.amount, sign.told, sign.position)


def _at(sighting: Sighting, facts: Facts) -> Sighting:
    """Return the sighting as it counts in an alert: this event alone."""
    return Sighting(
        organization_id=sighting.organization_id,
        rule=sighting.rule,
        subject=sighting.subject,
        seq=facts.seq,
        time=facts.time,
    )


def _position(value: str) -> tuple[float, float]:
    latitude, longitude, _place = value.split(",", 2)
    return float(latitude), float(longitude)


def _hours(one: datetime, other: datetime) -> float:
    return abs((one - other).total_seconds()) / 3_600


def _minutes(hours: float) -> str:
    minutes = round(hours * 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"  # noqa: PLR2004 - two hours
