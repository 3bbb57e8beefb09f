"""How fast sinks deliver, beside a bare client that makes and sends the same bytes; memory; time until delivery."""

import gzip
import http.client
import ipaddress
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from audit.models import Sink, SinkCursor
from audit.sealing.logs import head
from audit.sinks.base import Destination, Limits
from audit.sinks.claims import wake
from audit.sinks.delivery import deliver
from audit.sinks.destinations.s3 import S3
from audit.sinks.http import HttpDestination
from audit.sinks.records import Feed
from audit.sinks.registry import destination
from isolation.scope import tenant_scope
from outbound.exchange import Reply
from tests import database
from tests.audit.sealing.stage import INSERT
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.audit.sinks.stage import cursor_of, happen, sink_of, webhook
from tests.people import Tenant, make_tenant
from tests.running import ROOT, Run, portal

__all__ = ["portal"]
pytestmark = pytest.mark.bench

RECEIVER = Path(__file__).with_name("http_receiver.py")
EVENTS = 50_000
ORGANIZATIONS, SINKS_EACH = 20, 50
BACKLOG = int(os.environ.get("BENCH_BACKLOG", "1000000"))
WAITED_FOR, EVERY = 300, 0.2
DELIVERED_FOR = 60
ROUNDS = 3
BACKLOG_SQL = Path(__file__).with_name("backlog.sql").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.1")]


@contextmanager
def receiver() -> Iterator[int]:
    """Run a receiver; yield its port."""
    with subprocess.Popen([sys.executable, str(RECEIVER)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def bare(port: int, bodies: list[bytes], method: str) -> float:
    """Return the seconds in which a bare client sends bodies over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    started = time.perf_counter()
    for number, body in enumerate(bodies):
        connection.request(method, f"/{number}", body, {"content-type": "application/json"})
        connection.getresponse().read()
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def made(sink: Sink, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[list[bytes], float]:
    """Return the bodies that a sink sends of a whole log, and the seconds in which they are made, without sending."""
    bodies: list[bytes] = []

    def keep(
        self: Any,
        content: bytes,
        headers: Mapping[str, str],
        url: str = "",
        *,
        method: str = "POST",
        packed: bool = False,
    ) -> Reply:
        bodies.append(gzip.compress(content, 1, mtime=0) if packed else content)
        return Reply(200, {}, b'{"text":"Success","code":0}', "")

    def keep_object(self: Any, key: str, content: bytes, digest: bytes) -> bool:
        bodies.append(content)
        return True

    with monkeypatch.context() as patched:
        patched.setattr(HttpDestination, "post", keep)
        patched.setattr(S3, "_write", keep_object)
        maker: Destination = destination(sink.kind)(options, sink.pk)
        end = head(sink.organization_id)
        started = time.perf_counter()
        feed, at = Feed(sink, sink.organization_id, 0, end), 0
        while at < end:
            found = feed.next(Limits(sink.batch_events, sink.batch_bytes))
            maker.send(found.items)
            at = found.end
        seconds = time.perf_counter() - started
    return bodies, seconds


def rewind(sink: Sink) -> None:
    """Let a sink begin again."""
    with tenant_scope(sink.organization_id):
        SinkCursor.objects.filter(sink=sink).update(next_seq=0, waiting_since="2026-01-01T00:00Z")


@pytest.mark.parametrize("kind", ["webhook", "splunk_hec", "s3"])
def test_a_sink_beside_a_bare_client(acme: Tenant, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    happen(acme, EVENTS)
    with receiver() as port:
        url = f"http://127.0.0.1:{port}"
        told: dict[str, dict[str, Any]] = {
            "webhook": {"url": url},
            "splunk_hec": {"url": url, "token": "11111111-1111-1111-1111-111111111111"},
            "s3": {"bucket": "siem", "endpoint": url, "access_key": "test", "secret_key": "a secret of ours"},
        }
        sink = sink_of(acme, kind, told[kind], from_beginning=True)
        with acme.acting("owner"):
            options = {**sink.options, **sink.revealed()}
        times: dict[str, list[float]] = {"ours": [], "made": [], "sent": []}
        bodies: list[bytes] = []
        end = head(sink.organization_id)
        for _round in range(ROUNDS):
            rewind(sink)
            wake()
            started = time.perf_counter()
            while cursor_of(sink).lag_events:
                assert deliver(60), cursor_of(sink).last_error
            times["ours"].append(time.perf_counter() - started)
            bodies, seconds = made(sink, options, monkeypatch)
            times["made"].append(seconds)
            times["sent"].append(bare(port, bodies, "PUT" if kind == "s3" else "POST"))
    ours, making, sending = (statistics.median(each) for each in times.values())
    size = sum(map(len, bodies)) / 1e6
    print(
        f"\n{kind}: {end / ours:,.0f} events/s, {size:,.0f} MB in {len(bodies):,} requests. A bare client that makes "
        f"the same bytes and sends them: {end / (making + sending):,.0f} events/s, ratio "
        f"{(making + sending) / ours:.2f}; that has them ready: {end / sending:,.0f} events/s, "
        f"ratio {sending / ours:.2f}"
    )


def fill(tenant: Tenant, events: int) -> None:
    """Put sealed events into an organization's log, behind the back of the sealer."""
    with psycopg.connect(database.server().dsn(database=database.worker_database()), autocommit=True) as superuser:
        superuser.execute(database.TRIGGERS_OFF)
        superuser.execute(BACKLOG_SQL, {"log": tenant.organization.pk, "events": events})
        superuser.execute(
            "INSERT INTO audit_checkpoint (organization_id, start, size, root, edge, note, key_number, time)"
            " VALUES (%s, 0, %s, %s, %s, 'none', 1, now())",
            [tenant.organization.pk, events, bytes(32), bytes(32 * events.bit_count())],
        )


def test_memory_with_many_sinks_and_a_long_backlog(db: None) -> None:
    with receiver() as port:
        tenants = [make_tenant(f"org-{number}", everybody=False) for number in range(ORGANIZATIONS)]
        started = time.perf_counter()
        for tenant in tenants:
            fill(tenant, BACKLOG // ORGANIZATIONS)
        print(f"\n{BACKLOG:,} sealed events filled in within {time.perf_counter() - started:,.0f} s")
        sinks = [
            webhook(tenant, f"http://127.0.0.1:{port}/{number}", name=f"Sink {number}", from_beginning=True)
            for tenant in tenants
            for number in range(SINKS_EACH)
        ]
        deliver(5)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started, turns = time.perf_counter(), 0
        while time.perf_counter() - started < DELIVERED_FOR:
            turns += deliver(10)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        seconds = time.perf_counter() - started
        done = sum(cursor_of(sink).next_seq for sink in sinks)
        waiting = sum(cursor_of(sink).lag_events for sink in sinks)
        served = sum(cursor_of(sink).next_seq > 0 for sink in sinks)
    print(
        f"{len(sinks):,} sinks with {waiting:,} deliveries still waiting: {turns:,} turns, {done:,} events, {served} "
        f"sinks in {seconds:,.0f} s; memory {before / 1024:,.0f} MB, grown by {grown / 1024:,.1f} MB"
    )


class _OnLoopback(Run):
    """A portal whose sinks may reach this machine."""

    def environment(self, **extra: str) -> dict[str, str]:
        return super().environment(OUTBOUND_ALLOWED_NETWORKS="127.0.0.1/32", DEMO="1", **extra)


def test_time_from_commit_to_delivery(portal: Run) -> None:
    run = _OnLoopback(portal.home, portal.port)
    arrived: dict[str, float] = {}

    def rule(request: Request) -> Answer:
        now = time.time()
        arrived.update({event["event"]["id"]: now for event in request.json().get("events", [])})  # or a checkpoint
        return Answer()

    def command(*arguments: str) -> None:
        program = [sys.executable, "manage.py", *arguments]
        subprocess.run(program, cwd=ROOT, env=run.environment(), check=True, capture_output=True)

    with Receiver(keeps=0).running() as listening:
        listening.rule = rule
        run.start()
        portal.process = run.process
        run.wait_until_ready()
        told = ("--kind", "webhook", "--name", "SIEM", "--option", f"url={listening.url}")
        command("sink", "add", "--organization", "acme", *told)
        committed: dict[str, float] = {}
        with psycopg.connect(run.server().dsn(database="gatehouse"), autocommit=True) as writer:
            row = writer.execute("SELECT id FROM tenants_organization WHERE slug = 'acme'").fetchone()
            assert row is not None

            def write(count: int) -> None:
                for _event in range(count):
                    written = writer.execute(INSERT, [row[0], ""]).fetchone()
                    assert written is not None
                    committed[str(written[0])] = time.time()
                    time.sleep(EVERY)
                deadline = time.monotonic() + 60
                while not committed.keys() <= arrived.keys():
                    assert time.monotonic() < deadline, len(committed.keys() - arrived.keys())
                    time.sleep(0.1)

            write(1)  # the workers are there now: they take longer to start than the pages
            committed.clear()
            write(WAITED_FOR)
    waited = sorted(arrived[event] - moment for event, moment in committed.items())
    print(
        f"\nFrom commit to delivery, {WAITED_FOR} events, the portal as `make run` starts it: "
        f"p50 {statistics.median(waited):.2f} s, p99 {waited[int(len(waited) * 0.99)]:.2f} s, "
        f"longest {waited[-1]:.2f} s"
    )
