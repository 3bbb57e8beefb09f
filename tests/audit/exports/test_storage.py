"""Files at rest: nothing of them opens that is not exactly what was written, by whom, and where."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from audit.exports import storage
from audit.exports.storage import CHUNK, DamagedFile, Place, Writer
from vault.hidden import Hidden

KEY = Hidden(bytes(range(32)))
LOG, EXPORT = UUID(int=1), UUID(int=2)


def place(export: UUID = EXPORT) -> Place:
    return Place(LOG, export)


def write(content: bytes, *, at: Place | None = None, name: str = "export", key: Hidden = KEY) -> Path:
    at = at or place()
    with Writer(at, name, key) as writer:
        writer.write(content)
        writer.finish()
    return at.path(name)


def read(at: Place | None = None, name: str = "export", key: Hidden = KEY) -> bytes:
    return b"".join(storage.read(at or place(), name, key))


def records(path: Path) -> list[bytes]:
    """Return the chunks of a file, each with its header."""
    content, found = path.read_bytes(), []
    while content:
        length = 5 + int.from_bytes(content[:4], "big")
        found.append(content[:length])
        content = content[length:]
    return found


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_what_was_written_is_read(size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    path = write(content)
    assert read() == content
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_nothing_of_it_can_be_read_without_the_key() -> None:
    path = write(b"ada@acme.example" * 1000)
    assert b"ada@acme" not in path.read_bytes()
    with pytest.raises(DamagedFile):
        read(key=Hidden(bytes(32)))


def test_the_same_content_is_never_encrypted_alike() -> None:
    first = write(b"x" * 100).read_bytes()
    assert write(b"x" * 100).read_bytes() != first


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: parts[:-1],
        lambda parts: parts[1:],
        lambda parts: [],
        lambda parts: [parts[1], parts[0], *parts[2:]],
        lambda parts: [parts[0], parts[0], *parts[1:]],
        lambda parts: [parts[0], *parts[2:]],
        lambda parts: [*parts, parts[0]],
        lambda parts: [*parts, parts[-1]],
        lambda parts: [*parts, b"\0"],
        lambda parts: [parts[0][:4] + b"\1" + parts[0][5:]],
        lambda parts: [*parts[:-1], parts[-1][:4] + b"\0" + parts[-1][5:]],
        lambda parts: [*parts[:-1], parts[-1][:-1]],
        lambda parts: [*parts[:-1], parts[-1][:-1] + bytes([parts[-1][-1] ^ 1])],
        lambda parts: [*parts[:-1], parts[-1][:3]],
        lambda parts: [b"\xff\xff\xff\xff" + parts[0][4:], *parts[1:]],
    ],
    ids=lambda change: None,
)
def test_a_file_that_was_changed_does_not_open(change) -> None:
    path = write(b"x" * (2 * CHUNK + 5))
    parts = records(path)
    assert len(parts) == 3
    path.write_bytes(b"".join(change(parts)))
    with pytest.raises(DamagedFile):
        read()


def test_a_file_of_another_export_or_another_file_of_the_same_does_not_open() -> None:
    content = write(b"content").read_bytes()
    other = place(uuid4())
    write(b"other", at=other).write_bytes(content)
    with pytest.raises(DamagedFile):
        read(other)
    write(b"other", name="lines").write_bytes(content)
    with pytest.raises(DamagedFile):
        read(name="lines")


def test_who_was_killed_leaves_nothing_that_counts() -> None:
    with Writer(place(), "export", KEY) as writer:
        writer.write(b"first ")
        writer.flush()
        stored, chunks = writer.stored, writer.chunks
        writer.write(b"lost " * CHUNK)
    with Writer(place(), "export", KEY, stored=stored, chunks=chunks) as writer:
        writer.write(b"second")
        writer.finish()
    assert read() == b"first second"


def test_a_file_that_is_shorter_than_what_was_noted_is_not_gone_on_with() -> None:
    write(b"content")
    with pytest.raises(DamagedFile, match="shorter"):
        Writer(place(), "export", KEY, stored=10_000, chunks=1)


def test_lines_are_put_together_from_blocks() -> None:
    assert list(storage.lines(iter([b"a\nb", b"", b"c\n\nd"]))) == [b"a\n", b"bc\n", b"\n", b"d"]
