"""Splunk's HTTP Event Collector, against a strict fake of our own."""

import json
from typing import Any

import pytest

from audit.models import SinkState
from audit.sinks.destinations import splunk_hec
from audit.sinks.destinations.splunk_hec import SplunkHec
from audit.sinks.exceptions import Later
from isolation.exceptions import DomainError
from tests.audit.sinks.fakes.base import check_complete, item, said, unpacked
from tests.audit.sinks.fakes.splunk_hec import TEXTS, SplunkFake, code
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.audit.sinks.stage import cursor_of, due, happen, letters_of, sealed, turns
from tests.people import Tenant


@pytest.fixture
def splunk(receiver: Receiver) -> SplunkFake:
    return SplunkFake(receiver)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splunk_hec, "ACKNOWLEDGED_WITHIN", 0.5)


def test_events_arrive_with_their_time_number_and_id(acme: Tenant, splunk: SplunkFake) -> None:
    sink = splunk.sink(acme, options={"host": "portal.example"}, batch_events=10)
    happen(acme, 25)
    turns()
    check_complete(splunk, acme, sink)
    assert splunk.receiver.connections == 1
    envelope = splunk.envelopes[-1]
    assert envelope["fields"] == {
        "seq": sealed(acme) - 1,
        "id": envelope["event"]["event"]["id"],
        "log": str(acme.organization.pk),
    }
    assert {name: envelope[name] for name in ("host", "source", "sourcetype", "index")} == {
        "host": "portal.example",
        "source": "gatehouse",
        "sourcetype": "gatehouse:audit",
        "index": "audit",
    }
    assert envelope["time"] == round(envelope["time"], 3) > 1_700_000_000
    assert splunk.requests()[0].headers["x-splunk-request-channel"] == str(sink.pk)


def test_a_record_of_text_is_an_event_of_text(splunk: SplunkFake) -> None:
    splunk.fault = lambda _request: code(0)
    with_text = SplunkHec(splunk.options(), item().log)
    with_text.send([item(text='CEF:0|Gatehouse|"quoted"')])
    with_text.close()
    assert json.loads(unpacked(splunk.requests()[0]))["event"] == 'CEF:0|Gatehouse|"quoted"'


@pytest.mark.parametrize("number", [8, 9, 18, 19, 20, 23, 26, 27])
def test_codes_that_ask_for_patience(acme: Tenant, splunk: SplunkFake, number: int) -> None:
    sink = splunk.sink(acme)
    happen(acme, 5)
    splunk.fault = lambda _request: code(number)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.RETRYING, 0)
    assert f"code {number}: “{TEXTS[number][1]}”" in cursor.last_error
    splunk.fault = lambda _request: None
    due(acme)
    turns()
    check_complete(splunk, acme, sink)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7, 10, 11, 14, 16, 21, 22])
def test_codes_that_need_a_person(acme: Tenant, splunk: SplunkFake, number: int) -> None:
    sink = splunk.sink(acme)
    happen(acme, 5)
    splunk.fault = lambda _request: code(number)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.BLOCKED, 0)
    assert f"code {number}:" in cursor.last_error
    assert letters_of(sink) == []
    splunk.fault = lambda _request: None
    due(acme)
    turns()
    check_complete(splunk, acme, sink)


@pytest.mark.parametrize("number", [5, 6, 12, 13, 15])
def test_codes_of_an_event_set_it_aside(acme: Tenant, splunk: SplunkFake, number: int) -> None:
    sink = splunk.sink(acme)
    happen(acme, 30)
    splunk.poison = {11}

    def fault(request: Request) -> Answer | None:
        return code(number) if splunk.accept(request).status == 400 else Answer(200, code(0).body)

    splunk.fault = fault
    turns()
    check_complete(splunk, acme, sink)
    assert f"code {number}:" in letters_of(sink)[0].reason


@pytest.mark.parametrize("number", [5, 6, 12, 13, 15])
def test_a_collector_that_refuses_everything_loses_nothing(acme: Tenant, splunk: SplunkFake, number: int) -> None:
    sink = splunk.sink(acme)
    happen(acme, 30)
    splunk.fault = lambda _request: code(number, invalid_event_number=0)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.BLOCKED, 0)
    assert letters_of(sink) == []


@pytest.mark.parametrize("number", [24, 25])
def test_warnings_are_acceptances(acme: Tenant, splunk: SplunkFake, number: int) -> None:
    sink = splunk.sink(acme)

    def fault(request: Request) -> Answer:
        splunk.accept(request)
        return code(number)

    splunk.fault = fault
    happen(acme, 5)
    turns()
    assert cursor_of(sink).state == SinkState.DELIVERING
    check_complete(splunk, acme, sink)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (said(200, {"text": "Server is busy", "code": 9}), SinkState.RETRYING),
        (said(200, {"text": "HEC is healthy", "code": 17}), SinkState.RETRYING),
        (said(200, {"text": "Invalid token", "code": 4}), SinkState.BLOCKED),
        (said(200, {}), SinkState.BLOCKED),
        (Answer(200, b"<html>Splunk</html>"), SinkState.BLOCKED),
        (Answer(200, b""), SinkState.BLOCKED),
        (Answer(303, headers={"Location": "/en-US/"}), SinkState.BLOCKED),
        (Answer(200, b"9" * 2_000_000), SinkState.RETRYING),
        (Answer(404, b"not here"), SinkState.BLOCKED),
        (Answer(401), SinkState.BLOCKED),
        (Answer(403, b"<html>denied</html>"), SinkState.BLOCKED),
        (Answer(408), SinkState.RETRYING),
        (Answer(429), SinkState.RETRYING),
        (Answer(500, b"oops"), SinkState.RETRYING),
        (Answer(502, b"<html>bad gateway</html>"), SinkState.RETRYING),
        (Answer(503), SinkState.RETRYING),
        (Answer(504), SinkState.RETRYING),
        (said(503, {"text": "no code"}), SinkState.RETRYING),
        (said(500, {"text": "a code of another version", "code": 99}), SinkState.RETRYING),
    ],
)
def test_a_status_of_success_alone_delivers_nothing(
    acme: Tenant, splunk: SplunkFake, answer: Answer, state: SinkState
) -> None:
    sink = splunk.sink(acme)
    happen(acme, 3)
    splunk.fault = lambda _request: answer
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (state, 0)


def test_an_event_that_splunk_points_at_is_found_at_once(acme: Tenant, splunk: SplunkFake) -> None:
    sink = splunk.sink(acme, batch_events=500)
    happen(acme, 400)
    splunk.poison = {123, 124, 301}
    turns()
    check_complete(splunk, acme, sink)
    assert len(splunk.requests()) == 9  # of halving alone: more than 40


@pytest.mark.parametrize("lie", [-1, 0, 3, 10_000, "seven"])
def test_a_collector_that_points_at_the_wrong_event_loses_none(acme: Tenant, splunk: SplunkFake, lie: Any) -> None:
    sink = splunk.sink(acme, batch_events=64)
    happen(acme, 60)
    splunk.poison = {20}

    def fault(request: Request) -> Answer | None:
        answer = splunk.accept(request)
        return said(400, {**json.loads(answer.body), "invalid-event-number": lie}) if answer.status == 400 else answer

    splunk.fault = fault
    turns()
    check_complete(splunk, acme, sink)


def test_a_batch_that_is_too_large_is_halved(acme: Tenant, splunk: SplunkFake) -> None:
    sink = splunk.sink(acme)
    happen(acme, 60)
    splunk.largest = 10_000
    turns()
    check_complete(splunk, acme, sink)


def test_retry_after_is_kept(acme: Tenant, splunk: SplunkFake) -> None:
    sink = splunk.sink(acme)
    happen(acme, 1)
    splunk.fault = lambda _request: Answer(429, code(26).body, {"Retry-After": "120"})
    turns()
    cursor = cursor_of(sink)
    assert cursor.retry_at is not None
    assert cursor.failing_since is not None
    assert 115 < (cursor.retry_at - cursor.failing_since).total_seconds() <= 121


def test_a_batch_is_delivered_when_it_is_indexed(acme: Tenant, splunk: SplunkFake) -> None:
    splunk.has_acknowledgement = True
    splunk.node = "indexer-3"
    sink = splunk.sink(acme, options={"acknowledgement": True}, batch_events=10)
    happen(acme, 25)
    asked = 0

    def fault(request: Request) -> Answer | None:
        nonlocal asked
        asked += "/ack" in request.path
        return (
            said(200, {"acks": {str(request.json()["acks"][0]): False}})
            if "/ack" in request.path and asked < 3
            else None
        )

    splunk.fault = fault
    turns()
    check_complete(splunk, acme, sink)
    assert splunk.pending == {}
    assert f"/services/collector/ack?channel={sink.pk}" in {request.path for request in splunk.requests()}


def test_an_acknowledgement_that_a_token_has_is_waited_for_unasked(acme: Tenant, splunk: SplunkFake) -> None:
    splunk.has_acknowledgement = True
    sink = splunk.sink(acme)
    happen(acme, 5)
    turns()
    check_complete(splunk, acme, sink)


def test_what_is_never_indexed_comes_again_and_again(acme: Tenant, splunk: SplunkFake) -> None:
    splunk.has_acknowledgement = True
    splunk.confirms = False
    sink = splunk.sink(acme, options={"acknowledgement": True})
    happen(acme, 5)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq, cursor.delivered_at) == (SinkState.RETRYING, 0, None)
    assert "did not confirm within 0.5 seconds" in cursor.last_error
    splunk.confirms = True
    due(acme)
    turns()
    check_complete(splunk, acme, sink)


def test_an_acknowledgement_that_is_required_and_not_there_is_told(acme: Tenant, splunk: SplunkFake) -> None:
    sink = splunk.sink(acme, options={"acknowledgement": True})
    happen(acme, 5)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.BLOCKED, 0)
    assert "Switch it on in the token's settings" in cursor.last_error


@pytest.mark.parametrize(
    "answer",
    [
        Answer(503, f"who is {SplunkFake.token}?".encode()),
        said(401, {"text": f"{SplunkFake.token} is wrong", "code": 3}),
        Answer(200, f"{'x' * 290} {SplunkFake.token}".encode()),
    ],
)
def test_a_token_that_is_repeated_to_us_is_not_shown(acme: Tenant, splunk: SplunkFake, answer: Answer) -> None:
    sink = splunk.sink(acme)
    happen(acme, 1)
    splunk.fault = lambda _request: answer
    turns()
    assert "•••" in cursor_of(sink).last_error
    assert splunk.token[:6] not in cursor_of(sink).last_error


@pytest.mark.parametrize(
    "suffix", ["", "/", "/services/collector", "/services/collector/event", "/services/collector/event/1.0"]
)
def test_an_address_may_be_written_in_several_ways(splunk: SplunkFake, suffix: str) -> None:
    destination = SplunkHec({**splunk.options(), "url": f"https://splunk.example:8088{suffix}"}, item().log)
    assert destination.address() == "https://splunk.example:8088/services/collector/event"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("token", "Splunk 12345678-1234-1234-1234-1234567890ab"),
        ("token", ""),
        ("url", "ftp://splunk.example"),
        ("url", "https://splunk.example:8088/services/collector?token=secret"),
        ("proxy", "proxy.example:3128"),
        ("authorities", "no certificate"),
        ("indexes", "main"),
    ],
)
def test_settings_that_cannot_work_are_refused(acme: Tenant, splunk: SplunkFake, field: str, value: str) -> None:
    with pytest.raises(DomainError) as refused:
        splunk.sink(acme, options={field: value})
    assert refused.value.field == field


def test_a_turn_is_shorter_than_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert splunk_hec.ACKNOWLEDGED_WITHIN <= 30


def test_a_collector_that_answers_nothing_is_tried_again(splunk: SplunkFake) -> None:
    splunk.fault = lambda _request: Answer(0)
    destination = SplunkHec(splunk.options(), item().log)
    with pytest.raises(Later):
        destination.send([item()])
    destination.close()
