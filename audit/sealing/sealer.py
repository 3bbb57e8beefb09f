"""Seals what is new: one sealer at a time, in batches, each of them one transaction."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import OperationalError
from django.utils import timezone
from psycopg.errors import SerializationFailure

from audit import notes
from audit.leaf import FIELDS, compose_values
from audit.merkle import Edge, leaf_hash
from audit.notes import INSTALLATION, Checkpoint, MalformedNote, origin_of
from isolation.actor import SYSTEM

from .database import sealer_cursor
from .keys import SigningKey, active_key, ensure_key, public_keys
from .pending import Pending, by_absence, by_snapshot, rows
from .snapshots import Snapshot

logger = logging.getLogger("gatehouse.audit")

BATCH = 10_000
"""Events in a transaction; a batch is in memory at once."""

_ID, _TIME, _ORGANIZATION = (FIELDS.index(name) for name in ("id", "time", "organization_id"))
_LINES = 100  # handed to PostgreSQL at once
_LOCK = 0x6761_7465_5345_414C  # "gateSEAL": one sealer at a time in this database

_STATE = """
SELECT installation, snapshot::text, system_identifier, pg_current_snapshot()::text,
       (SELECT system_identifier FROM pg_control_system())
FROM audit_sealer
"""
_HEADS = """
SELECT o.id, head.size, head.root, head.edge, head.note, head.key_number FROM unnest(%s::uuid[]) AS o (id)
CROSS JOIN LATERAL (SELECT * FROM audit_checkpoint c WHERE c.organization_id = o.id ORDER BY c.size DESC LIMIT 1) head
"""
_CHECKPOINT = """
INSERT INTO audit_checkpoint (organization_id, start, size, root, edge, note, key_number, time)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_COPY_LEAVES = "COPY audit_leaf (organization_id, seq, event_id, event_time, hash) FROM STDIN"
_COPY_TEXTS = "COPY audit_leaftext (organization_id, seq, event_time, body, salts) FROM STDIN"
_COPY_NODES = "COPY audit_node (organization_id, level, place, hash) FROM STDIN"


@dataclass(slots=True)
class _Batch:
    """What is written after the leaves' texts: lines as COPY reads them, and checkpoints."""

    leaves: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    checkpoints: list[tuple[Any, ...]] = field(default_factory=list)
    found: int = 0
    last: tuple[str, str] | None = None


def seal(*, seconds: float = 50, everything: bool = False) -> int:
    """Seal what is new, batch after batch; does nothing while another sealer is at work.

    Args:
        seconds: no further batch is begun after that time.
        everything: look for every event without a leaf, not for those since the last batch.

    Returns:
        How many events were sealed.

    Raises:
        VaultError: the signing key cannot be opened.
    """
    ensure_key(SYSTEM)
    sealed, deadline = 0, time.monotonic() + seconds
    progress = _Progress(everything=everything)
    while progress.more and time.monotonic() < deadline:
        try:
            sealed += _seal_batch(progress)
        except OperationalError as error:
            if isinstance(error.__cause__, SerializationFailure):
                break  # another sealer has just committed; the next turn sees what it left
            raise
    return sealed


@dataclass(slots=True)
class _Progress:
    """Where a run of several batches stands.

    Attributes:
        everything: search by absence although a snapshot is stored.
        began, after: while searching by absence, the first batch's snapshot and the last event of the batch before.
        more: whether another batch is worth beginning.
    """

    everything: bool
    began: Snapshot | None = None
    after: tuple[str, str] | None = None
    more: bool = True


def _seal_batch(progress: _Progress) -> int:
    with sealer_cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            progress.more = False
            return 0
        cursor.execute(_STATE)
        installation, stored, stored_system, current, system = cursor.fetchone()
        now, known = Snapshot.parse(current), stored is not None and stored_system == system
        if known and not progress.everything:
            # Each new event is looked up among the leaves; never all leaves are read for it.
            cursor.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
            pending = by_snapshot(cursor, last=Snapshot.parse(stored), now=now, limit=BATCH)
        else:
            progress.began = progress.began or now
            pending = by_absence(after=progress.after, began=progress.began, limit=BATCH)
        batch = _composed(cursor, pending, installation)
        _write(cursor, batch)
        full = batch.found == pending.full
        if not full and (batch.found or pending.more or not known or progress.everything):
            cursor.execute(
                "UPDATE audit_sealer SET snapshot = %s::pg_snapshot, system_identifier = %s, sealed_at = %s",
                [str(pending.reached), system, timezone.now()],
            )
    progress.more = full or pending.more
    progress.after = batch.last
    return len(batch.leaves)


def _composed(cursor: Any, pending: Pending, installation: UUID) -> _Batch:
    found = rows(cursor, pending)
    batch = _Batch(found=len(found))
    if not found:
        return batch
    key = active_key(cursor)
    if key is None:
        raise RuntimeError("There is no signing key, although one was made.")
    logs = {UUID(text or INSTALLATION.hex) for text in {row[_ORGANIZATION] for row in found}}
    heads = _heads(cursor, logs, installation)
    # Written as they are made: PostgreSQL stores one leaf's text while the next one is composed.
    with cursor.copy(_COPY_TEXTS) as texts:
        for text, events in groupby(found, key=itemgetter(_ORGANIZATION)):
            log = UUID(text or INSTALLATION.hex)
            if edge := heads[log]:
                start = edge.size
                _append(batch, log, edge, events, write=texts.write)
                batch.checkpoints.append(_signed(log, start, edge, installation=installation, key=key))
    if pending.full is not None:
        batch.last = max((str(row[_TIME]), str(row[_ID])) for row in found)
    return batch


def _append(batch: _Batch, log: UUID, edge: Edge, events: Iterable[Any], *, write: Callable[[str], None]) -> None:
    """Add a log's events to its tree; `write` takes the lines of their leaves' texts."""
    seq, lines, name = edge.size, [], str(log)

    def emit(level: int, place: int, node: bytes) -> None:
        batch.nodes.append(f"{log}\t{level}\t{place}\t\\\\x{node.hex()}\n")

    for values in events:
        body, salts = compose_values(values)
        digest, event, moment = leaf_hash(body.encode()), values[_ID], values[_TIME]
        edge.append(digest, emit)
        batch.leaves.append(f"{name}\t{seq}\t{event}\t{moment}\t\\\\x{digest.hex()}\n")
        # JSON has no tabs and no line ends of its own; only its backslashes mean something to COPY.
        escaped = body.replace("\\", "\\\\")
        lines.append(f"{name}\t{seq}\t{moment}\t{escaped}\t\\\\x{salts.hex()}\n")
        seq += 1
        if seq % _LINES == 0:
            write("".join(lines))
            lines.clear()
    write("".join(lines))


def _signed(log: UUID, start: int, edge: Edge, *, installation: UUID, key: SigningKey) -> tuple[Any, ...]:
    """Return the row of the checkpoint over what a tree has become."""
    moment, root, name = timezone.now().replace(microsecond=0), edge.root(), origin_of(installation, log)
    note = notes.sign(Checkpoint(name, edge.size, root, moment).text(), name, key.private)
    return log, start, edge.size, root, edge.packed(), note, key.number, moment


def _heads(cursor: Any, logs: set[UUID], installation: UUID) -> dict[UUID, Edge | None]:
    """Return where each tree ends; None for one whose last checkpoint is not what was signed.

    On top of such a tree nothing is signed: its events wait, and verification tells of it.
    """
    heads: dict[UUID, Edge | None] = {log: Edge() for log in logs}
    keys = public_keys(cursor)
    cursor.execute(_HEADS, [list(logs)])
    for log, size, root, packed, note, number in cursor.fetchall():
        name = origin_of(installation, log)
        edge = None
        try:
            edge = Edge.unpacked(size, bytes(packed))
            signed = Checkpoint.parse(notes.opened(note, name, keys[number]))
            sound = (signed.origin, signed.size, signed.root) == (name, size, edge.root()) and signed.root == bytes(
                root
            )
        except (KeyError, ValueError, MalformedNote):
            sound = False
        heads[log] = edge if sound else None
        if not sound:
            logger.error("The audit log %s is not sealed: its last checkpoint is not what was signed.", name)
    return heads


def _write(cursor: Any, batch: _Batch) -> None:
    for statement, lines in ((_COPY_LEAVES, batch.leaves), (_COPY_NODES, batch.nodes)):
        if lines:
            with cursor.copy(statement) as copy:
                copy.write("".join(lines))
    if batch.checkpoints:
        cursor.executemany(_CHECKPOINT, batch.checkpoints)
