"""A long backlog: a million events that nobody sealed, as after a weekend without a worker."""

import resource
import time

import psycopg
import pytest

from audit.sealing.sealer import seal
from audit.verification import LogVerifier, logs_with_checkpoints
from tests.bench.test_sealing import write_backlog

EVENTS, TRANSACTION = 1_000_000, 5_000

LOGS = """
SELECT count(*), sum(leaves)::bigint, bool_and(leaves = last + 1), bool_and(leaves = size) FROM (
    SELECT organization_id, count(*) AS leaves, max(seq) AS last FROM audit_leaf GROUP BY 1
) AS l JOIN (SELECT organization_id, max(size) AS size FROM audit_checkpoint GROUP BY 1) AS c USING (organization_id)
"""
LEFT = """
SELECT count(*) FROM audit_event e WHERE NOT EXISTS (
    SELECT FROM audit_leaf l WHERE l.event_id = e.id AND l.event_time = e.time
      AND l.organization_id = coalesce(e.organization_id, '00000000-0000-0000-0000-000000000000'))
"""


@pytest.mark.soak
def test_a_million_events_are_sealed(superuser: psycopg.Connection) -> None:
    seal()  # from now on by snapshots
    write_backlog(superuser, EVENTS, TRANSACTION)
    superuser.execute("ANALYZE audit_event")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, processor = time.perf_counter(), time.process_time()
    sealed, runs = 0, 0
    while more := seal():  # each run stops after 50 seconds, as the worker's does
        sealed, runs = sealed + more, runs + 1
    seconds, processor = time.perf_counter() - started, time.process_time() - processor
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert sealed >= EVENTS
    assert superuser.execute(LEFT).fetchone() == (0,)
    [(logs, leaves, gapless, signed)] = superuser.execute(LOGS).fetchall()
    [(events,)] = superuser.execute("SELECT count(*) FROM audit_event").fetchall()
    assert (leaves, gapless, signed) == (events, True, True)
    started = time.perf_counter()
    findings = [LogVerifier(log).run() for log in logs_with_checkpoints()]
    verified = time.perf_counter() - started
    assert not any(found.problems for found in findings)
    assert sum(found.events for found in findings) == leaves
    print(
        f"\n{sealed:,} events of {logs} logs sealed in {seconds:,.0f} s and {runs} runs: {sealed / seconds:,.0f}/s, "
        f"{processor / sealed * 1e6:.1f} µs of the sealer's processor each, memory grown by {grown / 1024:,.0f} MB; "
        f"verified in {verified:,.0f} s: {leaves / verified * 60:,.0f}/min"
    )
