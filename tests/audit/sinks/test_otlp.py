"""OTLP logs, against a strict fake of a receiver: what it rejects although it answers 200 is found."""

import json
from datetime import datetime
from typing import Any

import pytest

from audit.models import Sink, SinkState
from isolation.exceptions import DomainError
from tests.audit.sinks.otlp_fake import PATH, OtlpFake, attribute
from tests.audit.sinks.receivers import Answer, Receiver
from tests.audit.sinks.stage import cursor_of, due, happen, letters_of, sealed, sink_of, turns
from tests.people import Tenant


@pytest.fixture
def fake(receiver: Receiver) -> OtlpFake:
    fake = OtlpFake()
    receiver.rule = fake
    return fake


def otlp(tenant: Tenant, receiver: Receiver, **values: Any) -> Sink:
    more = values.pop("options", {})
    return sink_of(tenant, "otlp", {"url": receiver.url + PATH, **more}, **{"from_beginning": True, **values})


def numbers(fake: OtlpFake) -> list[int]:
    return [attribute(record, "gatehouse.seq") for record in fake.records]


def test_another_organization_s_events_never_reach_a_sink(
    acme: Tenant, globex: Tenant, receiver: Receiver, fake: OtlpFake
) -> None:
    otlp(acme, receiver)
    happen(globex, 5)
    happen(acme, 5)
    turns()
    assert {attribute(record, "gatehouse.log") for record in fake.records} == {str(acme.organization.pk)}


def test_every_event_arrives_once_and_in_order(acme: Tenant, receiver: Receiver, fake: OtlpFake) -> None:
    sink = otlp(acme, receiver, batch_events=7)
    happen(acme, 100)
    turns()
    assert numbers(fake) == list(range(sealed(acme)))
    assert cursor_of(sink).lag_events == 0


def test_a_record_tells_what_the_event_tells(acme: Tenant, receiver: Receiver, fake: OtlpFake) -> None:
    otlp(
        acme,
        receiver,
        options={"headers": "Authorization: Bearer a-token\nX-Scope: acme", "attributes": "deployment=production"},
    )
    happen(acme, 1)
    turns()
    record = fake.records[-1]
    body = json.loads(record.body.string_value)
    event = body["event"]
    assert (record.severity_text, record.event_name) == ("INFO", "gatehouse.member.role_changed")
    assert attribute(record, "gatehouse.id") == event["id"]
    moment = datetime.fromisoformat(event["time"])
    assert record.time_unix_nano == int(moment.timestamp()) * 10**9 + moment.microsecond * 1_000
    assert fake.resources[-1] == {"service.name": "gatehouse", "deployment": "production"}
    assert fake.headers_seen[-1]["authorization"] == "Bearer a-token"
    assert fake.headers_seen[-1]["x-scope"] == "acme"


def test_what_is_rejected_in_a_success_is_set_aside(acme: Tenant, receiver: Receiver, fake: OtlpFake) -> None:
    bad = {11, 12, 47}
    fake.rejects = lambda record: attribute(record, "gatehouse.seq") in bad
    sink = otlp(acme, receiver)
    happen(acme, 60)
    turns()
    assert set(numbers(fake)) == set(range(sealed(acme))) - bad
    letters = letters_of(sink)
    assert {letter.seq for letter in letters} == bad
    assert all("attribute too long" in letter.reason for letter in letters)
    assert cursor_of(sink).lag_events == 0


def test_what_rejects_everything_loses_nothing(acme: Tenant, receiver: Receiver, fake: OtlpFake) -> None:
    fake.rejects = lambda _record: True
    sink = otlp(acme, receiver)
    happen(acme, 40)
    turns()
    assert cursor_of(sink).state == SinkState.BLOCKED
    assert cursor_of(sink).next_seq == 0
    assert letters_of(sink) == []


def test_what_is_rejected_is_read_in_json_too(acme: Tenant, receiver: Receiver) -> None:
    body = b'{"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": "no"}}'
    receiver.rule = lambda _request: Answer(200, body, {"content-type": "application/json"})
    sink = otlp(acme, receiver)
    happen(acme, 20)
    turns()
    assert cursor_of(sink).next_seq == 0
    assert "“no”" in cursor_of(sink).last_error


def test_a_warning_is_a_success(acme: Tenant, receiver: Receiver) -> None:
    body = b'{"partialSuccess": {"errorMessage": "deprecated"}}'
    receiver.rule = lambda _request: Answer(200, body, {"content-type": "application/json"})
    sink = otlp(acme, receiver)
    happen(acme, 5)
    turns()
    assert cursor_of(sink).lag_events == 0


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", "text/html"),
        (b"[1]", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"partialSuccess": {"rejectedLogRecords": Infinity}}', "application/json"),
        (b'{"partialSuccess": 7}', "application/json"),
    ],
)
def test_an_answer_that_is_none_counts_for_nothing(acme: Tenant, receiver: Receiver, body: bytes, kind: str) -> None:
    receiver.rule = lambda _request: Answer(200, body, {"content-type": kind})
    sink = otlp(acme, receiver)
    happen(acme, 5)
    turns()
    assert cursor_of(sink).next_seq == 0
    assert "not OTLP" in cursor_of(sink).last_error


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_be_repeated_is_repeated(acme: Tenant, receiver: Receiver, fake: OtlpFake, status: int) -> None:
    fake.status, fake.headers = status, {"retry-after": "120"}
    sink = otlp(acme, receiver)
    happen(acme, 5)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.RETRYING, 0)
    assert cursor.retry_at is not None
    assert cursor.failing_since is not None
    assert 115 < (cursor.retry_at - cursor.failing_since).total_seconds() <= 121
    fake.status = 200
    due(acme)
    turns()
    assert numbers(fake) == list(range(sealed(acme)))


@pytest.mark.parametrize("status", [204, 200])
def test_a_success_without_a_body_rejects_nothing(acme: Tenant, receiver: Receiver, status: int) -> None:
    receiver.rule = lambda _request: Answer(status, b"")
    sink = otlp(acme, receiver)
    happen(acme, 5)
    turns()
    assert cursor_of(sink).lag_events == 0


@pytest.mark.parametrize("status", [400, 413, 401, 403, 404, 408, 500, 501])
def test_what_may_not_be_repeated_needs_somebody_and_loses_nothing(
    acme: Tenant, receiver: Receiver, fake: OtlpFake, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    fake.status = status
    sink = otlp(acme, receiver, options={"headers": "Authorization: Bearer a-token"})
    happen(acme, 5)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.BLOCKED, 0)
    assert "a-token" not in cursor.last_error + caplog.text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("url", "http://[::1]/v1/logs", "not an address"),
        ("headers", "Authorization", "one header a line"),
        ("headers", "Content-Type: text/plain", "one header a line"),
        ("headers", "X-Token: \x01", "cannot be sent"),
        ("attributes", "no equals sign", "name=value"),
    ],
)
def test_what_cannot_work_is_refused(acme: Tenant, name: str, value: str, text: str) -> None:
    with pytest.raises(DomainError, match=text):
        sink_of(acme, "otlp", {"url": "https://collector.example/v1/logs", name: value})


@pytest.mark.soak
def test_many_events_arrive(acme: Tenant, receiver: Receiver, fake: OtlpFake) -> None:
    sink = otlp(acme, receiver)
    happen(acme, 100_000)
    while cursor_of(sink).lag_events or not fake.records:
        turns()
    assert numbers(fake) == list(range(sealed(acme)))
