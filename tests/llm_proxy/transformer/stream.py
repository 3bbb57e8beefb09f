"""Plays Envoy: one stream of external processing over a real gRPC connection, in full duplex mode or piece by piece."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio

from gateway.hotpath.proxy_request import CONTEXT_HEADER, ProxyRequest
from gateway.transformer.config import Config
from gateway.transformer.exchange import Tools
from gateway.transformer.mappings.registry import mappings_by_name
from gateway.transformer.messages import ext_proc, ext_proc_grpc
from gateway.transformer.server import server
from gateway.transformer.tokens import Tokens

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}


@dataclass
class Notebook:
    """Keeps what the transformer takes down."""

    entries: list[tuple[ProxyRequest, str, Tokens]] = field(default_factory=list)
    estimates: list[int] = field(default_factory=list)

    async def admit(self, request: ProxyRequest, tokens: int) -> None:
        assert request.request_id
        self.estimates.append(tokens)

    async def settle(self, request: ProxyRequest, outcome: str, tokens: Tokens) -> None:
        self.entries.append((request, outcome, tokens))


@dataclass
class Passed:
    """What came out of one exchange."""

    path: str = ""
    request_headers: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    request: bytes = b""
    response: bytes = b""
    pieces: list[bytes] = field(default_factory=list)
    denial: Any = None
    notebook: Notebook = field(default_factory=Notebook)

    @property
    def request_json(self) -> Any:
        return json.loads(self.request)

    @property
    def response_json(self) -> Any:
        return json.loads(self.response)

    @property
    def problem(self) -> Any:
        return json.loads(self.denial.body)

    @property
    def settled(self) -> tuple[str, Tokens]:
        ((_, outcome, tokens),) = self.notebook.entries
        return outcome, tokens


def context(**values: Any) -> ProxyRequest:
    return ProxyRequest(
        "req-1", "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222", **values
    )


def headers(values: dict[str, str]) -> Any:
    pairs = [ext_proc.HeaderValue(key=name, raw_value=value.encode()) for name, value in values.items()]
    return ext_proc.HttpHeaders(headers=ext_proc.HeaderMap(headers=pairs))


def exchanged(
    body: Any,
    *,
    request: ProxyRequest | None = None,
    path: str = "/v1/chat/completions",
    kind: dict[str, str] | None = None,
    answer: list[bytes] | bytes = b"{}",
    answer_kind: dict[str, str] | None = None,
    status: int = 200,
    duplex: bool = True,
    breaks_off: bool = False,
    answer_breaks_off: bool = False,
    mappings: Path | None = None,
) -> Passed:
    """Return what a request and its answer became."""
    passed = Passed()
    mode = ext_proc.FULL_DUPLEX_STREAMED if duplex else ext_proc.STREAMED
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    pieces = [raw[: len(raw) // 2], raw[len(raw) // 2 :]]

    async def play(stub: Any) -> None:
        stream = stub.Process()
        given = {":method": "POST", ":path": path, **(JSON if kind is None else kind)}
        if request is not None:
            given[CONTEXT_HEADER.decode()] = request.header().decode()
        await stream.write(
            ext_proc.ProcessingRequest(
                request_headers=headers(given),
                protocol_config=ext_proc.ProtocolConfiguration(request_body_mode=mode, response_body_mode=mode),
            )
        )
        if not duplex:
            _headers_into(passed, await stream.read())
        for last, piece in zip((False, True), pieces, strict=True):
            if passed.denial is None:
                await stream.write(
                    ext_proc.ProcessingRequest(request_body=ext_proc.HttpBody(body=piece, end_of_stream=last))
                )
                if not duplex:
                    _piece_into(passed, await stream.read())
        while duplex and passed.denial is None:
            found = await stream.read()
            _headers_into(passed, found) if found.HasField("request_headers") else _piece_into(passed, found)
            if found.HasField("request_body") and _mutation(found.request_body).streamed_response.end_of_stream:
                break
        if passed.denial is None and not breaks_off:
            kind_of_answer = answer_kind or JSON
            await _reply(stream, passed, status, answer, kind_of_answer, duplex=duplex, breaks_off=answer_breaks_off)
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF

    asyncio.run(_served(passed.notebook, mappings, play))
    return passed


async def _reply(
    stream: Any,
    passed: Passed,
    status: int,
    answer: list[bytes] | bytes,
    kind: dict[str, str],
    *,
    duplex: bool,
    breaks_off: bool,
) -> None:
    await stream.write(ext_proc.ProcessingRequest(response_headers=headers({":status": str(status), **kind})))
    found = (await stream.read()).response_headers.response.header_mutation
    passed.removed += found.remove_headers
    parts = [answer] if isinstance(answer, bytes) else answer
    for number, piece in enumerate(parts, 1):
        last = number == len(parts) and not breaks_off
        await stream.write(ext_proc.ProcessingRequest(response_body=ext_proc.HttpBody(body=piece, end_of_stream=last)))
        if not duplex:
            passed.pieces.append(_mutation((await stream.read()).response_body).body)
    while duplex and len(passed.pieces) < (len(parts) if breaks_off else float("inf")):
        found = _mutation((await stream.read()).response_body).streamed_response
        passed.pieces.append(found.body)
        if found.end_of_stream:
            break
    passed.response = b"".join(passed.pieces)


def _headers_into(passed: Passed, found: Any) -> None:
    if found.HasField("immediate_response"):
        passed.denial = found.immediate_response
        return
    mutation = found.request_headers.response.header_mutation
    new = {option.header.key: option.header.raw_value.decode() for option in mutation.set_headers}
    passed.request_headers |= new
    passed.path = new.get(":path", passed.path)


def _piece_into(passed: Passed, found: Any) -> None:
    if found.HasField("immediate_response"):
        passed.denial = found.immediate_response
        return
    mutation = _mutation(found.request_body)
    passed.request += mutation.streamed_response.body or mutation.body


def _mutation(found: Any) -> Any:
    return found.response.body_mutation


async def _served(notebook: Notebook, mappings: Path | None, play: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    tools = Tools(notebook, mappings_by_name(mappings))
    here = Config("127.0.0.1:0", "", "", mappings, tools.most_bytes, None, None, None)
    serving, port = server(here, tools)
    await serving.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await asyncio.wait_for(play(ext_proc_grpc.ExternalProcessorStub(channel)), 20)
    finally:
        await serving.stop(0)


def event(data: Any, name: str = "") -> bytes:
    start = f"event: {name}\n" if name else ""
    return f"{start}data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def events_of(raw: bytes) -> list[Any]:
    """Return the data of every event."""
    found = [line.removeprefix("data: ") for line in raw.decode().split("\n") if line.startswith("data: ")]
    return [text if text == "[DONE]" else json.loads(text) for text in found]
