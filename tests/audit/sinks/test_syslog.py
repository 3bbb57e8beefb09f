"""Syslog: rsyslog and syslog-ng receive everything over mutual TLS, also when they are killed in the middle."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.models import DeadLetterState, Sink, SinkCursor, SinkState
from audit.services.sink_delivery import replay_sink, retry_dead_letters, test_sink
from audit.services.sinks import update_sink
from audit.sinks.claims import claim, open_window, wake
from audit.sinks.delivery import deliver
from audit.sinks.destinations.syslog import Syslog
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tests.audit.sealing.stage import write, writer
from tests.audit.sinks.stage import apart, cursor_of, due, happen, letters_of, sealed, sink_of, turns
from tests.audit.sinks.syslog_servers import Rsyslog, SyslogNg, SyslogServer, require_gnutls
from tests.outbound.authority import Authority
from tests.people import Tenant


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(params=[Rsyslog, SyslogNg])
def server(request: pytest.FixtureRequest, tmp_path: Path, authority: Authority) -> Iterator[SyslogServer]:
    if request.param is Rsyslog:
        require_gnutls()
    running = request.param(tmp_path, authority)
    running.start()
    yield running
    running.kill()


def options(server: SyslogServer, authority: Authority, **more: Any) -> dict[str, Any]:
    certificate, key = authority.issue("gatehouse.example")
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "authorities": authority.file.read_text(),
        "client_certificate": certificate,
        "client_key": key,
        **more,
    }


def syslog(tenant: Tenant, server: SyslogServer, authority: Authority, **values: Any) -> Sink:
    more = values.pop("options", {})
    return sink_of(
        tenant, "syslog", options(server, authority, **more), **{"from_beginning": True, "batch_events": 20, **values}
    )


def numbers(server: SyslogServer) -> list[int]:
    return [record["seq"] for record in server.records()]


def after_batch(monkeypatch: pytest.MonkeyPatch, number: int, then: Callable[[], object]) -> None:
    """Let something happen once, right after a batch was written."""
    sent = 0
    send = Syslog.send

    def sending(self: Syslog, batch: Any) -> Any:
        nonlocal sent
        rejections = send(self, batch)
        sent += 1
        if sent == number:
            then()
        return rejections

    monkeypatch.setattr(Syslog, "send", sending)


def test_another_organization_s_events_never_reach_a_sink(
    acme: Tenant, globex: Tenant, server: SyslogServer, authority: Authority
) -> None:
    syslog(acme, server, authority)
    happen(globex, 5)
    happen(acme, 5)
    turns()
    server.wait_for(sealed(acme))
    assert {record["event"]["organization_id"] for record in server.records()} == {str(acme.organization.pk)}


def test_every_event_arrives_once_and_in_order(acme: Tenant, server: SyslogServer, authority: Authority) -> None:
    sink = syslog(acme, server, authority)
    happen(acme, 100)
    turns()
    server.wait_for(sealed(acme))
    assert numbers(server) == list(range(sealed(acme)))
    cursor = cursor_of(sink)
    assert (cursor.lag_events, cursor.state, cursor.replay_from) == (0, SinkState.DELIVERING, None)


def test_a_message_is_as_rfc_5424_says(acme: Tenant, server: SyslogServer, authority: Authority) -> None:
    syslog(acme, server, authority, options={"facility": "16", "hostname": "gate.acme.example", "app_name": "audit"})
    happen(acme, 1)
    turns()
    server.wait_for(sealed(acme))
    row = server.rows()[-1]
    record = server.records()[-1]
    event = record["event"]
    assert datetime.fromisoformat(row[0]) == datetime.fromisoformat(event["time"])
    assert row[1:5] == [str(16 * 8 + 5), "gate.acme.example", "audit", "member.role_changed"]
    data = f'[gatehouse@32473 id="{event["id"]}" seq="{record["seq"]}" log="{acme.organization.pk}"]'
    assert row[5] == data
    assert row[6].removeprefix("\ufeff")[0] == "{"


def test_a_killed_server_misses_nothing(
    acme: Tenant, server: SyslogServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = syslog(acme, server, authority)
    happen(acme, 400)
    after_batch(monkeypatch, 7, server.kill)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.RETRYING, 0)
    server.start()
    due(acme)
    turns()
    server.wait_for(sealed(acme))
    assert cursor_of(sink).lag_events == 0
    assert set(numbers(server)) == set(range(sealed(acme)))
    ids: dict[int, set[str]] = {}
    for record in server.records():
        ids.setdefault(record["seq"], set()).add(record["event"]["id"])
    assert all(len(found) == 1 for found in ids.values())


def test_what_was_sent_shortly_before_a_failure_comes_again(
    acme: Tenant, server: SyslogServer, authority: Authority
) -> None:
    sink = syslog(acme, server, authority)
    happen(acme, 10)
    turns()
    settled = sealed(acme)
    assert cursor_of(sink).next_seq == settled
    server.kill()
    happen(acme, 1)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.RETRYING, 0)
    server.start()
    due(acme)
    turns()
    server.wait_for(settled + sealed(acme))
    assert numbers(server)[settled:] == list(range(sealed(acme)))


def test_what_was_sent_before_the_window_does_not_come_again(
    acme: Tenant, server: SyslogServer, authority: Authority
) -> None:
    sink = syslog(acme, server, authority)
    happen(acme, 10)
    turns()
    settled = sealed(acme)
    with tenant_scope(acme.organization):
        cursor = SinkCursor.objects.get(sink=sink)
        cursor.sent_lately = [[seq, at - 3_600] for seq, at in cursor.sent_lately]
        cursor.delivered_at -= timedelta(hours=1)
        cursor.save()
    server.kill()
    happen(acme, 1)
    turns()
    assert cursor_of(sink).next_seq == settled


def test_a_server_that_was_stopped_acknowledges_nothing(
    acme: Tenant, server: SyslogServer, authority: Authority, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """The kernel goes on to take what a stopped program never reads."""
    settings.OUTBOUND_TIMEOUT = 2
    sink = syslog(acme, server, authority)
    happen(acme, 10)
    after_batch(monkeypatch, 1, lambda: server.kill(signal.SIGSTOP))
    turns()
    assert cursor_of(sink).state == SinkState.RETRYING
    assert cursor_of(sink).next_seq == 0
    server.kill(signal.SIGKILL)
    server.start()
    due(acme)
    turns()
    server.wait_for(sealed(acme))
    assert set(numbers(server)) == set(range(sealed(acme)))


def test_a_worker_that_dies_leaves_nothing_out(acme: Tenant, server: SyslogServer, authority: Authority) -> None:
    sink = syslog(acme, server, authority)
    happen(acme, 10)
    wake()
    held = claim()
    assert held is not None
    open_window(held, 60)
    with tenant_scope(acme.organization):
        SinkCursor.objects.update(next_seq=8, leased_until=None)  # it had sent this much, and nobody knows more
    turns()
    server.wait_for(sealed(acme))
    assert numbers(server) == list(range(sealed(acme)))
    assert cursor_of(sink).replay_from is None


def test_a_replay_begins_where_somebody_wants(acme: Tenant, server: SyslogServer, authority: Authority) -> None:
    sink = syslog(acme, server, authority)
    happen(acme, 10)
    turns()
    before = sealed(acme)
    server.wait_for(before)
    with acme.acting("owner") as actor:
        replay_sink(sink=sink, seq=before - 2, actor=actor)
    turns()
    server.wait_for(before + 2)
    assert numbers(server)[before:][:2] == [before - 2, before - 1]


def test_without_a_client_certificate_nothing_counts_as_delivered(
    acme: Tenant, server: SyslogServer, authority: Authority
) -> None:
    sink = sink_of(
        acme,
        "syslog",
        {"host": "127.0.0.1", "port": server.port, "authorities": authority.file.read_text()},
        from_beginning=True,
    )
    happen(acme, 3)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.RETRYING, 0)
    assert "127.0.0.1" in cursor.last_error
    assert server.rows() == []


def test_the_server_has_to_be_who_it_says(
    acme: Tenant, server: SyslogServer, authority: Authority, tmp_path: Path
) -> None:
    tmp_path.joinpath("other").mkdir()
    other = Authority(tmp_path / "other")
    sink = syslog(acme, server, authority, options={"authorities": other.file.read_text()})
    happen(acme, 3)
    turns()
    assert "certificate of 127.0.0.1 is not valid" in cursor_of(sink).last_error
    assert server.rows() == []


def test_an_event_that_is_too_large_is_set_aside(acme: Tenant, server: SyslogServer, authority: Authority) -> None:
    with acme.acting("owner") as actor:
        sink = syslog(acme, server, authority, options={"largest": 2_048})
        update_sink(sink=sink, query="action:member.role_changed", actor=actor)
        update_sink(sink=sink, query="", name="A" * 80, actor=actor)
    happen(acme, 3)
    turns()
    letters = letters_of(sink)
    assert letters
    assert all("your server takes 2,048" in letter.reason for letter in letters)
    server.wait_for(sealed(acme) - len(letters))
    assert set(numbers(server)) == set(range(sealed(acme))) - {letter.seq for letter in letters}


@pytest.mark.parametrize("server", [Rsyslog], indirect=True)
def test_an_event_that_is_sent_again_has_arrived_when_its_connection_has_lasted(
    acme: Tenant, server: SyslogServer, authority: Authority, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.OUTBOUND_TIMEOUT = 2
    sink = syslog(acme, server, authority, options={"largest": 2_048})
    happen(acme, 3)
    with writer() as connection:
        write(connection, acme.organization.pk, "x" * 4_000)
    happen(acme, 3)
    turns()
    large = letters_of(sink)
    assert large
    with acme.acting("owner") as actor:
        update_sink(sink=sink, options={"largest": 65_536}, actor=actor)
        retry_dead_letters(sink=sink, letters=None, actor=actor)
    after_batch(monkeypatch, 1, lambda: server.kill(signal.SIGSTOP))
    turns()
    assert cursor_of(sink).state == SinkState.RETRYING
    assert {letter.state for letter in letters_of(sink)} == {DeadLetterState.RETRY}
    server.kill(signal.SIGKILL)
    server.start()
    due(acme)
    turns()
    assert {letter.state for letter in letters_of(sink)} == {DeadLetterState.DELIVERED}
    assert {letter.seq for letter in large} <= set(numbers(server))


def test_a_test_event_arrives_or_says_why_not(acme: Tenant, server: SyslogServer, authority: Authority) -> None:
    sink = syslog(acme, server, authority)
    with acme.acting("owner") as actor:
        assert test_sink(sink=sink, actor=actor) == ""
        server.wait_for(1)
        server.kill()
        assert "failed" in test_sink(sink=sink, actor=actor)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("host", "10.0.0.7", "not an address that may be fetched"),
        ("host", "two words", "characters that no URL has"),
        ("port", 25, "port 25"),
        ("hostname", "two words", "without blanks"),
        ("app_name", "x" * 49, "1 to 48"),
        ("largest", 100, "2,048 to"),
        ("window", 0, "1 to 3,600"),
        ("client_key", "not a key", "do not fit together"),
        ("authorities", "not a certificate", "not in PEM form"),
    ],
)
def test_what_cannot_work_is_refused(acme: Tenant, name: str, value: Any, text: str) -> None:
    with pytest.raises(DomainError, match=text):
        sink_of(acme, "syslog", {"host": "logs.acme.example", name: value})


def test_a_name_that_leads_inside_is_not_connected_to(acme: Tenant, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        port = inside.getsockname()[1]
        settings.OUTBOUND_ALLOWED_NETWORKS = []
        sink = sink_of(acme, "syslog", {"host": "localhost", "port": port}, from_beginning=True)
        happen(acme, 1)
        turns()
        inside.settimeout(0)
        with pytest.raises(BlockingIOError):
            inside.accept()
    assert "may not be fetched from here" in cursor_of(sink).last_error
    assert cursor_of(sink).state == SinkState.BLOCKED


def test_its_private_key_is_in_no_error_and_no_event(
    acme: Tenant, server: SyslogServer, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    sink = syslog(acme, server, authority)
    with tenant_scope(acme.organization):
        key = Sink.objects.get(pk=sink.pk).revealed()["client_key"].splitlines()[1]
    happen(acme, 1)
    turns()
    server.wait_for(sealed(acme))
    assert all(key not in row[-1] for row in server.rows())
    server.kill()
    happen(acme, 1)
    turns()
    assert key not in cursor_of(sink).last_error + caplog.text


def test_what_failed_is_a_warning(acme: Tenant, server: SyslogServer, authority: Authority) -> None:
    sink = syslog(acme, server, authority)
    with acme.acting("viewer") as actor, pytest.raises(MissingPermission):
        replay_sink(sink=sink, seq=0, actor=actor)
    happen(acme, 1)
    turns()
    server.wait_for(sealed(acme))
    priorities = {row[4]: int(row[1]) % 8 for row in server.rows()}
    assert (priorities["access.denied"], priorities["member.role_changed"]) == (4, 5)


def test_two_workers_never_send_one_log_at_once(acme: Tenant, server: SyslogServer, authority: Authority) -> None:
    syslog(acme, server, authority, batch_events=5)
    happen(acme, 100)
    wake()
    workers = [apart(lambda: deliver(10)) for _ in range(2)]
    for worker in workers:
        worker.join()
    turns()
    server.wait_for(sealed(acme))
    assert numbers(server) == list(range(sealed(acme)))


@pytest.mark.parametrize("server", [Rsyslog], indirect=True)
def test_text_formats_are_sent_too(acme: Tenant, server: SyslogServer, authority: Authority) -> None:
    syslog(acme, server, authority, format="cef", options={"has_bom": False})
    happen(acme, 1)
    turns()
    server.wait_for(sealed(acme))
    assert all(row[-1].startswith("CEF:") for row in server.rows())


def test_a_server_that_reads_slowly_gets_everything(
    acme: Tenant, server: SyslogServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped again and again, for less than the patience of a step."""
    syslog(acme, server, authority, batch_events=200)
    happen(acme, 2_000)
    over = threading.Event()

    def slow() -> None:
        while not over.wait(0.1):
            server.kill(signal.SIGSTOP)
            over.wait(0.2)
            server.kill(signal.SIGCONT)

    slowing = apart(slow)
    try:
        turns()
    finally:
        over.set()
        slowing.join()
    server.wait_for(sealed(acme))
    assert numbers(server) == list(range(sealed(acme)))


@pytest.mark.soak
def test_killed_again_and_again_it_misses_nothing_of_many(
    acme: Tenant, server: SyslogServer, authority: Authority
) -> None:
    """Kills the server ten times while 50,000 events are delivered."""
    sink = syslog(acme, server, authority, batch_events=1_000, options={"window": 5})
    happen(acme, 50_000)
    over = threading.Event()

    def disturb() -> None:
        for _ in range(10):
            if over.wait(2):
                return
            server.kill()
            server.start()

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        while disturbing.is_alive() or cursor_of(sink).lag_events:
            turns()
            due(acme)
    finally:
        over.set()
        disturbing.join()
    server.wait_for(sealed(acme))
    assert set(numbers(server)) == set(range(sealed(acme)))
