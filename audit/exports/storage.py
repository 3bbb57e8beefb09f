"""Files at rest: chunks of AES-256-GCM, each bound to its export, its file, its number, and to whether it is the last.

    4 bytes   length of what follows the header, big-endian
    1 byte    1 for the last chunk, otherwise 0
    12 bytes  nonce, random
    rest      the encrypted bytes and GCM's tag of 16 bytes

A chunk that is missing, doubled, moved, of another file, or behind the last one does not open; without the last one the
file is cut off. A writer that was killed leaves bytes behind what was noted; the next one cuts them away.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from vault.hidden import Hidden

CHUNK = 1024 * 1024
KEY_BYTES = 32
_FORMAT = b"gatehouse-export\x01"
_HEADER, _NONCE, _TAG = 5, 12, 16
_FILE_MODE, _DIRECTORY_MODE = 0o600, 0o700


class DamagedFile(Exception):  # noqa: N818 - reads as the statement it is
    """A file is not what was written."""


class Place:
    """Where an export's files lie, and what their chunks are bound to.

    Args:
        organization_id: whose export it is.
        export_id: which one.
    """

    def __init__(self, organization_id: UUID, export_id: UUID) -> None:
        self.directory = directory() / str(organization_id) / str(export_id)
        self._bound = _FORMAT + organization_id.bytes + export_id.bytes

    def path(self, name: str) -> Path:
        """Return the path of one of its files."""
        return self.directory / name

    def associated(self, name: str, number: int, last: int) -> bytes:
        """Return what a chunk is bound to."""
        return self._bound + number.to_bytes(8, "big") + last.to_bytes(1, "big") + name.encode()

    def delete(self, name: str | None = None) -> None:
        """Delete one of its files, or all of them."""
        if name is None:
            shutil.rmtree(self.directory, ignore_errors=True)
            with suppress(OSError):
                self.directory.parent.rmdir()
            return
        self.path(name).unlink(missing_ok=True)


class Writer:
    """Writes a file from a noted place on.

    Args:
        place: whose file.
        name: its name.
        key: 32 bytes.
        stored: how many bytes of it count; others are cut away.
        chunks: how many chunks these are.
    """

    def __init__(self, place: Place, name: str, key: Hidden, *, stored: int = 0, chunks: int = 0) -> None:
        self._place, self._name, self._cipher = place, name, AESGCM(key.expose())
        place.directory.mkdir(parents=True, exist_ok=True, mode=_DIRECTORY_MODE)
        descriptor = os.open(place.path(name), os.O_RDWR | os.O_CREAT, _FILE_MODE)
        self._file = os.fdopen(descriptor, "r+b")
        if os.fstat(descriptor).st_size < stored:
            self._file.close()
            raise DamagedFile(f"{name} is shorter than what was written")
        self._file.truncate(stored)
        self._file.seek(stored)
        self._pending = bytearray()
        self.stored, self.chunks = stored, chunks

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, data: bytes, /) -> int:
        """Take bytes; whole chunks are stored."""
        self._pending += data
        while len(self._pending) >= CHUNK:
            self._seal(bytes(self._pending[:CHUNK]), last=0)
            del self._pending[:CHUNK]
        return len(data)

    def flush(self) -> None:
        """Store what is pending, durably; `stored` and `chunks` tell where to go on."""
        if self._pending:
            self._seal(bytes(self._pending), last=0)
            self._pending.clear()
        self._sync()

    def finish(self) -> None:
        """Store the last chunk, durably; nothing may follow."""
        self._seal(bytes(self._pending), last=1)
        self._pending.clear()
        self._sync()

    def _seal(self, data: bytes, *, last: int) -> None:
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._cipher.encrypt(nonce, data, self._place.associated(self._name, self.chunks, last))
        record = (_NONCE + len(sealed)).to_bytes(4, "big") + last.to_bytes(1, "big") + nonce + sealed
        self._file.write(record)
        self.stored += len(record)
        self.chunks += 1

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())


def read(place: Place, name: str, key: Hidden) -> Iterator[bytes]:
    """Yield the bytes of a finished file.

    Raises:
        DamagedFile: it is cut off, altered, or another export's.
        FileNotFoundError: it is gone.
    """
    cipher, number, last = AESGCM(key.expose()), 0, 0
    with place.path(name).open("rb") as file:
        while header := file.read(_HEADER):
            length, flag = int.from_bytes(header[:4], "big"), header[4:]
            record = file.read(length) if len(flag) == 1 and not last and length <= CHUNK + _NONCE + _TAG else b""
            if len(record) != length or length < _NONCE + _TAG:
                raise DamagedFile(f"{name} is cut off or altered in chunk {number}")
            last = flag[0]
            try:
                yield cipher.decrypt(record[:_NONCE], record[_NONCE:], place.associated(name, number, last))
            except InvalidTag:
                raise DamagedFile(f"{name} is altered in chunk {number}") from None
            number += 1
    if not last:
        raise DamagedFile(f"{name} is cut off behind chunk {number - 1}")


def lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines of blocks of bytes, each with its newline."""
    rest = b""
    for block in blocks:
        found = (rest + block).split(b"\n")
        rest = found.pop()
        yield from (line + b"\n" for line in found)
    if rest:
        yield rest


def new_key() -> Hidden:
    """Return a key for one export's files."""
    return Hidden(secrets.token_bytes(KEY_BYTES))


def organizations() -> Iterator[UUID]:
    """Yield whose exports lie here."""
    with suppress(FileNotFoundError):
        yield from _named(directory())


def lying(organization_id: UUID) -> set[UUID]:
    """Return the exports of which an organization has files."""
    try:
        return set(_named(directory() / str(organization_id)))
    except FileNotFoundError:
        return set()


def _named(path: Path) -> Iterator[UUID]:
    for each in path.iterdir():
        with suppress(ValueError):
            yield UUID(each.name)


def directory() -> Path:
    """Return where all exports lie."""
    return Path(settings.AUDIT_EXPORT_DIRECTORY)
