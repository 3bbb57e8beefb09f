"""Microsoft Sentinel's Logs Ingestion API, against a strict fake of our own."""

from typing import Any

import pytest

from audit.models import SinkState
from audit.services.sinks import update_sink
from audit.sinks.destinations.sentinel import Sentinel
from isolation.exceptions import DomainError
from tests.audit.sealing.stage import write, writer
from tests.audit.sinks.fakes.base import check_complete, item, said
from tests.audit.sinks.fakes.sentinel import SentinelFake
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.audit.sinks.stage import cursor_of, due, happen, letters_of, turns
from tests.people import Tenant


@pytest.fixture
def azure(receiver: Receiver) -> SentinelFake:
    return SentinelFake(receiver)


def uploads(azure: SentinelFake) -> list[Request]:
    return [request for request in azure.requests() if "token" not in request.path]


def test_every_event_is_a_row(acme: Tenant, azure: SentinelFake) -> None:
    sink = azure.sink(acme, batch_events=10)
    happen(acme, 25)
    turns()
    check_complete(azure, acme, sink)
    row = azure.rows[-1]
    assert row["TimeGenerated"] == row["EventTime"] == row["Record"]["event"]["time"].replace("Z", "+00:00")
    assert row["Action"] == "member.role_changed"
    assert row["Log"] == str(acme.organization.pk)


def test_a_token_is_kept_for_the_next_turns(acme: Tenant, azure: SentinelFake) -> None:
    azure.sink(acme)
    for _turn in range(3):
        happen(acme, 2)
        turns()
    assert azure.given == 1


def test_a_token_is_not_used_until_its_very_end(
    acme: Tenant, azure: SentinelFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure.sink(acme)
    clock = [1_000.0]
    monkeypatch.setattr("audit.sinks.bearer.time.monotonic", lambda: clock[0])
    destination = Sentinel(azure.options(), item().log)
    for passed, given in ((0, 1), (3_000, 1), (310, 2), (10, 2)):
        clock[0] += passed
        destination.send([item()])
        assert azure.given == given
    destination.close()


@pytest.mark.parametrize("life", [30, 0, None, "soon", "-5"])
def test_a_token_of_a_short_or_unknown_life_works(acme: Tenant, azure: SentinelFake, life: Any) -> None:
    azure.life = life
    sink = azure.sink(acme, batch_events=3)
    happen(acme, 8)
    turns()
    check_complete(azure, acme, sink)


def test_a_token_that_is_taken_no_more_is_fetched_once_again(acme: Tenant, azure: SentinelFake) -> None:
    sink = azure.sink(acme)
    happen(acme, 3)
    turns()
    azure.tokens.clear()
    happen(acme, 3)
    turns()
    assert azure.given == 2
    check_complete(azure, acme, sink)
    assert cursor_of(sink).state == SinkState.DELIVERING


def test_a_service_that_takes_no_token_needs_a_person(acme: Tenant, azure: SentinelFake) -> None:
    sink = azure.sink(acme)
    happen(acme, 3)
    turns()
    uploaded = len(uploads(azure))
    happen(acme, 3)
    azure.fault = lambda request: None if "token" in request.path else Answer(401, b'{"error":{"code":"InvalidToken"}}')
    turns()
    assert cursor_of(sink).state == SinkState.BLOCKED
    assert (len(uploads(azure)) - uploaded, azure.given) == (2, 2)
    azure.fault = lambda _request: None
    due(acme)
    turns()
    check_complete(azure, acme, sink)


def test_a_wrong_client_secret_is_told_and_not_shown(acme: Tenant, azure: SentinelFake) -> None:
    sink = azure.sink(acme, options={"client_secret": "wrong~but-secret"})
    happen(acme, 3)
    turns()
    cursor = cursor_of(sink)
    assert cursor.state == SinkState.BLOCKED
    assert "Entra gives no token: invalid_client: AADSTS7000215" in cursor.last_error
    assert "You sent •••" in cursor.last_error
    assert uploads(azure) == []
    with acme.acting("owner") as actor:
        update_sink(sink=sink, options={"client_secret": azure.secret}, actor=actor)
    turns()
    check_complete(azure, acme, sink)


def test_a_token_given_for_other_credentials_is_not_used(azure: SentinelFake) -> None:
    sink_id = item().log
    first = Sentinel(azure.options(), sink_id)
    first.send([item()])
    first.close()
    second = Sentinel({**azure.options(), "client_secret": "wrong~but-secret"}, sink_id)
    with pytest.raises(Exception, match="Entra gives no token"):
        second.send([item()])
    second.close()


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (said(503, {}), SinkState.RETRYING),
        (Answer(429, headers={"Retry-After": "20"}), SinkState.RETRYING),
        (said(200, {"token_type": "Bearer"}), SinkState.RETRYING),
        (Answer(200, b"<html>Sign in</html>"), SinkState.RETRYING),
        (Answer(404, b"<html>Not found</html>"), SinkState.BLOCKED),
        (said(400, {"error": "unauthorized_client", "error_description": "AADSTS700016"}), SinkState.BLOCKED),
        (said(400, ["nonsense"]), SinkState.BLOCKED),
        (said(400, {"error": "temporarily_unavailable", "error_description": "AADSTS90033"}), SinkState.RETRYING),
        (said(400, {"error": {"code": "unavailable"}}), SinkState.BLOCKED),
        (Answer(0), SinkState.RETRYING),
    ],
)
def test_entra_s_troubles(acme: Tenant, azure: SentinelFake, answer: Answer, state: SinkState) -> None:
    sink = azure.sink(acme)
    happen(acme, 3)
    azure.fault = lambda request: answer if "token" in request.path else None
    turns()
    assert (cursor_of(sink).state, cursor_of(sink).next_seq) == (state, 0)
    azure.fault = lambda _request: None
    due(acme)
    turns()
    check_complete(azure, acme, sink)


@pytest.mark.parametrize(
    ("status", "state", "told"),
    [
        (403, SinkState.BLOCKED, "Monitoring Metrics Publisher"),
        (404, SinkState.BLOCKED, "immutable ID"),
        (429, SinkState.RETRYING, "429"),
        (401, SinkState.BLOCKED, "tenant, application and cloud"),
        (500, SinkState.RETRYING, "500"),
        (503, SinkState.RETRYING, "503"),
        (200, SinkState.BLOCKED, "says 204"),
        (202, SinkState.BLOCKED, "says 204"),
    ],
)
def test_statuses(acme: Tenant, azure: SentinelFake, status: int, state: SinkState, told: str) -> None:
    sink = azure.sink(acme)
    happen(acme, 3)
    azure.fault = lambda request: None if "token" in request.path else Answer(status, headers={"Retry-After": "60"})
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (state, 0)
    assert told in cursor.last_error
    if status == 429:
        assert cursor.retry_at is not None
        assert cursor.failing_since is not None
        assert 55 < (cursor.retry_at - cursor.failing_since).total_seconds() <= 61
    azure.fault = lambda _request: None
    due(acme)
    turns()
    check_complete(azure, acme, sink)


def test_a_batch_that_is_too_large_is_halved_and_what_is_refused_set_aside(acme: Tenant, azure: SentinelFake) -> None:
    sink = azure.sink(acme)
    happen(acme, 60)
    azure.largest = 10_000
    azure.poison = {30}
    turns()
    check_complete(azure, acme, sink)


def test_a_full_batch_fits(acme: Tenant, azure: SentinelFake) -> None:
    sink = azure.sink(acme)
    with writer() as connection:
        for _event in range(60):
            write(connection, acme.organization.pk, "ü" * 14_000)
    happen(acme, 600)
    turns()
    check_complete(azure, acme, sink)
    assert {request.headers["content-encoding"] for request in uploads(azure)} == {"gzip"}
    assert azure.too_large == 0  # limits hold in bytes, not in letters


def test_an_event_that_would_be_cut_off_is_set_aside_unsent(acme: Tenant, azure: SentinelFake) -> None:
    sink = azure.sink(acme)
    happen(acme, 3)
    with writer() as connection:
        write(connection, acme.organization.pk, "x" * 65_000)
    happen(acme, 3)
    turns()
    (letter,) = letters_of(sink)
    azure.poison = {letter.seq}
    check_complete(azure, acme, sink)
    assert "64,000 bytes" in letter.reason


@pytest.mark.parametrize(
    ("authority", "scope"),
    [
        ("https://login.microsoftonline.com", "https://monitor.azure.com//.default"),
        ("https://login.microsoftonline.us", "https://monitor.azure.us//.default"),
        ("https://login.partner.microsoftonline.cn", "https://monitor.azure.cn//.default"),
    ],
)
def test_national_clouds(azure: SentinelFake, authority: str, scope: str) -> None:
    url, form = Sentinel({**azure.options(), "authority": authority}, item().log).token_request()
    assert url == f"{authority}/{azure.tenant}/oauth2/v2.0/token"
    assert form["scope"] == scope


def test_another_authority_is_not_sent_the_secret_that_was_given_for_the_first(
    acme: Tenant, azure: SentinelFake
) -> None:
    sink = azure.sink(acme)
    with acme.acting("owner") as actor, pytest.raises(DomainError) as refused:
        update_sink(sink=sink, options={"authority": "https://login.microsoftonline.us"}, actor=actor)
    assert refused.value.field == "client_secret"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rule", "my-rule"),
        ("stream", "Gatehouse_CL"),
        ("stream", "Custom-a/b"),
        ("tenant_id", "acme/../x"),
        ("client_id", "gatehouse"),
        ("client_secret", ""),
        ("url", "https://x.ingest.monitor.azure.com/dataCollectionRules"),
        ("authority", "login.microsoftonline.com"),
    ],
)
def test_settings_that_cannot_work_are_refused(acme: Tenant, azure: SentinelFake, field: str, value: str) -> None:
    with pytest.raises(DomainError) as refused:
        azure.sink(acme, options={field: value})
    assert refused.value.field == field
