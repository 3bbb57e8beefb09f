"""Makes exports, piece by piece: each piece is read and stored in one transaction, which also notes where to go on.

Whoever is killed leaves a file with bytes behind what was noted; the next one cuts them away and goes on from there.
"""

import hashlib
import logging
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.db.models import F
from django.utils import timezone

from audit.models import EvidenceExport, ExportState
from audit.package import PACKAGE, write_zip
from audit.services.exports import (
    FILE,
    complete_export,
    expire_export,
    fail_export,
    key_of,
    kind_of,
    place_of,
    stem_of,
)
from isolation.actor import SYSTEM
from isolation.exceptions import DomainError
from isolation.scope import APP, INSTALLATION, operator_scope, tenant_scope
from vault.hidden import Hidden

from . import storage
from .about import about_of
from .lines import lines_of
from .report import report_of
from .selection import Selection, Wanted, find_range, wanted_of

logger = logging.getLogger("gatehouse.audit")

LINES = "lines"
"""The file of lines from which a format that is written as a whole is put together."""
SECONDS = 600
"""How long one task works on an export; then another one goes on."""
MOST_ATTEMPTS = 5
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"


def make(organization_id: UUID, export_id: UUID, *, seconds: float = SECONDS) -> bool:
    """Work on an export until it is completed, or for some time.

    Args:
        organization_id: whose it is.
        export_id: which one.
        seconds: how long, roughly.

    Returns:
        Whether there is more to do.
    """
    with tenant_scope(organization_id):
        export = EvidenceExport.objects.filter(pk=export_id, state=ExportState.RUNNING).first()
    if export is None:
        return False
    deadline = time.monotonic() + seconds
    try:
        with reading(organization_id, f"Evidence export: {export.reason}"):
            while _step(organization_id, export_id):
                if time.monotonic() > deadline:
                    return True
    except DomainError as error:
        with tenant_scope(organization_id):
            fail_export(export=export, problem=error.message)
    except Exception:
        logger.exception("The evidence export %s stopped.", export_id)
        _count_attempt(export)
    return False


def sweep(organization_id: UUID) -> None:
    """Delete an organization's exports whose time is over, and files that no export names."""
    with tenant_scope(organization_id):
        for export in EvidenceExport.objects.filter(expires_at__lte=timezone.now()):
            expire_export(export=export)
    lying = storage.lying(organization_id)  # looked for first: a row is there before its files are
    with tenant_scope(organization_id):
        for pk in lying - set(EvidenceExport.objects.values_list("pk", flat=True)):
            storage.Place(organization_id, pk).delete()


def reading(log: UUID, reason: str) -> AbstractContextManager[None]:
    """Return what opens the role that reads a log beside its own scope: the installation's takes an operator's."""
    return operator_scope(reason) if log == INSTALLATION else nullcontext()


def _step(organization_id: UUID, export_id: UUID) -> bool:
    """Do the next piece of an export in one transaction; return whether there is more to do."""
    with tenant_scope(organization_id):
        with connections[APP].cursor() as cursor:
            cursor.execute(_LOCK, [str(export_id)])
            if not cursor.fetchone()[0]:
                return False  # somebody else is at it
        export = EvidenceExport.objects.filter(pk=export_id, state=ExportState.RUNNING).first()
        if export is None:
            return False
        wanted = wanted_of(export.query, since=export.since, until=export.until, actor=SYSTEM, now=export.created_at)
        whole = kind_of(export).proves
        if export.first is None:
            first, end = find_range(organization_id, wanted, as_of=export.as_of, whole=whole)
            return _note(export, first=first, end=end, position=first)
        selection = Selection.of(
            organization_id, wanted, first=export.first, end=export.end, as_of=export.as_of, whole=whole
        )
        piece = next(selection.pieces(export.position), None)
        if piece is not None:
            return _read(export, selection, piece)
        _finish(export, selection, wanted)
        return False


def _read(export: EvidenceExport, selection: Selection, piece: tuple[int, int]) -> bool:
    """Store the lines of a piece; return whether the export is still wanted."""
    kind, place, events = kind_of(export), place_of(export), export.events
    alone = _is_alone(export)
    with (
        connections[selection.alias].cursor() as cursor,
        storage.Writer(
            place, FILE if alone else LINES, key_of(export), stored=export.stored, chunks=export.chunks
        ) as writer,
    ):
        if alone and not export.stored:
            writer.write(kind.head)
        for line in lines_of(selection, kind, cursor, piece, is_first=not events, alone=alone):
            writer.write(line)
            events += 1
        writer.flush()
        went_on = _note(
            export, position=piece[1], events=events, stored=writer.stored, chunks=writer.chunks, attempts=0
        )
    if not went_on and not EvidenceExport.objects.filter(pk=export.pk).exists():
        place.delete()
    return went_on


def _finish(export: EvidenceExport, selection: Selection, wanted: Wanted) -> None:
    """Put the file together, read it once, and complete the export."""
    place, key = place_of(export), key_of(export)
    if _is_alone(export):
        with storage.Writer(place, FILE, key, stored=export.stored, chunks=export.chunks) as writer:
            writer.finish()
    else:
        _put_together(export, selection, wanted, place, key)
    digest, size = hashlib.sha256(), 0
    for block in storage.read(place, FILE, key):
        digest.update(block)
        size += len(block)
    if complete_export(export=export, size=size, sha256=digest.hexdigest()):
        transaction.on_commit(partial(place.delete, LINES), using=APP)
    else:
        place.delete()


def _put_together(
    export: EvidenceExport, selection: Selection, wanted: Wanted, place: storage.Place, key: Hidden
) -> None:
    with storage.Writer(place, LINES, key, stored=export.stored, chunks=export.chunks) as lines:
        lines.finish()
    read = storage.lines(storage.read(place, LINES, key))
    kind = kind_of(export)
    with storage.Writer(place, FILE, key) as writer, connections[selection.alias].cursor() as cursor:
        if kind is PACKAGE:
            about = about_of(export, selection, wanted)
            report = report_of(cursor, selection, about)
            write_zip(writer, cursor, selection, read, folder=stem_of(export), about=about.manifest(), report=report)
        elif kind.write is not None:
            kind.write(read, writer)
        writer.finish()


def _is_alone(export: EvidenceExport) -> bool:
    """Return whether the lines are the file."""
    kind = kind_of(export)
    return kind is not PACKAGE and kind.write is None


def _note(export: EvidenceExport, **values: Any) -> bool:
    """Note how far an export has come; return False when somebody canceled it, or else went on with it."""
    rows = EvidenceExport.objects.filter(pk=export.pk, state=ExportState.RUNNING, position=export.position)
    return bool(rows.update(**values))


def _count_attempt(export: EvidenceExport) -> None:
    """Count what went wrong; give up after some times without progress."""
    with tenant_scope(export.organization_id):
        rows = EvidenceExport.objects.filter(pk=export.pk, state=ExportState.RUNNING)
        rows.update(attempts=F("attempts") + 1)
        if rows.filter(attempts__gte=MOST_ATTEMPTS).exists():
            fail_export(
                export=export,
                problem="It could not be made, also not in further attempts. The reason is in the worker's log.",
            )
