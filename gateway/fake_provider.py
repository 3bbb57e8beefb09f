"""A provider that only repeats what it is told: the APIs of OpenAI and Anthropic, streams included.

To try the proxy with, by `make proxy` and by tests; it keeps nothing, and takes every credential.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Document = dict[str, Any]

PAUSE_SECONDS = 0.05
"""Between two words of a stream."""

REQUEST_ID = "req_of_the_provider"
_JSON = b"application/json"
_EVENTS = b"text/event-stream; charset=utf-8"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    body = await _read(receive)
    path = scope["path"]
    if path.startswith("/echo"):
        await _answer(send, 200, _echo(scope, headers, body))
    elif not (headers.get("authorization") or headers.get("x-api-key") or headers.get("api-key")):
        await _answer(send, 401, {"error": {"type": "authentication_error", "message": "No API key was provided."}})
    elif path.endswith("/v1/models"):
        model = {"id": "fake-1", "object": "model", "created": 0, "owned_by": "gatehouse"}
        await _answer(send, 200, {"object": "list", "data": [model]})
    elif path.endswith("/chat/completions"):
        await _speak(send, json.loads(body), _completion, _completion_events)
    elif path.endswith("/v1/messages"):
        await _speak(send, json.loads(body), _message, _message_events)
    else:
        await _answer(send, 404, {"error": {"type": "not_found", "message": f"Unknown request URL: {path}."}})


def words_of(request: Document) -> list[str]:
    """Return the answer to a request: what was said last, word by word."""
    content = request["messages"][-1]["content"] if request.get("messages") else ""
    if not isinstance(content, str):
        content = " ".join(part.get("text", "") for part in content)
    return ["You", " said:", *(f" {word}" for word in content.split())]


async def _speak(
    send: Send,
    request: Document,
    whole: Callable[[Document], Document],
    events: Callable[[Document], Iterable[tuple[str, Document]]],
) -> None:
    """Answer at once or as a stream."""
    if not request.get("stream"):
        await _answer(send, 200, whole(request))
        return
    await _start(send, 200, _EVENTS)
    async for event in _paced(events(request)):
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _paced(events: Iterable[tuple[str, Document]]) -> AsyncIterator[bytes]:
    """Yield events as they go over the wire, words with a pause between them."""
    for name, document in events:
        if name == "word" or name.endswith("_delta"):
            await asyncio.sleep(PAUSE_SECONDS)
        prefix = "" if name in {"word", "done"} else f"event: {name}\n"
        data = "[DONE]" if name == "done" else json.dumps(document)
        yield f"{prefix}data: {data}\n\n".encode()


def _used(request: Document) -> tuple[int, int]:
    """Return the tokens of question and answer: words, as nobody counts more closely here."""
    said = sum(len(str(message.get("content", "")).split()) for message in request.get("messages", ()))
    return said, len(words_of(request))


def _openai_usage(request: Document) -> Document:
    said, answered = _used(request)
    return {"prompt_tokens": said, "completion_tokens": answered, "total_tokens": said + answered}


def _completion(request: Document) -> Document:
    message = {"role": "assistant", "content": "".join(words_of(request))}
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 0,
        "model": request.get("model", "fake-1"),
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _openai_usage(request),
    }


def _completion_events(request: Document) -> Iterable[tuple[str, Document]]:
    common = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 0, "model": request.get("model")}
    yield "word", common | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    for word in words_of(request):
        yield "word", common | {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
    yield "word", common | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    if (request.get("stream_options") or {}).get("include_usage"):
        yield "word", common | {"choices": [], "usage": _openai_usage(request)}
    yield "done", {}


def _message(request: Document) -> Document:
    said, answered = _used(request)
    return {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "model": request.get("model", "fake-1"),
        "content": [{"type": "text", "text": "".join(words_of(request))}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": said, "output_tokens": answered},
    }


def _message_events(request: Document) -> Iterable[tuple[str, Document]]:
    said, answered = _used(request)
    start = _message(request) | {
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": said, "output_tokens": 1},
    }
    yield "message_start", {"type": "message_start", "message": start}
    block = {"type": "text", "text": ""}
    yield "content_block_start", {"type": "content_block_start", "index": 0, "content_block": block}
    for word in words_of(request):
        delta = {"type": "text_delta", "text": word}
        yield "content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}
    yield "content_block_stop", {"type": "content_block_stop", "index": 0}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    yield "message_delta", {"type": "message_delta", "delta": stop, "usage": {"output_tokens": answered}}
    yield "message_stop", {"type": "message_stop"}


def _echo(scope: Scope, headers: dict[str, str], body: bytes) -> Document:
    """Return what arrived, so that one can see what a provider would."""
    return {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode("latin-1"),
        "headers": headers,
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }


async def _answer(send: Send, status: int, document: Document) -> None:
    await _start(send, status, _JSON)
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})


async def _start(send: Send, status: int, content_type: bytes) -> None:
    """Begin an answer with what real providers say about the account as well."""
    headers = [
        (b"content-type", content_type),
        (b"x-request-id", REQUEST_ID.encode()),
        (b"openai-organization", b"whose-account-it-is"),
        (b"set-cookie", b"__cf_bm=tracking; path=/"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        event = await receive()
        parts.append(event.get("body", b""))
        if not event.get("more_body"):
            return b"".join(parts)


async def _lifespan(receive: Receive, send: Send) -> None:
    for what in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{what}.complete"})
