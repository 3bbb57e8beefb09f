"""What a format is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from audit.sealing.reading import SealedEvent


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> int:
        """Take bytes; return how many."""


@dataclass(frozen=True, slots=True)
class Format:
    """A form in which events are written.

    Attributes:
        name: what people and programs choose.
        label: what it is for, in words.
        content_type: its media type.
        extension: of the file.
        record: returns an event as the values that are written; None for an event that it cannot tell of.
        encode: returns an event as bytes; lines of one event each, which need nothing of each other.
        head: stands before the first event.
        proves: whether what is written is enough to verify it, so that nothing of a period may be missing.
        write: writes a whole file of lines that are given as NDJSON; None for formats whose file is those of `encode`.
    """

    name: str
    label: str
    content_type: str
    extension: str
    record: Callable[[SealedEvent], dict[str, Any] | None]
    encode: Callable[[SealedEvent], bytes]
    head: bytes = b""
    proves: bool = False
    write: Callable[[Iterable[bytes], Sink], None] | None = None
