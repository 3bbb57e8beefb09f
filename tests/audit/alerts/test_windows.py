"""What becomes an alert depends on the events in their order alone: not on batches or the clock."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from audit.alerts.facts import Facts, network_of
from audit.alerts.locations import Databases
from audit.alerts.registry import RULES
from audit.alerts.tuning import Tuning, tuning_of
from audit.alerts.windows import Windows, looked_at
from audit.models import Alert, AlertState, Sighting

LOG = uuid4()
START = datetime(2026, 3, 1, tzinfo=UTC)
NOWHERE = Databases(None, None)
SETTINGS = {key: tuning_of(rule, LOG, None) for key, rule in RULES.items()}


def failed(seq: int, minutes: float, who: str = "ada", ip: str = "192.0.2.4") -> Facts:
    return Facts(
        seq=seq,
        time=START + timedelta(minutes=minutes),
        action="user.sign_in_failed",
        outcome="failed",
        actor_kind="anonymous",
        actor_id="",
        actor_label="anonymous",
        target_type="user",
        target_id=who,
        target_label=who,
        reason="",
        ip=ip,
        user_agent="",
    )


class Store:
    """What a database would keep between batches."""

    def __init__(self) -> None:
        self.sightings: dict[UUID, Sighting] = {}
        self.alerts: dict[UUID, Alert] = {}

    def evaluate(self, events: Iterable[Facts], settings: dict[str, Tuning] = SETTINGS) -> list[Alert]:
        """Look at a batch; return what was raised by it."""
        windows = Windows(LOG, START, list(self.sightings.values()), list(self.alerts.values()))
        for facts in events:
            for tuning, sign in looked_at(settings, facts, NOWHERE):
                windows.take(tuning, facts, sign)
        self.sightings |= windows.sightings
        for pk in windows.forgotten:
            self.sightings.pop(pk, None)
        names = {(alert.rule, alert.subject, alert.started_at) for alert in self.alerts.values()}
        new = [each for each in windows.raised.values() if (each.rule, each.subject, each.started_at) not in names]
        self.alerts |= {alert.pk: alert for alert in new}
        return new


def found(alerts: Iterable[Alert]) -> list[tuple[object, ...]]:
    return sorted((a.rule, a.subject, a.started_at, a.last_time, a.first_seq, a.last_seq, a.count) for a in alerts)


def disorder(seed: int, count: int = 600) -> list[Facts]:
    """Return failed sign-ins in bursts, of a few people and networks; some are sealed later than they happened."""
    chance = random.Random(seed)  # noqa: S311 - the same disorder in every run
    minute, events = 0.0, []
    for seq in range(count):
        minute += chance.choice((0.1, 0.3, 1, 1, 30)) * chance.random()
        late = chance.choice((0, 0, 0, 2, 8))
        who = f"p{chance.randrange(1, 13)}"
        events.append(failed(seq, minute - late, who, f"192.0.{chance.randrange(2)}.4"))
    return events


@pytest.mark.parametrize("seed", range(6))
def test_batches_change_nothing(seed: int) -> None:
    events = disorder(seed)
    chance = random.Random(seed)  # noqa: S311 - the same disorder in every run
    whole, parts = Store(), Store()
    whole.evaluate(events)
    at = 0
    while at < len(events):
        size = chance.randrange(1, 60)
        parts.evaluate(events[at : at + size])
        at += size
    assert found(whole.alerts.values())
    assert found(whole.alerts.values()) == found(parts.alerts.values())


@pytest.mark.parametrize("seed", range(6))
def test_looking_again_raises_nothing_and_counts_nothing_twice(seed: int) -> None:
    events, store = disorder(seed), Store()
    store.evaluate(events)
    before = found(store.alerts.values())
    assert store.evaluate(events) == []
    store.sightings.clear()  # forgotten long ago
    assert store.evaluate(events) == []
    assert found(store.alerts.values()) == before


def by_hand(times: Iterable[float], window: float = 10, threshold: int = 10) -> bool:
    """Return whether a window of any ten minutes has ten events, by looking at every window."""
    times = list(times)
    return any(sum(start <= each <= start + window for each in times) >= threshold for start in times)


@pytest.mark.parametrize("seed", range(40))
def test_late_events_are_counted_where_they_belong(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same disorder in every run
    times = [round(chance.uniform(0, chance.choice((15, 40, 60))), 2) for _ in range(chance.randrange(9, 30))]
    store = Store()
    store.evaluate(failed(seq, minutes, "ada", "") for seq, minutes in enumerate(times))
    assert bool(store.alerts) == by_hand(times)


def test_the_edges_of_a_window() -> None:
    store = Store()
    store.evaluate(failed(seq, seq * 10 / 9) for seq in range(10))
    assert len(store.alerts) == 1
    store = Store()
    store.evaluate(failed(seq, seq * 10.01 / 9) for seq in range(10))
    assert store.alerts == {}


def test_an_attack_that_goes_on_is_one_alert_and_a_later_one_another() -> None:
    store = Store()
    store.evaluate(failed(seq, seq / 10, ip="") for seq in range(3_000))
    (alert,) = store.alerts.values()
    assert (alert.count, alert.first_seq, alert.last_seq, len(alert.numbers)) == (3_000, 0, 2_999, 100)
    assert store.sightings == {}  # nothing is kept of what was counted
    store.evaluate(failed(3_000 + seq, 400 + seq / 10, ip="") for seq in range(10))
    assert [each.count for each in store.alerts.values()] == [3_000, 10]


def test_what_follows_an_acknowledgment_is_another_alert() -> None:
    store = Store()
    store.evaluate(failed(seq, seq / 10, ip="") for seq in range(12))
    (alert,) = store.alerts.values()
    alert.state, alert.settled_at = AlertState.ACKNOWLEDGED, START + timedelta(minutes=2)
    store.evaluate(failed(12 + seq, 3 + seq / 10, ip="") for seq in range(9))
    assert len(store.alerts) == 1
    store.evaluate([failed(21, 4, ip="")])
    assert [each.count for each in store.alerts.values()] == [12, 10]


def test_an_attack_outlasts_its_silence() -> None:
    rule = RULES["sign_in_burst"]
    muted = Tuning(rule, is_active=True, threshold=10, window=rule.window, muted_until=START + timedelta(minutes=5))
    store = Store()
    store.evaluate((failed(seq, seq / 10, ip="") for seq in range(50)), {rule.key: muted})
    (alert,) = store.alerts.values()
    assert (alert.state, alert.count) == (AlertState.MUTED, 50)
    store.evaluate((failed(50 + seq, 5 + seq / 10, ip="") for seq in range(20)), {rule.key: muted})
    assert [(each.state, each.count) for each in store.alerts.values()] == [
        (AlertState.MUTED, 50),
        (AlertState.OPEN, 20),
    ]


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
    ],
)
def test_the_network_of_an_address(ip: str, network: str) -> None:
    assert network_of(ip) == network
