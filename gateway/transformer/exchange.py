"""One request and its answer, as Envoy hands them over piece by piece."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from gateway.hotpath.problems import Refused
from gateway.hotpath.proxy_request import CONTEXT_HEADER, ProxyRequest, request_of
from gateway.hotpath.usage import ALLOWED, UPSTREAM_ERROR
from gateway.transformer.mappings.base import Mapping

from . import answers
from .body import RequestBody
from .messages import DUPLEX, ext_proc
from .reply import Reply
from .tokens import Tokens

logger = logging.getLogger("gatehouse.transformer")

MOST_BYTES = 20 * 1024 * 1024
LARGE_BYTES = 256 * 1024
"""From here on a body is worked on beside the event loop: other streams do not wait for it."""
PIECE_BYTES = 256 * 1024
_CONTEXT = CONTEXT_HEADER.decode()


class Ledger(Protocol):
    """Where it is written down what a request used."""

    async def admit(self, request: ProxyRequest, tokens: int) -> None:
        """Hold a request against the limits once more, now that its body is known.

        Args:
            request: the request.
            tokens: what its text comes to.

        Raises:
            Refused: there is no room for it.
        """

    async def settle(self, request: ProxyRequest, outcome: str, tokens: Tokens) -> None:
        """Take down the outcome of a request, once."""


@dataclass(slots=True)
class Tools:
    """What every exchange of a process shares.

    Attributes:
        ledger: takes down what was used.
        mappings: by the name that a request's context carries.
        most_bytes: the longest body of a request.
    """

    ledger: Ledger
    mappings: dict[str, Mapping]
    most_bytes: int = MOST_BYTES


class Exchange:
    """One stream of Envoy's external processing.

    Its request's headers are answered when the body has been seen (in full duplex mode), so that a refusal comes before
    anything has left; its response is answered piece by piece as it comes.

    Args:
        tools: what it works with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._request: ProxyRequest | None = None
        self._headers: dict[str, str] = {}
        self._body: RequestBody | None = None
        self._reply: Reply | None = None
        self._is_duplex = self._replies_in_duplex = False
        self._is_answered = False  # whether the request's headers are
        self._is_whole = self._is_settled = False
        self._outcome = ALLOWED

    async def take(self, message: Any) -> AsyncIterator[Any]:
        """Yield Envoy's answers to one of its messages."""
        if message.HasField("protocol_config"):
            self._is_duplex = message.protocol_config.request_body_mode == DUPLEX
            self._replies_in_duplex = message.protocol_config.response_body_mode == DUPLEX
        kind = message.WhichOneof("request")
        try:
            async for answer in _HANDLERS[kind](self, getattr(message, kind)):
                yield answer
        except Refused as refused:
            self._outcome = refused.code
            self._body = None
            yield answers.refusal(refused, self._request.request_id if self._request else "")
            await self.close()

    async def close(self) -> None:
        """Take down what was used; the stream may have broken off anywhere."""
        if self._request is None or self._is_settled:
            return
        self._is_settled = True
        await self._tools.ledger.settle(self._request, self._outcome, self._used())

    def _used(self) -> Tokens:
        """Return what was used; whoever breaks a stream off before it says so has used it all the same."""
        prompt = self._body.tokens if self._body and self._outcome == ALLOWED else 0
        if self._reply is None:
            return Tokens(input=prompt)
        return self._reply.used(prompt, is_whole=self._is_whole)

    # --- The request ---------------------------------------------------------------------------

    async def _take_request(self, given: Any) -> AsyncIterator[Any]:
        self._headers = answers.headers_of(given.headers)
        request = self._request = _context_of(self._headers)
        mapping = self._mapping_of(request)
        self._body = RequestBody(request, self._headers, mapping)
        if given.end_of_stream:
            self._body.check_empty()
        elif self._body.is_read:
            if not self._is_duplex:
                yield self._answered()
            return
        await self._tools.ledger.admit(request, self._body.tokens)
        yield self._answered()

    def _mapping_of(self, request: ProxyRequest) -> Mapping | None:
        if not request.mapping:
            return None
        try:
            return self._tools.mappings[request.mapping]
        except KeyError:
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "mapping_unknown",
                f"The credential names the mapping {request.mapping}, which this transformer does not have. Tell the "
                "operator to add it to the file of TRANSFORMER_MAPPINGS.",
            ) from None

    async def _take_body(self, given: Any) -> AsyncIterator[Any]:
        body = self._body
        if body is None:  # refused already; what is still on its way means nothing
            return
        if not body.is_read:
            yield answers.request_piece(given.body, given.end_of_stream, duplex=self._is_duplex)
            return
        if body.size + len(given.body) > self._tools.most_bytes:
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "body_too_large",
                f"The body is longer than {self._tools.most_bytes // 2**20} MiB. Send less at a time.",
            )
        body.add(given.body)
        if not given.end_of_stream:
            if not self._is_duplex:
                yield answers.request_piece(b"", is_last=False, duplex=False)
            return
        async for answer in self._rewritten(body, is_last=True):
            yield answer

    async def _take_trailers(self, given: Any) -> AsyncIterator[Any]:
        body = self._body
        if body is not None and body.is_read and self._is_duplex and not self._is_answered:
            async for answer in self._rewritten(body, is_last=False):
                yield answer
        yield ext_proc.ProcessingResponse(request_trailers=ext_proc.TrailersResponse())

    async def _rewritten(self, body: RequestBody, *, is_last: bool) -> AsyncIterator[Any]:
        assert self._request is not None  # noqa: S101 - headers come first
        made = await asyncio.to_thread(body.rewritten) if body.size > LARGE_BYTES else body.rewritten()
        await self._tools.ledger.admit(self._request, body.tokens)
        if not self._is_duplex:
            yield answers.request_piece(made, is_last=is_last, duplex=False)
            return
        yield self._answered()
        for start in range(0, len(made) or 1, PIECE_BYTES):
            ends = is_last and start + PIECE_BYTES >= len(made)
            yield answers.request_piece(made[start : start + PIECE_BYTES], ends, duplex=True)

    def _answered(self) -> Any:
        assert self._body is not None  # noqa: S101 - headers come first
        self._is_answered = True
        return answers.request_headers(self._body.new_headers(), removes_length=self._body.is_read)

    # --- The reply -----------------------------------------------------------------------------

    async def _take_reply(self, given: Any) -> AsyncIterator[Any]:
        headers = answers.headers_of(given.headers)
        status = int(headers.get(":status", "0") or 0)
        if status >= HTTPStatus.BAD_REQUEST and self._outcome == ALLOWED:
            self._outcome = UPSTREAM_ERROR
        mapping = self._body.mapping if self._body else None
        hides_usage = self._body.added_usage if self._body else False
        model = self._request.model if self._request else ""
        self._reply = Reply(headers, status, mapping, hides_usage=hides_usage, model=model)
        self._is_whole = given.end_of_stream
        yield answers.response_headers((), removes_length=self._reply.is_rewritten)
        if self._is_whole:
            await self.close()

    async def _take_reply_body(self, given: Any) -> AsyncIterator[Any]:
        assert self._reply is not None  # noqa: S101 - headers come first
        made = self._reply.take(given.body)
        if given.end_of_stream:
            made += self._reply.end()
            self._is_whole = True  # now: Envoy may end the stream as soon as it has the last piece
        if made or self._is_whole or not self._replies_in_duplex:
            yield answers.response_piece(made, self._is_whole, duplex=self._replies_in_duplex)
        if self._is_whole:
            await self.close()

    async def _take_reply_trailers(self, given: Any) -> AsyncIterator[Any]:
        made = self._reply.end() if self._reply else b""
        self._is_whole = True
        if made and self._replies_in_duplex:
            yield answers.response_piece(made, is_last=False, duplex=True)
        yield ext_proc.ProcessingResponse(response_trailers=ext_proc.TrailersResponse())
        await self.close()


_HANDLERS = {
    "request_headers": Exchange._take_request,
    "request_body": Exchange._take_body,
    "request_trailers": Exchange._take_trailers,
    "response_headers": Exchange._take_reply,
    "response_body": Exchange._take_reply_body,
    "response_trailers": Exchange._take_reply_trailers,
}
"""What is done about which of Envoy's messages."""


def _context_of(headers: dict[str, str]) -> ProxyRequest:
    """Return what the authorization service found out.

    Raises:
        Refused: nothing says it: the request has come past the authorization service.
    """
    try:
        return request_of(headers[_CONTEXT].encode())
    except (KeyError, ValueError):
        logger.warning("a request without the authorization service's context was refused: look at Envoy's filters")
        raise Refused(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "context_missing",
            "The proxy is not set up completely: nothing says whose request this is. Tell the operator.",
        ) from None
