"""How fast events leave: an export's NDJSON against what PostgreSQL itself sends of the same rows."""

import faulthandler
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from django.db import connections

from audit.exports import making
from audit.exports.lines import lines_of
from audit.exports.selection import Selection
from audit.formats import FORMATS
from audit.models import EvidenceExport
from audit.sealing.reading import sealed_query
from audit.sealing.sealer import seal
from audit.services.exports import request_export
from audit.tasks import make_export
from isolation.actor import SYSTEM, Actor, ActorKind, FullAuthority
from isolation.context import acting_as
from isolation.scope import APP, tenant_scope
from tests.audit.exports.stage import stored
from tests.bench.test_sealing import FILL, TRANSACTION

pytestmark = pytest.mark.bench

EVENTS, ROUNDS = 100_000, 4
LOG = UUID("00000000-0000-0000-0000-000000000001")
SHELL = Actor(ActorKind.SYSTEM, None, "bench", authority=FullAuthority())


def test_exporting(superuser: psycopg.Connection, tmp_path: Path, settings, monkeypatch) -> None:
    faulthandler.cancel_dump_traceback_later()  # on a busy machine it takes longer than a test that hangs is given
    settings.AUDIT_EXPORT_DIRECTORY = tmp_path
    monkeypatch.setattr(make_export, "delay", lambda *arguments: None)
    fill = FILL.replace("lpad((1 + e %% 10)::text, 32, '0')::uuid", f"'{LOG}'::uuid")
    for _ in range(EVENTS // TRANSACTION):
        superuser.execute(fill, {"events": TRANSACTION})
    seal(seconds=600)
    superuser.execute("ANALYZE")
    print(f"\nExporting {EVENTS:,} events of one log")
    (copied, wire), (seconds, size) = _timed(ROUNDS, lambda: _copy(superuser), lambda: _lines("ndjson"))
    print(f"  COPY (the same rows) TO STDOUT {EVENTS / copied:10,.0f} events/s   {wire / copied / 1e6:6.1f} MB/s")
    print(f"  NDJSON                         {EVENTS / seconds:10,.0f} events/s   {size / seconds / 1e6:6.1f} MB/s")
    print(f"  {copied / seconds:.0%} of COPY's events, {size / seconds / (wire / copied):.0%} of its bytes")
    for name in ("csv", "ocsf"):
        [(seconds, size)] = _timed(1, lambda name=name: _lines(name))  # type: ignore[misc]
        print(f"  {name:<30} {EVENTS / seconds:10,.0f} events/s   {size / seconds / 1e6:6.1f} MB/s")
    for name in ("ndjson", "parquet", "package"):
        [(seconds, size)] = _timed(1, lambda name=name: _export(name))  # type: ignore[misc]
        print(f"  {name + ', encrypted, on the disk':<30} {EVENTS / seconds:10,.0f} events/s   {size / 1e6:6.1f} MB")


def _timed(rounds: int, *candidates: Callable[[], int]) -> list[tuple[float, int]]:
    """Return (seconds of the fastest run, what it returned) of each candidate; they take turns."""
    best = [(float("inf"), 0)] * len(candidates)
    for _ in range(rounds):
        for place, work in enumerate(candidates):
            started = time.perf_counter()
            size = work()
            best[place] = min(best[place], (time.perf_counter() - started, size))
    return best


def _copy(superuser: psycopg.Connection) -> int:
    with superuser.cursor() as cursor:
        sql, parameters = sealed_query(cursor, LOG, 0, EVENTS)
        size = 0
        with cursor.copy(f"COPY ({psycopg.ClientCursor(superuser).mogrify(sql, parameters)}) TO STDOUT") as copy:
            for block in copy:
                size += len(block)
        return size


def _lines(name: str) -> int:
    selection, size, is_first = Selection(LOG, 0, EVENTS, EVENTS), 0, True
    for piece in selection.pieces():
        with tenant_scope(LOG), connections[APP].cursor() as cursor:
            for line in lines_of(selection, FORMATS[name], cursor, piece, is_first=is_first, alone=True):
                size += len(line)
            is_first = False
    return size


def _export(name: str) -> int:
    with acting_as(SYSTEM):
        with tenant_scope(LOG):
            EvidenceExport.objects.count()
            export = request_export(organization_id=LOG, format=name, actor=SHELL, reason="bench")
        making.make(LOG, export.pk, seconds=600)
    assert stored(export).is_completed, stored(export).problem
    return int(stored(export).size or 0)
