"""How fast sinks deliver, beside a bare client that sends the same bytes; memory stays flat with many sinks."""

import http.client
import ipaddress
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from audit.sealing.logs import head
from audit.sinks.base import Limits
from audit.sinks.claims import wake
from audit.sinks.delivery import deliver
from audit.sinks.records import stretch
from tests.audit.sinks.stage import cursor_of, happen, webhook
from tests.people import Tenant, make_tenant

pytestmark = pytest.mark.bench

RECEIVER = Path(__file__).with_name("http_receiver.py")
EVENTS, SINKS, EVENTS_EACH = 50_000, 1_000, 200


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


def bare(port: int, bodies: list[bytes]) -> float:
    """Return the seconds in which a bare client sends bodies over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    started = time.perf_counter()
    for body in bodies:
        connection.request("POST", "/", body, {"content-type": "application/json"})
        connection.getresponse().read()
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def test_a_webhook_beside_a_bare_client(acme: Tenant) -> None:
    happen(acme, EVENTS)
    with receiver() as port:
        sink = webhook(acme, f"http://127.0.0.1:{port}", from_beginning=True)
        wake()
        started = time.perf_counter()
        while cursor_of(sink).lag_events:
            deliver(60)
        ours = time.perf_counter() - started
        log, bodies, at = sink.organization_id, [], 0
        end = head(log)
        while at < end:
            found = stretch(sink, log, at, end, Limits(500, 1_000_000))
            bodies.append(f'{{"events":[{",".join(item.text for item in found.items)}]}}'.encode())
            at = found.end
        theirs = bare(port, bodies)
    print(
        f"\nWebhook: {end / ours:,.0f} events/s; a bare client sends the same {sum(map(len, bodies)) / 1e6:,.0f} MB, "
        f"ready made, as {end / theirs:,.0f} events/s: ratio {theirs / ours:.2f}"
    )


def test_memory_with_many_sinks(db: None) -> None:
    with receiver() as port:
        tenants = [make_tenant(f"org-{number}", everybody=False) for number in range(SINKS // 50)]
        sinks = [
            webhook(tenant, f"http://127.0.0.1:{port}/{number}", name=f"Sink {number}", from_beginning=True)
            for tenant in tenants
            for number in range(50)
        ]
        for tenant in tenants:
            happen(tenant, EVENTS_EACH)
        wake()
        deliver(5)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started, turns = time.perf_counter(), 0
        while any(cursor_of(sink).lag_events for sink in sinks[-3:]) and time.perf_counter() - started < 300:
            turns += deliver(10)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    seconds = time.perf_counter() - started
    print(f"\n{len(sinks):,} sinks: {turns / seconds:,.0f} turns/s, memory grown by {grown / 1024:,.1f} MB")
