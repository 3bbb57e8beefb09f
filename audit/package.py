"""Writes evidence packages: what `verifier/gatehouse_verify.py` takes. The format is docs/audit/format.md."""

import hashlib
import json
import shutil
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from django.utils import timezone

from isolation.exceptions import DomainError

from .leaf import erased_names, openings, values_of
from .merkle import Edge
from .proofs import edge_at
from .receipts import receipt_notes
from .sealing.keys import key_history
from .sealing.reading import SealedEvent, sealed_events

FORMAT, VERSION = "gatehouse-audit-package", 1
VERIFIER = Path(__file__).with_name("verifier") / "gatehouse_verify.py"

_CHECKPOINTS = """
SELECT note, edge, size FROM audit_checkpoint WHERE organization_id = %s AND size > %s AND size <= %s ORDER BY size
"""


def write_package(cursor: Any, log: UUID, directory: Path, *, first: int = 0, end: int | None = None) -> dict[str, Any]:
    """Write a package of a log's events, without a gap, into a directory that is made for it.

    Args:
        cursor: of a role that may read the log and its events.
        log: the organization, or `notes.INSTALLATION`.
        directory: must not exist yet.
        first: number of the first event.
        end: number after the last one; None for everything that has a checkpoint.

    Returns:
        The manifest.

    Raises:
        DomainError: there is no checkpoint in that range.
    """
    cursor.execute("SELECT max(size) FROM audit_checkpoint WHERE organization_id = %s", [log])
    (size,) = cursor.fetchone()
    end = size if end is None else end
    if size is None or not 0 <= first < end <= size:
        raise DomainError(f"The log has {size or 0} sealed events: choose a range of those.", code="range")
    end = _next_checkpoint(cursor, log, end)
    directory.mkdir(parents=True)
    files = {
        "keys.ndjson": _lines({"statement": key.statement} for key in key_history(cursor)),
        "receipts.ndjson": _lines({"note": note} for note in receipt_notes(cursor, log)),
        "checkpoints.ndjson": _lines(_checkpoints(cursor, log, first, end)),
        "events.ndjson": _lines(event_line(event) for event in sealed_events(cursor, log, first, end)),
    }
    facts = {name: _written(directory / name, lines) for name, lines in files.items()}
    shutil.copyfile(VERIFIER, directory / VERIFIER.name)
    cursor.execute("SELECT note FROM audit_checkpoint WHERE organization_id = %s AND size = %s", [log, end])
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "origin": cursor.fetchone()[0].partition("\n")[0],
        "created_at": f"{timezone.now():%Y-%m-%dT%H:%M:%SZ}",
        "first": first,
        "end": end,
        "complete": True,
        "files": facts,
    }
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def event_line(event: SealedEvent) -> dict[str, Any]:
    """Return a sealed event as a line of a package; of one that was retired only the hash of its leaf is left."""
    line: dict[str, Any] = {"seq": event.seq, "hash": b64encode(event.hash).decode(), "leaf": event.body}
    if event.body is not None and event.row is not None:
        line["openings"] = openings(event.body, event.salts, values_of(event.row))
        if erased := erased_names(event.body, event.salts):
            line["erased"] = erased
    return line


def edge_texts(packed: bytes, size: int) -> list[str]:
    """Return an edge's hashes in base64."""
    return [b64encode(each).decode() for each in Edge.unpacked(size, packed).hashes]


def _next_checkpoint(cursor: Any, log: UUID, end: int) -> int:
    cursor.execute("SELECT min(size) FROM audit_checkpoint WHERE organization_id = %s AND size >= %s", [log, end])
    return int(cursor.fetchone()[0])


def _checkpoints(cursor: Any, log: UUID, first: int, end: int) -> Iterator[Mapping[str, Any]]:
    if first:
        edge = edge_at(cursor, log, first)
        yield {"note": None, "size": first, "edge": edge_texts(edge.packed(), first)}
    cursor.execute(_CHECKPOINTS, [log, first, end])
    while found := cursor.fetchmany(1_000):
        for note, edge, size in found:
            yield {"note": note, "edge": edge_texts(bytes(edge), size)}


def _lines(values: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    for value in values:
        yield json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _written(path: Path, lines: Iterable[bytes]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for line in lines:
            digest.update(line)
            size += file.write(line)
    return {"sha256": digest.hexdigest(), "bytes": size}
