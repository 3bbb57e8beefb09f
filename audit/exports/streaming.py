"""An export straight into a file, as the command writes it: nothing is kept, and nobody goes on with it."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections
from django.utils import timezone

from audit.formats import Format
from audit.formats.base import Sink
from audit.package import PACKAGE, write_zip
from audit.services.exports import stem
from isolation.actor import Actor
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope

from .about import About
from .lines import lines_of
from .report import report_of
from .selection import Selection, Wanted, find_range, sealed_size, wanted_of


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for at the command line."""

    log_name: str
    query: str
    since: datetime | None
    until: datetime | None
    actor: Actor


@dataclass(frozen=True, slots=True)
class Prepared:
    """What will be written."""

    selection: Selection
    wanted: Wanted


def prepare(log: UUID, kind: Format, asked: Asked) -> Prepared:
    """Return what will be written; the log's scope is open.

    Raises:
        DomainError: the query cannot be meant, or no sealed event is in the period.
    """
    wanted = wanted_of(asked.query, since=asked.since, until=asked.until, actor=asked.actor, now=timezone.now())
    as_of = sealed_size(log)
    if not as_of:
        raise DomainError("Nothing is sealed yet: the worker seals events within seconds.", code="not_sealed")
    first, end = find_range(log, wanted, as_of=as_of, whole=kind.proves)
    return Prepared(Selection.of(log, wanted, first=first, end=end, as_of=as_of, whole=kind.proves), wanted)


def stream(prepared: Prepared, kind: Format, sink: Sink, asked: Asked) -> int:
    """Write an export; each piece is read in a transaction of its own.

    Returns:
        How many events there are.
    """
    counted = _Counted(_lines(prepared.selection, kind, alone=kind is not PACKAGE and kind.write is None))
    if kind is PACKAGE:
        # The archive's report and manifest say how many events there are, so that the lines are counted first.
        with tempfile.TemporaryFile() as lines:
            lines.writelines(counted)
            lines.seek(0)
            _write_package(prepared, sink, lines, asked, counted.count)
    elif kind.write is not None:
        kind.write(counted, sink)
    else:
        sink.write(kind.head)
        for line in counted:
            sink.write(line)
    return counted.count


class _Counted:
    """Lines, and how many of them went by."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            self.count += 1
            yield line


def _lines(selection: Selection, kind: Format, *, alone: bool) -> Iterator[bytes]:
    is_first = True
    for piece in selection.pieces():
        with tenant_scope(selection.log), connections[selection.alias].cursor() as cursor:
            for line in lines_of(selection, kind, cursor, piece, is_first=is_first, alone=alone):
                yield line
                is_first = False


def _write_package(prepared: Prepared, sink: Sink, lines: Any, asked: Asked, count: int) -> None:
    selection, now = prepared.selection, timezone.now()
    about = About(
        log=asked.log_name,
        query=asked.query,
        since=prepared.wanted.span.since,
        until=prepared.wanted.span.until,
        events=count,
        requester=asked.actor.label,
        reason="",
        created_at=now,
    )
    with tenant_scope(selection.log), connections[selection.alias].cursor() as cursor:
        report = report_of(cursor, selection, about)
        folder = stem(asked.log_name, now)
        write_zip(sink, cursor, selection, lines, folder=folder, about=about.manifest(), report=report)
