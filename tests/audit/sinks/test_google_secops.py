"""Google SecOps' `logs.import`, against a strict fake of our own."""

import base64
import json
from typing import Any

import pytest

from audit.models import SinkState
from audit.sinks.destinations.google_secops import GoogleSecOps
from isolation.exceptions import DomainError
from tests.audit.sinks.fakes.base import check_complete, item, said
from tests.audit.sinks.fakes.google_secops import GoogleSecOpsFake, private_key
from tests.audit.sinks.receivers import Answer, Receiver
from tests.audit.sinks.stage import cursor_of, due, happen, letters_of, turns
from tests.people import Tenant


@pytest.fixture
def secops(receiver: Receiver) -> GoogleSecOpsFake:
    return GoogleSecOpsFake(receiver)


def test_every_event_is_a_raw_log(acme: Tenant, secops: GoogleSecOpsFake) -> None:
    sink = secops.sink(acme, batch_events=10)
    happen(acme, 25)
    turns()
    check_complete(secops, acme, sink)
    log = secops.logs[-1]
    record = json.loads(base64.b64decode(log["data"]))
    assert log["logEntryTime"] == record["event"]["time"]
    assert log["labels"]["log"] == {"value": str(acme.organization.pk)}
    assert secops.given == 1


def test_what_is_sent_again_is_the_same_to_the_byte(acme: Tenant, secops: GoogleSecOpsFake) -> None:
    sink = secops.sink(acme)
    happen(acme, 5)
    secops.fault = lambda request: None if "token" in request.path else Answer(503)
    turns()
    secops.fault = lambda _request: None
    due(acme)
    turns()
    first, second = (request for request in secops.requests() if "token" not in request.path)
    assert first.body == second.body
    check_complete(secops, acme, sink)


def test_a_token_that_is_taken_no_more_is_fetched_once_again(acme: Tenant, secops: GoogleSecOpsFake) -> None:
    sink = secops.sink(acme)
    happen(acme, 3)
    turns()
    secops.tokens.clear()
    happen(acme, 3)
    turns()
    assert secops.given == 2
    check_complete(secops, acme, sink)


@pytest.mark.parametrize(
    ("answer", "state", "told"),
    [
        (said(401, {"error": {"status": "UNAUTHENTICATED"}}), SinkState.BLOCKED, "service account's key"),
        (said(403, {"error": {"status": "PERMISSION_DENIED"}}), SinkState.BLOCKED, "chronicle.logs.import"),
        (said(404, {"error": {"status": "NOT_FOUND"}}), SinkState.BLOCKED, "log type"),
        (said(429, {"error": {"status": "RESOURCE_EXHAUSTED"}}), SinkState.RETRYING, "RESOURCE_EXHAUSTED"),
        (said(503, {"error": {"status": "UNAVAILABLE"}}), SinkState.RETRYING, "UNAVAILABLE"),
        (said(200, {"error": {"status": "INTERNAL"}}), SinkState.BLOCKED, "does not answer so"),
        (said(200, [1]), SinkState.BLOCKED, "does not answer so"),
        (Answer(200, b"<html>welcome</html>"), SinkState.RETRYING, "not JSON"),
        (Answer(204, b""), SinkState.RETRYING, "not JSON"),
        (said(400, {"error": {"status": "INVALID_ARGUMENT"}}), SinkState.BLOCKED, "refuses every event"),
    ],
)
def test_answers(acme: Tenant, secops: GoogleSecOpsFake, answer: Answer, state: SinkState, told: str) -> None:
    sink = secops.sink(acme)
    happen(acme, 20)
    secops.fault = lambda request: None if "token" in request.path else answer
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (state, 0)
    assert told in cursor.last_error
    assert letters_of(sink) == []
    secops.fault = lambda _request: None
    due(acme)
    turns()
    check_complete(secops, acme, sink)


def test_a_key_that_google_does_not_know_is_told(acme: Tenant, secops: GoogleSecOpsFake) -> None:
    key = json.dumps({**json.loads(secops.key()), "private_key_id": "another"})
    sink = secops.sink(acme, options={"key": key})
    happen(acme, 3)
    turns()
    cursor = cursor_of(sink)
    assert cursor.state == SinkState.BLOCKED
    assert "Google gives no token: invalid_grant: Invalid JWT Signature." in cursor.last_error


def test_a_batch_that_is_too_large_is_halved_and_what_is_refused_set_aside(
    acme: Tenant, secops: GoogleSecOpsFake
) -> None:
    sink = secops.sink(acme)
    happen(acme, 60)
    secops.largest = 15_000
    secops.poison = {30}
    turns()
    check_complete(secops, acme, sink)


def test_nothing_of_a_key_or_token_is_shown(acme: Tenant, secops: GoogleSecOpsFake) -> None:
    sink = secops.sink(acme)
    happen(acme, 1)
    secops.fault = lambda request: (
        None if "token" in request.path else Answer(503, request.headers["authorization"].encode())
    )
    turns()
    assert "Bearer •••" in cursor_of(sink).last_error
    secops.fault = lambda request: (
        said(400, {"error": request.body.decode()}) if "token" in request.path else Answer(401)
    )
    due(acme)
    turns()
    assert "assertion=•••" in cursor_of(sink).last_error


def test_each_location_has_an_address(secops: GoogleSecOpsFake) -> None:
    options = {name: value for name, value in secops.options().items() if name != "url"}
    assert GoogleSecOps(options, item().log).address() == (
        f"https://chronicle.eu.rep.googleapis.com/v1beta/{secops.parent}/logTypes/GATEHOUSE_AUDIT_CUSTOM/logs:import"
    )


def test_events_may_count_for_a_forwarder(secops: GoogleSecOpsFake) -> None:
    forwarder = "dddddddd-0000-4000-8000-000000000004"
    secops.fault = lambda request: None if "token" in request.path else said(200, {})
    destination = GoogleSecOps({**secops.options(), "forwarder": forwarder}, item().log)
    destination.send([item()])
    destination.close()
    assert secops.requests()[-1].json()["inlineSource"]["forwarder"] == f"{secops.parent}/forwarders/{forwarder}"


def _key(**changes: Any) -> str:
    account = {
        "type": "service_account",
        "private_key_id": "1",
        "private_key": private_key(),
        "client_email": "a@b.example",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps({name: value for name, value in {**account, **changes}.items() if value is not None})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", "not JSON"),
        ("key", "[]"),
        ("key", _key(type="authorized_user")),
        ("key", _key(client_email=None)),
        ("key", _key(private_key="-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n")),
        ("key", _key(private_key=7)),
        ("key", _key(token_uri="http://169.254.169.254/token")),
        ("project", "Acme SecOps"),
        ("project", "../x"),
        ("location", "moon"),
        ("instance", "acme"),
        ("log_type", "a/b"),
        ("forwarder", "a/b"),
    ],
)
def test_settings_that_cannot_work_are_refused(acme: Tenant, secops: GoogleSecOpsFake, field: str, value: str) -> None:
    with pytest.raises(DomainError) as refused:
        secops.sink(acme, options={field: value})
    assert refused.value.field == field
    assert "nonsense" not in str(refused.value)
