"""How a sink stands is computed from its cursors alone."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from audit.models import Sink, SinkCursor, SinkState
from audit.sinks.health import Standing, health_of, words_of

LOG = UUID(int=1)


def sink(**values: Any) -> Sink:
    return Sink(id=uuid4(), organization_id=LOG, created_at=timezone.now() - timedelta(days=1), **values)


def cursor(**values: Any) -> SinkCursor:
    ago = values.pop("waiting", None)
    now = timezone.now()  # not when tests are collected: that may be long ago
    times: dict[str, Any] = {name: now + values.pop(name) for name in ("served_at", "retry_at") if name in values}
    since = now - ago if ago is not None else None
    fields: dict[str, Any] = {"next_seq": 5, "head": 5, **values, **times}
    return SinkCursor(organization_id=LOG, log=LOG, waiting_since=since, **fields)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


@pytest.mark.parametrize(
    ("values", "standing"),
    [
        ({}, Standing.UP_TO_DATE),
        ({"head": 9, "waiting": minutes(0.1)}, Standing.DELIVERING),
        ({"head": 9, "waiting": minutes(6), "served_at": minutes(0)}, Standing.BEHIND),
        ({"head": 9, "waiting": minutes(6)}, Standing.UNSERVED),
        ({"head": 9, "waiting": minutes(1), "state": SinkState.RETRYING}, Standing.RETRYING),
        ({"head": 9, "waiting": minutes(60), "state": SinkState.RETRYING}, Standing.UNSERVED),
        (
            {"head": 9, "waiting": minutes(60), "state": SinkState.RETRYING, "retry_at": minutes(4)},
            Standing.RETRYING,
        ),
        ({"head": 9, "waiting": minutes(60), "state": SinkState.BLOCKED}, Standing.BLOCKED),
    ],
)
def test_a_standing(values: dict[str, Any], standing: Standing) -> None:
    health = health_of(sink(), [cursor(**values)])
    assert health.standing == standing
    assert health.label
    assert health.advice


def test_a_paused_one_is_paused_whatever_waits() -> None:
    assert health_of(sink(is_active=False), [cursor(head=9, waiting=minutes(60))]).standing == Standing.PAUSED
    assert health_of(sink(), []).standing == Standing.UP_TO_DATE


def test_of_several_logs_the_worst_is_told_and_what_waits_is_added_up() -> None:
    blocked = cursor(head=7, waiting=minutes(3), state=SinkState.BLOCKED, last_error="No.")
    health = health_of(sink(), [cursor(), blocked, cursor(head=9, waiting=minutes(1))])
    assert (health.standing, health.last_error, health.logs) == (Standing.BLOCKED, "No.", 3)
    assert (health.lag_events, health.done_events, health.sealed_events) == (6, 15, 21)
    assert health.lag_words == "3 min"


def test_a_large_batch_that_waits_for_more_is_not_late() -> None:
    patient = sink(batch_seconds=3_600)
    assert health_of(patient, [cursor(head=9, waiting=minutes(50))]).standing == Standing.DELIVERING


@pytest.mark.parametrize(
    ("seconds", "words"), [(-5, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 days")]
)
def test_times_in_words(seconds: int, words: str) -> None:
    assert words_of(timedelta(seconds=seconds)) == words
