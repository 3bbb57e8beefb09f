"""What every mapping can do."""

from collections.abc import Iterator
from typing import Any, Protocol

from gateway.transformer.events import Event


class Untranslatable(ValueError):  # noqa: N818 - reads as the statement it is
    """A request that the other side cannot be asked; its text tells the caller what to leave out."""


class StreamMapping(Protocol):
    """Turns one answer's stream into the client's shape; made anew for each answer."""

    def feed(self, event: Event) -> Iterator[bytes]:
        """Yield what an event becomes."""

    def end(self) -> Iterator[bytes]:
        """Yield what is still owed when the provider's stream is over."""


class Mapping(Protocol):
    """One pair of shapes."""

    def path(self, path: str) -> str:
        """Return where the request goes, from where the client sent it to."""

    def request(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the request as the provider takes it.

        Raises:
            Untranslatable: it asks for what the provider does not have.
        """

    def response(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return an answer as the client expects it."""

    def error(self, body: dict[str, Any], status: int) -> dict[str, Any]:
        """Return a provider's error as the client expects it."""

    def stream(self, model: str) -> StreamMapping:
        """Return what turns a streamed answer.

        Args:
            model: the one that was asked for.
        """
