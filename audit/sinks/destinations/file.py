"""JSON lines for an agent of this machine: in a file, or on the standard output of the worker that delivers."""

import errno
import fcntl
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings

from audit.sinks.base import Destination, Entry, Item, Limits, Option, Rejection, refuse
from audit.sinks.exceptions import Blocked, Later
from audit.sinks.http import lines

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
_MODE = 0o640
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_STDOUT, _STDOUT_DESCRIPTOR = "stdout", 1


class File(Destination):
    """Appends lines."""

    kind = "file"
    label = "File or standard output"
    summary = "JSON lines on this machine, for a log agent."
    steps = (
        "Set AUDIT_SINK_DIRECTORY to a directory that the worker may write and your log agent may read.",
        "Write a file name here, or choose the standard output.",
        "Send a test event, and let the agent read the file, also when it is rotated.",
    )
    guarantee = (
        "In a file, a batch counts as delivered when the disk has it (fsync). What your agent makes of it, Gatehouse "
        "cannot know. On the standard output it counts when it was written: nobody confirms that anybody read it. "
        "Whole batches come again when a worker dies between writing and noting, with the same ids."
    )
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "target", "Where to", "", Entry.CHOICE, default="file",
            choices=(("file", "A file"), (_STDOUT, "Standard output")),
        ),
        Option("name", "File name", "In the directory AUDIT_SINK_DIRECTORY.", default="audit.ndjson"),
    )  # fmt: skip
    limits = Limits(events=2_000, bytes=4_000_000)
    takes_text = True
    for_operators = True

    def __init__(self, options: Mapping[str, Any], sink_id: UUID) -> None:
        super().__init__(options, sink_id)
        self._descriptor: int | None = None

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse what cannot work.

        Raises:
            DomainError: with the option's name.
        """
        if options["target"] == _STDOUT:
            return
        if settings.AUDIT_SINK_DIRECTORY is None:
            raise refuse("target", "Set AUDIT_SINK_DIRECTORY to the directory in which sinks may write files.")
        if not _NAME.fullmatch(str(options["name"])):
            raise refuse("name", "A file name has letters, digits, dots, hyphens and underscores; no directories.")

    def send(self, batch: Sequence[Item]) -> list[Rejection]:
        """Write a batch.

        Raises:
            Later: the disk takes no more, or the file cannot be written.
            Blocked: there is no directory for it.
        """
        content = lines(batch)
        if self.given["target"] == _STDOUT:
            _print(content)
            return []
        path = self._path()
        try:
            self._append(path, content)
        except OSError as error:
            self.close()
            if error.errno in _FULL:
                raise Later(f"The disk is full: {path.name} takes no more. Make room; nothing is lost.") from error
            raise Later(f"{path.name} cannot be written: {error.strerror}.") from error
        return []

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _path(self) -> Path:
        """Return where the file is.

        Raises:
            Blocked: there is no directory for it any more.
        """
        if settings.AUDIT_SINK_DIRECTORY is None:
            raise Blocked("AUDIT_SINK_DIRECTORY is not set: there is no directory in which sinks may write files.")
        return Path(settings.AUDIT_SINK_DIRECTORY) / str(self.given["name"])

    def _append(self, path: Path, content: bytes) -> None:
        """Append to the file of that name as it is now, all of it or nothing.

        Raises:
            OSError: nothing was appended.
        """
        descriptor = self._locked(path)
        try:
            size = os.fstat(descriptor).st_size
            try:
                # Somebody died while writing: that line ends here, and its event comes again.
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                unwritten = memoryview(b"\n" + content if torn else content)
                while unwritten:
                    unwritten = unwritten[os.write(descriptor, unwritten) :]
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _locked(self, path: Path) -> int:
        """Return the file of that name, locked: other workers write other logs into it.

        Raises:
            OSError: it cannot be opened.
        """
        while True:
            if self._descriptor is None:
                self._descriptor = _opened(path)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            mine = os.fstat(self._descriptor)
            try:
                named = path.lstat()
            except FileNotFoundError:
                named = None
            if named is not None and (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino):
                return self._descriptor
            self.close()  # it was rotated away


def _opened(path: Path) -> int:
    """Open a file to append to; a link or a device of that name is none.

    Raises:
        OSError: it cannot be opened.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT, _MODE)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file")
    return descriptor


def _print(content: bytes) -> None:
    """Write to the standard output of this process, whatever its libraries have put in place of it.

    Raises:
        Later: it is closed.
    """
    unwritten = memoryview(content)
    try:
        while unwritten:
            unwritten = unwritten[os.write(_STDOUT_DESCRIPTOR, unwritten) :]
    except OSError as error:
        raise Later(f"The standard output cannot be written: {error.strerror}.") from error
