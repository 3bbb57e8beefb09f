"""How fast a backlog of events is sealed, with how much memory, and what sealing costs those who write meanwhile."""

import resource
import statistics
import threading
import time
from pathlib import Path

import psycopg
import pytest

from audit.sealing.sealer import seal
from tests import database

pytestmark = pytest.mark.bench

FILL = Path(__file__).with_name("sealing.sql").read_text(encoding="utf-8")
EVENTS, TRANSACTION = 300_000, 500
WRITING_SECONDS, WRITERS = 10, 2


def write_backlog(connection: psycopg.Connection, events: int, transaction: int = TRANSACTION) -> None:
    for _ in range(events // transaction):
        connection.execute(FILL, {"events": transaction})


def test_a_backlog_is_sealed(superuser: psycopg.Connection) -> None:
    seal()  # from now on by snapshots
    started = time.perf_counter()
    write_backlog(superuser, EVENTS)
    written = time.perf_counter() - started
    superuser.execute("ANALYZE audit_event")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    sealed = seal(seconds=600)
    seconds = time.perf_counter() - started
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    (size,) = superuser.execute(
        "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE relname ~ '^audit_leaf'"
    ).fetchone()
    (events,) = superuser.execute(
        "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE relname ~ '^audit_event'"
    ).fetchone()
    assert sealed >= EVENTS
    print(
        f"\nSealing a backlog of {EVENTS:,} events of ten organizations, written by the server itself at {EVENTS / written:,.0f}/s"
    )
    print(
        f"  {sealed / seconds:,.0f} events/s   memory grown by {grown / 1024:,.0f} MB   {size / sealed:,.0f} bytes an event, beside {events / sealed:,.0f} of the event itself"
    )


def test_what_sealing_costs_writers(superuser: psycopg.Connection) -> None:
    """Two writers commit one event after the other, with and without a sealer that works once a second."""
    seal()
    rates: dict[bool, list[float]] = {False: [], True: []}
    for sealing in (False, True, False, True):
        rates[sealing].append(_written(sealing=sealing))
        seal()
    plain, sealed = (statistics.mean(rates[sealing]) for sealing in (False, True))
    print(
        f"\nWriting: {plain:,.0f} events/s without, {sealed:,.0f}/s with a seal each second: ratio {sealed / plain:.2f}"
    )


def _written(*, sealing: bool) -> float:
    stop = threading.Event()
    counts: list[int] = []

    def work() -> None:
        with psycopg.connect(database.server().dsn(database=database.worker_database()), autocommit=True) as connection:
            count = 0
            while not stop.is_set():
                connection.execute(FILL, {"events": 1})
                count += 1
            counts.append(count)

    threads = [threading.Thread(target=work) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + WRITING_SECONDS
    while time.monotonic() < deadline:
        if sealing:
            seal()
        stop.wait(1)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(counts) / WRITING_SECONDS
