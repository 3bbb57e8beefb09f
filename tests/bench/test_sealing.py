"""How fast a backlog of events is sealed, with how much memory, and what sealing costs those who write meanwhile."""

import resource
import statistics
import threading
import time
from pathlib import Path

import psycopg
import pytest

from audit.package import write_package
from audit.sealing.database import sealer_cursor
from audit.sealing.sealer import seal
from audit.verification import LogVerifier, logs_with_checkpoints
from audit.verifier import gatehouse_verify
from tests import database

pytestmark = pytest.mark.bench

FILL = Path(__file__).with_name("sealing.sql").read_text(encoding="utf-8")
EVENTS, VERIFIED, TRANSACTION = 300_000, 100_000, 500
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
    assert sealed >= EVENTS
    print(f"\nSealing a backlog of {EVENTS:,} events of ten organizations, written at {EVENTS / written:,.0f}/s")
    print(f"  {sealed / seconds:,.0f} events/s   memory grown by {grown / 1024:,.0f} MB")
    for name in ("audit_leaf", "audit_event"):
        print(f"  {_bytes(superuser, name) / sealed:,.0f} bytes an event in {name}…")


def _bytes(superuser: psycopg.Connection, name: str) -> int:
    """Return the size of the tables whose names begin so, indexes included."""
    query = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND starts_with(relname, %s)"
    [(size,)] = superuser.execute(query, [name]).fetchall()
    return int(size)


def test_verifying(superuser: psycopg.Connection, tmp_path: Path) -> None:
    """The auditor's program over a package of one organization, and the verification in the database over ten."""
    seal()
    write_backlog(superuser, VERIFIED)
    seal(seconds=600)
    superuser.execute("ANALYZE")
    [(log, size)] = superuser.execute(
        "SELECT organization_id, size FROM audit_checkpoint ORDER BY size DESC LIMIT 1"
    ).fetchall()
    with sealer_cursor() as cursor:
        write_package(cursor, log, tmp_path / "package")
    started = time.perf_counter()
    assert gatehouse_verify.main([str(tmp_path / "package"), "--quiet"]) == 0
    alone = size / (time.perf_counter() - started)
    started = time.perf_counter()
    findings = [LogVerifier(log).run() for log in logs_with_checkpoints()]
    inside = sum(found.events for found in findings) / (time.perf_counter() - started)
    assert not any(found.problems for found in findings)
    print(
        f"\nVerifying: gatehouse_verify.py {alone * 60:,.0f} events/min   in the database {inside * 60:,.0f} events/min"
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
