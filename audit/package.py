"""Writes evidence packages: what `verifier/gatehouse_verify.py` takes. The format is docs/audit/format.md."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from django.utils import timezone

from isolation.exceptions import DomainError

from .exports.proving import checkpoint_at, checkpoints, edge_texts, key_statements
from .exports.selection import Selection
from .formats.base import Format, Sink
from .formats.ndjson import line, record
from .sealing.reading import SealedEvent, sealed_events

FORMAT, VERSION = "gatehouse-audit-package", 1
VERIFIER = Path(__file__).with_name("verifier") / "gatehouse_verify.py"
_BLOCK = 1024 * 1024

PACKAGE = Format(
    name="package",
    label="Evidence package: events, proofs, a report to read, and the verifier",
    content_type="application/zip",
    extension="zip",
    record=record,
    encode=line,
    proves=True,
)

__all__ = ["PACKAGE", "VERIFIER", "edge_texts", "event_line", "write_package", "write_zip"]


def write_zip(
    sink: Sink,
    cursor: Any,
    selection: Selection,
    lines: Iterable[bytes],
    *,
    folder: str,
    about: Mapping[str, Any],
    report: str,
) -> dict[str, Any]:
    """Write a package as a zip archive, from the first byte to the last.

    Args:
        sink: takes the bytes.
        cursor: of a role that may read the log.
        selection: what the lines are.
        lines: of ``events.ndjson``.
        folder: in which the archive unpacks.
        about: further members of the manifest.
        report: the page for people.

    Returns:
        The manifest.
    """
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload] # it only writes
        return _write(_Archive(archive, folder), cursor, selection, lines, about=about, report=report)


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
    end = checkpoint_at(cursor, log, end)[0]
    directory.mkdir(parents=True)
    lines = (line(event) for event in sealed_events(cursor, log, first, end))
    return _write(_Directory(directory), cursor, Selection(log, first, end, end), lines)


def event_line(event: SealedEvent) -> dict[str, Any]:
    """Return a sealed event as a line of a package."""
    return record(event)


class _Place(Protocol):
    """Takes the files of a package."""

    def add(self, name: str, blocks: Iterable[bytes]) -> dict[str, Any]:
        """Write a file; return its hash and size."""


class _Directory:
    """A directory of files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add(self, name: str, blocks: Iterable[bytes]) -> dict[str, Any]:
        """Write a file; return its hash and size."""
        with (self._directory / name).open("wb") as file:
            return _written(file.write, blocks)


class _Archive:
    """A folder of a zip archive."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        self._archive, self._folder = archive, folder
        self._time = timezone.now().timetuple()[:6]

    def add(self, name: str, blocks: Iterable[bytes]) -> dict[str, Any]:
        """Write a file; return its hash and size."""
        about = zipfile.ZipInfo(f"{self._folder}/{name}", self._time)
        about.compress_type, about.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        with self._archive.open(about, "w", force_zip64=True) as file:
            return _written(file.write, blocks)


def _write(
    place: _Place,
    cursor: Any,
    selection: Selection,
    lines: Iterable[bytes],
    *,
    about: Mapping[str, Any] | None = None,
    report: str = "",
) -> dict[str, Any]:
    files = {
        "events.ndjson": lines,
        "checkpoints.ndjson": _json_lines(checkpoints(cursor, selection)),
        "keys.ndjson": _json_lines({"statement": statement} for statement in key_statements(cursor)),
    }
    if report:
        files["report.html"] = iter([report.encode()])
    facts = {name: place.add(name, blocks) for name, blocks in files.items()}
    place.add(VERIFIER.name, _blocks(VERIFIER))  # not in the manifest: whoever takes it from elsewhere may delete it
    note = checkpoint_at(cursor, selection.log, selection.as_of)[1]
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "origin": note.partition("\n")[0],
        "created_at": stamp(timezone.now()),
        "first": selection.first,
        "end": selection.end,
        "complete": selection.is_complete,
        **(about or {}),
        "files": facts,
    }
    place.add("manifest.json", [json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n"])
    return manifest


def stamp(time: datetime) -> str:
    """Return a moment of UTC as the files say it."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _json_lines(values: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    for value in values:
        yield json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _written(write: Callable[[bytes], Any], blocks: Iterable[bytes]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        write(block)
        size += len(block)
    return {"sha256": digest.hexdigest(), "bytes": size}
