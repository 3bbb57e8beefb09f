"""Streams of events, taken apart as they come: server-sent events, and Amazon's binary event stream."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.eventstream import EventStreamBuffer

MOST_PENDING = 8 * 1024 * 1024
"""Bytes of one event; a longer one is no event that anybody needs to understand."""


@dataclass(slots=True)
class Event:
    """A server-sent event (WHATWG HTML, section 9.2).

    Attributes:
        raw: as it came, with the empty line that ends it.
        name: of its ``event`` field, or "".
        data: of its ``data`` fields.
    """

    raw: bytes
    name: str
    data: str

    def document(self) -> dict[str, Any] | None:
        """Return the object that its data hold, None when they hold none (``[DONE]``)."""
        return object_in(self.data)


class EventReader:
    """Server-sent events out of pieces of any size."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yield the events that a piece completes.

        Raises:
            ValueError: an event is longer than anything that is read here.
        """
        searched = max(0, len(self._pending) - 3)
        self._pending += piece
        while True:
            end = _end_of_event(self._pending, searched)
            if end is None:
                break
            raw = bytes(self._pending[:end])
            del self._pending[:end]
            searched = 0
            yield _event(raw)
        if len(self._pending) > MOST_PENDING:
            raise ValueError("An event of the stream is too long.")

    def rest(self) -> bytes:
        """Return what came after the last complete event."""
        return bytes(self._pending)


class AmazonEvents:
    """The payloads of ``application/vnd.amazon.eventstream``."""

    def __init__(self) -> None:
        self._buffer = EventStreamBuffer()

    def feed(self, piece: bytes) -> Iterator[dict[str, Any]]:
        """Yield the objects that a piece completes.

        Raises:
            Exception: botocore's, when a checksum is wrong.
        """
        self._buffer.add_data(piece)
        for message in self._buffer:
            found = object_in(message.payload.decode("utf-8", "replace"))
            if found is not None:
                yield found


def object_in(text: str | bytes) -> dict[str, Any] | None:
    """Return the JSON object that a text is, None when it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def event(data: dict[str, Any] | str, name: str = "") -> bytes:
    """Return a server-sent event.

    Args:
        data: an object, written as JSON, or a text of one line.
        name: what kind it is, or "".
    """
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    start = f"event: {name}\n" if name else ""
    return f"{start}data: {text}\n\n".encode()


def _end_of_event(pending: bytearray, start: int) -> int | None:
    found = [(at + len(mark)) for mark in (b"\n\n", b"\r\n\r\n", b"\r\r") if (at := pending.find(mark, start)) >= 0]
    return min(found, default=None)


def _event(raw: bytes) -> Event:
    name, data = "", []
    for line in raw.decode("utf-8", "replace").splitlines():
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
    return Event(raw, name, "\n".join(data))
