"""A provider's answer as it passes: its figures are read, and where the client expects another shape it is turned."""

import json
import logging
from http import HTTPStatus
from typing import Any, Protocol

from .events import AmazonEvents, Event, EventReader, event, object_in
from .mappings.base import Mapping, StreamMapping
from .tokens import TokenCount, Tokens

logger = logging.getLogger("gatehouse.transformer")

MOST_COLLECTED = 64 * 1024 * 1024


class _Reader(Protocol):
    """One way of reading a body: what a piece becomes, and what is owed at the end."""

    def take(self, piece: bytes) -> bytes: ...
    def end(self) -> bytes: ...


class Reply:
    """One answer.

    Args:
        headers: by lower-case name.
        status: the HTTP status.
        mapping: how the client expects it to be turned, None for not at all.
        hides_usage: whether the event with the figures is one that the client did not ask for.
        model: the one that was asked for.

    Attributes:
        is_rewritten: whether what leaves here differs from what came.
    """

    def __init__(
        self, headers: dict[str, str], status: int, mapping: Mapping | None, *, hides_usage: bool, model: str
    ) -> None:
        self._count = TokenCount()
        self._count.read_headers(headers)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        is_plain = headers.get("content-encoding", "identity") == "identity"
        if not is_plain:
            logger.warning("a provider compressed an answer although it was asked not to: its figures are not known")
        self.is_rewritten = False
        self._reader: _Reader = _Passing()
        if not is_plain:
            pass
        elif kind == "text/event-stream":
            self.is_rewritten = mapping is not None or hides_usage
            turned = mapping.stream(model) if mapping else None
            self._reader = _Events(self._count, turned, hides_usage=hides_usage)
        elif kind == "application/vnd.amazon.eventstream":
            self._reader = _Amazon(self._count)
        elif kind == "application/json" or kind.endswith("+json"):
            self.is_rewritten = mapping is not None
            self._reader = _Document(self._count, mapping, status)

    def used(self, prompt: int, *, is_whole: bool) -> Tokens:
        """Return what it says that was used; of a stream that broke off, or says nothing, what has passed at least.

        Args:
            prompt: what the request's text came to.
            is_whole: whether it has come to its end.
        """
        count = self._count
        return count.tokens if is_whole and (count.tokens or not count.events) else count.at_least(prompt)

    def take(self, piece: bytes) -> bytes:
        """Return what a piece of it becomes."""
        return self._reader.take(piece)

    def end(self) -> bytes:
        """Return what is owed at its end."""
        return self._reader.end()


class _Passing:
    """Passes on what nobody here can read."""

    def take(self, piece: bytes) -> bytes:
        return piece

    def end(self) -> bytes:
        return b""


class _Document:
    """One JSON document: passed on as it comes and read at its end, or collected and turned."""

    def __init__(self, count: TokenCount, mapping: Mapping | None, status: int) -> None:
        self._count = count
        self._mapping = mapping
        self._status = status
        self._pieces: list[bytes] = []
        self._size = 0

    def take(self, piece: bytes) -> bytes:
        self._size += len(piece)
        if self._size <= MOST_COLLECTED:
            self._pieces.append(piece)
        elif self._mapping is not None:
            raise ValueError("A provider's answer is too long to be translated.")
        return b"" if self._mapping is not None else piece

    def end(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        body = b"".join(pieces)
        found = object_in(body) if self._size <= MOST_COLLECTED else None
        if found is not None:
            self._count.read(found)
        if self._mapping is None or not body:
            return b""
        if found is None:
            return body
        try:
            return _dumped(self._turned(self._mapping, found))
        except (AttributeError, KeyError, TypeError, IndexError):
            logger.warning("an answer has another shape than its API describes, and goes on as it came")
            return body

    def _turned(self, mapping: Mapping, found: dict[str, Any]) -> dict[str, Any]:
        if self._status >= HTTPStatus.BAD_REQUEST:
            return mapping.error(found, self._status)
        return mapping.response(found)


class _Events:
    """Server-sent events: passed on as they come, without the one nobody asked for, or turned one by one."""

    def __init__(self, count: TokenCount, turned: StreamMapping | None, *, hides_usage: bool) -> None:
        self._reader = EventReader()
        self._count = count
        self._turned = turned
        self._hides_usage = hides_usage

    def take(self, piece: bytes) -> bytes:
        made = [self._passed(each) for each in self._reader.feed(piece)]
        return b"".join(made) if self._turned or self._hides_usage else piece

    def end(self) -> bytes:
        if self._turned is not None:
            return b"".join(self._turned.end())
        return self._reader.rest() if self._hides_usage else b""

    def _passed(self, each: Event) -> bytes:
        found = each.document()
        if found is not None:
            self._count.read_event(found)
        if self._turned is not None:
            return b"".join(self._turned.feed(each))
        if self._hides_usage and found is not None and "usage" in found:
            if found.get("choices") == []:
                return b""
            return event({name: value for name, value in found.items() if name != "usage"}, each.name)
        return each.raw


class _Amazon:
    """Amazon's binary event stream, passed on as it comes."""

    def __init__(self, count: TokenCount) -> None:
        self._events: AmazonEvents | None = AmazonEvents()
        self._count = count

    def take(self, piece: bytes) -> bytes:
        if self._events is not None:
            try:
                for found in self._events.feed(piece):
                    self._count.read_event(found)
            except Exception:  # noqa: BLE001 - whatever botocore finds wrong; the client reads the same bytes itself
                logger.warning("an answer of Bedrock cannot be read: its figures are not known")
                self._events = None
        return piece

    def end(self) -> bytes:
        return b""


def _dumped(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
