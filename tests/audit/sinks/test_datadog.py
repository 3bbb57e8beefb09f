"""Datadog's log intake, against a strict fake of our own."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import SinkState
from audit.sinks.destinations.datadog import Datadog
from isolation.exceptions import DomainError
from tests.audit.sealing.stage import write, writer
from tests.audit.sinks.fakes.base import check_complete, item
from tests.audit.sinks.fakes.datadog import DatadogFake
from tests.audit.sinks.receivers import Answer, Receiver
from tests.audit.sinks.stage import cursor_of, due, happen, letters_of, turns
from tests.people import Tenant


@pytest.fixture
def intake(receiver: Receiver) -> DatadogFake:
    return DatadogFake(receiver)


def test_every_event_is_a_log_with_its_time_and_record(acme: Tenant, intake: DatadogFake) -> None:
    sink = intake.sink(acme, options={"tags": "env:test,team:security"}, batch_events=10)
    happen(acme, 25)
    turns()
    check_complete(intake, acme, sink)
    entry = intake.entries[-1]
    assert {name: entry[name] for name in ("ddsource", "service", "ddtags", "message")} == {
        "ddsource": "gatehouse",
        "service": "gatehouse",
        "ddtags": "env:test,team:security",
        "message": "member.role_changed",
    }
    assert entry["event_time"] == entry["gatehouse"]["event"]["time"].replace("Z", "+00:00")
    assert intake.requests()[0].headers["content-encoding"] == "gzip"


def test_an_event_of_last_week_is_stored_too(intake: DatadogFake) -> None:
    destination = Datadog(intake.options(), item().log)
    now = timezone.now()
    destination.send(
        [item(0, time=now - timedelta(days=7)), item(1, time=now - timedelta(hours=2)), item(2, text="CEF:0|")]
    )
    destination.close()
    assert intake.dropped == []
    old, young, text = intake.entries
    assert "timestamp" not in old
    assert old["event_time"] == (now - timedelta(days=7)).isoformat()
    assert young["timestamp"] == int((now - timedelta(hours=2)).timestamp() * 1_000)
    assert text["message"] == "CEF:0|"
    assert "gatehouse" not in text


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (401, SinkState.BLOCKED),
        (403, SinkState.BLOCKED),
        (404, SinkState.BLOCKED),
        (408, SinkState.RETRYING),
        (429, SinkState.RETRYING),
        (500, SinkState.RETRYING),
        (503, SinkState.RETRYING),
    ],
)
def test_statuses(acme: Tenant, intake: DatadogFake, status: int, state: SinkState) -> None:
    sink = intake.sink(acme)
    happen(acme, 5)
    intake.fault = lambda _request: Answer(status, b'{"errors":[{"title":"No"}]}', {"Retry-After": "60"})
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (state, 0)
    assert f"status {status}" in cursor.last_error
    intake.fault = lambda _request: None
    due(acme)
    turns()
    check_complete(intake, acme, sink)


@pytest.mark.parametrize("status", [400, 413])
def test_an_intake_that_refuses_everything_loses_nothing(acme: Tenant, intake: DatadogFake, status: int) -> None:
    sink = intake.sink(acme)
    happen(acme, 30)
    intake.fault = lambda _request: Answer(status)
    turns()
    assert (cursor_of(sink).state, cursor_of(sink).next_seq) == (SinkState.BLOCKED, 0)
    assert letters_of(sink) == []


def test_an_event_that_is_refused_is_set_aside(acme: Tenant, intake: DatadogFake) -> None:
    sink = intake.sink(acme)
    happen(acme, 30)
    intake.poison = {8}
    turns()
    check_complete(intake, acme, sink)


def test_a_batch_that_is_too_large_is_halved(acme: Tenant, intake: DatadogFake) -> None:
    sink = intake.sink(acme)
    happen(acme, 60)
    intake.largest = 10_000
    turns()
    check_complete(intake, acme, sink)


def test_an_event_that_would_be_cut_off_is_set_aside_unsent(acme: Tenant, intake: DatadogFake) -> None:
    sink = intake.sink(acme)
    happen(acme, 3)
    with writer() as connection:
        write(connection, acme.organization.pk, "x" * 950_000)
    happen(acme, 3)
    turns()
    (letter,) = letters_of(sink)
    intake.poison = {letter.seq}
    check_complete(intake, acme, sink)
    assert "900,000 bytes" in letter.reason


def test_the_key_is_not_shown(acme: Tenant, intake: DatadogFake) -> None:
    sink = intake.sink(acme)
    happen(acme, 1)
    intake.fault = lambda _request: Answer(403, f"{intake.key} is not valid".encode())
    turns()
    assert "••• is not valid" in cursor_of(sink).last_error
    assert "each site has keys of its own" in cursor_of(sink).last_error


@pytest.mark.parametrize(
    ("site", "host"),
    [("datadoghq.com", "http-intake.logs.datadoghq.com"), ("datadoghq.eu", "http-intake.logs.datadoghq.eu")],
)
def test_each_site_has_an_address(site: str, host: str) -> None:
    assert Datadog({"site": site, "api_key": "x" * 32}, item().log).address() == f"https://{host}/api/v2/logs"


@pytest.mark.parametrize(
    ("field", "value"),
    [("site", "evil.example"), ("api_key", ""), ("api_key", "with blank"), ("tags", "a b\nc"), ("url", "gopher://x")],
)
def test_settings_that_cannot_work_are_refused(acme: Tenant, intake: DatadogFake, field: str, value: Any) -> None:
    with pytest.raises(DomainError) as refused:
        intake.sink(acme, options={field: value})
    assert refused.value.field == field
