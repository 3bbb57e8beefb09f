"""How fast events leave: an export's NDJSON against what PostgreSQL itself sends of the same rows."""

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

EVENTS = 100_000
LOG = UUID("00000000-0000-0000-0000-000000000001")
SHELL = Actor(ActorKind.SYSTEM, None, "bench", authority=FullAuthority())


def test_exporting(superuser: psycopg.Connection, tmp_path: Path, settings, monkeypatch) -> None:
    settings.AUDIT_EXPORT_DIRECTORY = tmp_path
    monkeypatch.setattr(make_export, "delay", lambda *arguments: None)
    fill = FILL.replace("lpad((1 + e %% 10)::text, 32, '0')::uuid", f"'{LOG}'::uuid")
    for _ in range(EVENTS // TRANSACTION):
        superuser.execute(fill, {"events": TRANSACTION})
    seal(seconds=600)
    superuser.execute("ANALYZE")
    copied, wire = _timed(lambda: _copy(superuser))
    print(f"\nExporting {EVENTS:,} events of one log")
    print(f"  COPY (the same rows) TO STDOUT {EVENTS / copied:10,.0f} events/s   {wire / copied / 1e6:6.1f} MB/s")
    for name in ("ndjson", "csv", "ocsf"):
        seconds, size = _timed(lambda name=name: _lines(name))  # type: ignore[misc]
        print(
            f"  {name:<30} {EVENTS / seconds:10,.0f} events/s   {size / seconds / 1e6:6.1f} MB/s"
            f"   {copied / seconds:4.0%} of COPY's events"
        )
    for name in ("ndjson", "parquet", "package"):
        seconds, size = _timed(lambda name=name: _export(name))  # type: ignore[misc]
        print(f"  {name + ', encrypted, on the disk':<30} {EVENTS / seconds:10,.0f} events/s   {size / 1e6:6.1f} MB")


def _timed(work: Callable[[], int]) -> tuple[float, int]:
    """Return the seconds of the faster of two runs, and what it returned."""
    best = float("inf")
    size = 0
    for _ in range(2):
        started = time.perf_counter()
        size = work()
        best = min(best, time.perf_counter() - started)
    return best, size


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
