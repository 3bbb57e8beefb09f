"""A file to which notes are appended: on a volume of its own, or read by something that takes them away."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .base import Note, WitnessError

_TAIL = 256 * 1024


class FileWitness:
    """Appends notes to a file, an empty line after each.

    Args:
        path: the file; its directory must exist.
    """

    def __init__(self, path: Path) -> None:
        self.name = f"file {path}"
        self._path = path

    def keep(self, notes: list[Note]) -> None:
        """Append notes and wait until the disk has them.

        Raises:
            WitnessError: the file cannot be written.
        """
        with self._errors(), self._path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{note.text}\n" for note in notes))
            file.flush()
            os.fsync(file.fileno())

    def newest(self) -> str:
        """Return the end of the file, from the beginning of a note on.

        Raises:
            WitnessError: the file cannot be read.
        """
        with self._errors(), self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            text = file.read().decode("utf-8", "replace")
        return text if size <= _TAIL else text.partition("\n\n")[2]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WitnessError(f"{self._path}: {error.strerror}") from error
