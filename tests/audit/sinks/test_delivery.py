"""Delivery: everything, in order, at least once, whatever the receiver does."""

import threading
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from audit.leases import FIRST_WAIT, LONGEST_WAIT, LeaseLost, wait
from audit.models import DeadLetterState, SinkState
from audit.sealing.reading import SealedEvent
from audit.services.sink_delivery import dismiss_dead_letters, replay_sink, retry_dead_letters
from audit.services.sinks import set_sink_active, update_sink
from audit.sinks import delivery, records
from audit.sinks.base import Limits
from audit.sinks.claims import advance, claim, wake
from audit.sinks.delivery import Turn
from audit.sinks.destinations.webhook import Webhook
from tests.audit.sealing.stage import write, writer
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.audit.sinks.stage import apart, cursor_of, due, happen, letters_of, numbers, sealed, turns, webhook
from tests.people import Tenant
from tests.tenants.stage import events


def received(receiver: Receiver) -> list[int]:
    """Return the numbers that the receiver acknowledged, as they came."""
    return numbers(request.json() for request in receiver.requests if receiver.rule(request).status < 300)


def refusing(bad: Iterable[int], status: int = 400) -> object:
    """Return a rule that refuses every batch with one of these numbers."""
    wrong = set(bad)

    def rule(request: Request) -> Answer:
        return Answer(status if wrong & set(numbers([request.json()])) else 200)

    return rule


def test_another_organization_s_events_never_reach_a_sink(acme: Tenant, globex: Tenant, receiver: Receiver) -> None:
    webhook(acme, receiver.url, from_beginning=True)
    happen(globex, 5)
    happen(acme, 5)
    turns()
    delivered = [event["event"] for request in receiver.requests for event in request.json()["events"]]
    assert {event["organization_id"] for event in delivered} == {str(acme.organization.pk)}


def test_every_event_arrives_in_order_over_one_connection(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True, batch_events=7)
    happen(acme, 100)
    turns()
    assert received(receiver) == list(range(sealed(acme)))
    assert receiver.connections == 1
    cursor = cursor_of(sink)
    assert (cursor.lag_events, cursor.waiting_since, cursor.state) == (0, None, SinkState.DELIVERING)
    assert cursor.delivered_at is not None


def test_a_new_sink_receives_what_comes_from_now_on(acme: Tenant, receiver: Receiver) -> None:
    happen(acme, 3)
    before = sealed(acme)
    webhook(acme, receiver.url)
    happen(acme, 2)
    turns()
    assert received(receiver) == list(range(before, sealed(acme)))
    actions = [event["event"]["action"] for event in receiver.requests[0].json()["events"]]
    assert actions[:2] == ["data_key.created", "sink.created"]  # what tells of its own making


def test_nothing_is_sent_twice_when_nothing_goes_wrong(acme: Tenant, receiver: Receiver) -> None:
    webhook(acme, receiver.url)
    happen(acme, 3)
    turns()
    count = len(receiver.requests)
    assert turns() == 0
    assert len(receiver.requests) == count


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_receiver_that_cannot_take_it_now_gets_all_of_it_later(acme: Tenant, receiver: Receiver, status: int) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True, batch_events=10)
    happen(acme, 35)
    receiver.rule = lambda _request: Answer(status)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.failures, cursor.next_seq) == (SinkState.RETRYING, 1, 0)
    assert f"status {status}" in cursor.last_error
    assert turns() == 0  # not before its time
    receiver.rule = lambda _request: Answer()
    receiver.requests.clear()
    due(acme)
    turns()
    assert received(receiver) == list(range(sealed(acme)))
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.failures, cursor.last_error) == (SinkState.DELIVERING, 0, "")


def test_retry_after_is_kept(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 1)
    receiver.rule = lambda _request: Answer(429, headers={"Retry-After": "120"})
    turns()
    cursor = cursor_of(sink)
    assert cursor.retry_at is not None
    assert cursor.failing_since is not None
    assert 115 < (cursor.retry_at - cursor.failing_since).total_seconds() <= 121


def test_waiting_grows_to_five_minutes_and_varies() -> None:
    first = {wait(1).total_seconds() for _ in range(50)}
    assert all(FIRST_WAIT / 2 <= seconds <= FIRST_WAIT for seconds in first)
    assert len(first) > 1
    assert all(LONGEST_WAIT / 2 <= wait(50).total_seconds() <= LONGEST_WAIT for _ in range(50))


def test_a_wrong_address_needs_somebody_and_is_told_at_once(
    acme: Tenant, receiver: Receiver, mailoutbox: list[object]
) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 1)
    receiver.rule = lambda _request: Answer(401, b"who are you?")
    turns()
    cursor = cursor_of(sink)
    assert cursor.state == SinkState.BLOCKED
    assert "status 401: “who are you?”" in cursor.last_error
    due(acme)
    turns()
    (told,) = events(acme, "sink.failing")
    assert told.target_id == str(sink.pk)
    assert told.outcome == "failed"
    receiver.rule = lambda _request: Answer()
    due(acme)
    turns()
    assert len(events(acme, "sink.recovered")) == 1


def test_an_event_that_is_refused_is_set_aside_and_the_others_arrive(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 60)
    bad = [11, 12, 47]
    receiver.rule = refusing(bad)  # type: ignore[assignment]
    turns()
    assert received(receiver) == [seq for seq in range(sealed(acme)) if seq not in bad]
    letters = letters_of(sink)
    assert [letter.seq for letter in letters] == bad
    assert {letter.state for letter in letters} == {DeadLetterState.OPEN}
    assert all("status 400" in letter.reason for letter in letters)
    assert cursor_of(sink).lag_events == 0


def test_a_receiver_that_refuses_everything_loses_nothing(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 40)
    receiver.rule = lambda _request: Answer(400)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.BLOCKED, 0)
    assert "refuses every event" in cursor.last_error
    assert letters_of(sink) == []
    receiver.rule = lambda _request: Answer()
    receiver.requests.clear()
    due(acme)
    turns()
    assert received(receiver) == list(range(sealed(acme)))


def test_a_lone_event_that_is_refused_waits_for_another(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url)
    turns()
    happen(acme, 0)
    turns()
    bad = sealed(acme)
    happen(acme, 1)
    receiver.rule = refusing([bad])  # type: ignore[assignment]
    turns()
    assert letters_of(sink) == []
    assert "no other to see" in cursor_of(sink).last_error
    happen(acme, 1)
    due(acme)
    turns()
    assert [letter.seq for letter in letters_of(sink)] == [bad]
    assert cursor_of(sink).lag_events == 0


def test_refused_events_are_sent_again_or_dismissed(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 10)
    receiver.rule = refusing([3, 4])  # type: ignore[assignment]
    turns()
    first, second = letters_of(sink)
    receiver.rule = lambda _request: Answer()
    receiver.requests.clear()
    with acme.acting("owner") as actor:
        assert retry_dead_letters(sink=sink, letters=[first.pk], actor=actor) == 1
        assert dismiss_dead_letters(sink=sink, letters=[second.pk], actor=actor) == 1
    turns()
    assert [letter.state for letter in letters_of(sink)] == [DeadLetterState.DELIVERED, DeadLetterState.DISMISSED]
    assert received(receiver) == [3]
    assert [event.after["events"] for event in events(acme, "sink.dead_letters_retried")] == [1]
    assert [event.after["numbers"] for event in events(acme, "sink.dead_letters_dismissed")] == ["4"]


def test_an_answer_that_is_lost_makes_the_batch_come_again_with_the_same_ids(acme: Tenant, receiver: Receiver) -> None:
    webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 5)
    receiver.rule = lambda _request: Answer(500)
    turns()
    receiver.rule = lambda _request: Answer()
    due(acme)
    turns()
    lost, kept = receiver.requests[:2]
    assert lost.headers["webhook-id"] == kept.headers["webhook-id"]
    assert lost.json()["events"] == kept.json()["events"]


def test_a_stuck_sink_does_not_delay_another(acme: Tenant, globex: Tenant, receiver: Receiver) -> None:
    stuck = threading.Event()
    with Receiver().running() as slow:

        def late(_request: Request) -> Answer:
            stuck.wait(30)
            return Answer()

        slow.rule = late
        webhook(acme, slow.url, from_beginning=True)
        happen(acme, 3)
        wake()
        first = claim()
        assert first is not None
        webhook(globex, receiver.url, from_beginning=True)
        happen(globex, 3)
        worker = apart(Turn(first).run)
        try:
            turns()
            assert received(receiver) == list(range(sealed(globex)))
        finally:
            stuck.set()
            worker.join()


def test_two_workers_never_hold_one_sink(acme: Tenant, receiver: Receiver) -> None:
    webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 3)
    wake()
    assert claim() is not None
    assert claim() is None


def test_a_lease_that_ran_out_is_taken_over_and_its_old_holder_notes_nothing(
    acme: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 3)
    wake()
    monkeypatch.setattr("audit.sinks.claims.LEASE", timedelta())
    late = claim()
    assert late is not None
    monkeypatch.undo()
    turns()
    with pytest.raises(LeaseLost):
        advance(late, end=1, delivered=1)
    assert cursor_of(sink).next_seq == sealed(acme)


def test_a_pause_loses_nothing(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    with acme.acting("owner") as actor:
        set_sink_active(sink=sink, is_active=False, actor=actor)
    happen(acme, 5)
    assert turns() == 0
    with acme.acting("owner") as actor:
        set_sink_active(sink=sink, is_active=True, actor=actor)
    happen(acme, 1)
    turns()
    assert received(receiver) == list(range(sealed(acme)))


def test_a_replay_sends_everything_from_a_number_on(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 20)
    turns()
    receiver.requests.clear()
    with acme.acting("owner") as actor:
        replay_sink(sink=sink, seq=15, actor=actor)
    turns()
    assert received(receiver)[:3] == [15, 16, 17]
    happen(acme, 0)
    assert [event.after["from"] for event in events(acme, "sink.replayed")] == [15]


def test_a_filter_sends_what_it_finds_alone(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True, query="action:sink.*")
    happen(acme, 10)
    turns()
    actions = [event["event"]["action"] for request in receiver.requests for event in request.json()["events"]]
    assert actions == ["sink.created"]
    assert cursor_of(sink).lag_events == 0
    with acme.acting("owner") as actor:
        update_sink(sink=sink, query="", actor=actor)
    happen(acme, 2)
    turns()
    assert len(received(receiver)) == 4


def test_batches_wait_for_more_until_they_are_full(acme: Tenant, receiver: Receiver) -> None:
    happen(acme, 0)
    before = sealed(acme)
    webhook(acme, receiver.url, batch_seconds=3_600, batch_events=20)
    happen(acme, 5)
    assert turns() == 0
    happen(acme, 20)
    turns()
    assert received(receiver) == list(range(before, sealed(acme)))


def test_bytes_end_a_batch(acme: Tenant, receiver: Receiver) -> None:
    webhook(acme, receiver.url, from_beginning=True, batch_bytes=4_000)
    happen(acme, 20)
    turns()
    assert received(receiver) == list(range(sealed(acme)))
    assert len(receiver.requests) > 4
    assert max(len(request.body) for request in receiver.requests) < 6_000


def test_a_turn_that_breaks_here_is_noted_and_tried_again(
    acme: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 1)
    with monkeypatch.context() as patched:
        patched.delattr(delivery, "Feed")
        turns()
    assert "Something went wrong in Gatehouse itself" in cursor_of(sink).last_error
    assert "ended unexpectedly" in caplog.text
    due(acme)
    turns()
    assert cursor_of(sink).lag_events == 0


@pytest.mark.parametrize("batch", [1, 3])
def test_an_event_that_is_refused_with_its_whole_batch_holds_up_no_other(
    acme: Tenant, receiver: Receiver, batch: int
) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True, batch_events=batch)
    happen(acme, 20)
    bad = [0, 1, 2]
    receiver.rule = refusing(bad)  # type: ignore[assignment]
    turns()
    assert received(receiver) == [seq for seq in range(sealed(acme)) if seq not in bad]
    assert [letter.seq for letter in letters_of(sink)] == bad
    assert cursor_of(sink).lag_events == 0


def test_batches_of_one_that_are_all_refused_lose_nothing(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True, batch_events=1)
    happen(acme, 40)
    receiver.rule = lambda _request: Answer(400)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.BLOCKED, 0)
    assert len(receiver.requests) == delivery.SUSPECTS
    assert letters_of(sink) == []


def test_a_large_event_is_set_aside_also_when_its_batch_arrives_in_part(
    acme: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Webhook, "limits", Limits(events=500, bytes=1_000_000, item=20_000))
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 3)
    large = sealed(acme)
    with writer() as connection:
        write(connection, acme.organization.pk, "x" * 30_000)
    happen(acme, 20)
    newest = sealed(acme) - 1

    def rule(request: Request) -> Answer:
        came = numbers([request.json()])
        return Answer(200 if newest not in came else 400 if 0 in came else 503)

    receiver.rule = rule
    turns()
    cursor = cursor_of(sink)
    assert cursor.state == SinkState.RETRYING
    assert large < cursor.next_seq < sealed(acme)
    receiver.rule = lambda _request: Answer()
    due(acme)
    turns()
    assert [letter.seq for letter in letters_of(sink)] == [large]


def test_a_batch_that_is_halved_keeps_its_lease(acme: Tenant, receiver: Receiver, superuser: Any) -> None:
    webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 100)
    ends = []

    def rule(request: Request) -> Answer:
        [(until,)] = superuser.execute("SELECT leased_until FROM audit_sinkcursor").fetchall()
        ends.append(until)
        return Answer(400 if 50 in numbers([request.json()]) else 200)

    receiver.rule = rule
    turns()
    halved = [until for until, request in zip(ends, receiver.requests, strict=True) if 50 in numbers([request.json()])]
    assert len(set(halved)) == len(halved) > 5


def test_an_event_that_no_longer_fits_is_formatted_once(
    acme: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook(acme, receiver.url, from_beginning=True, batch_bytes=4_000)
    happen(acme, 20)
    formatted: list[int] = []
    record = records.record

    def counting(event: SealedEvent, *rest: Any) -> str:
        formatted.append(event.seq)
        return record(event, *rest)

    monkeypatch.setattr(records, "record", counting)
    turns()
    assert len(receiver.requests) > 4
    assert formatted == received(receiver) == list(range(sealed(acme)))


def test_all_refused_events_are_sent_again_however_many(
    acme: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LETTERS", 2)
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 20)
    bad = [3, 4, 5, 6, 7]
    receiver.rule = refusing(bad)  # type: ignore[assignment]
    turns()
    happen(acme, 0)
    turns()
    receiver.rule = lambda _request: Answer()
    receiver.requests.clear()
    with acme.acting("owner") as actor:
        assert retry_dead_letters(sink=sink, letters=None, actor=actor) == 5
    turns()
    assert {letter.state for letter in letters_of(sink)} == {DeadLetterState.DELIVERED}
    assert received(receiver)[:5] == bad
