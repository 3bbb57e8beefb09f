"""For clients that speak Anthropic's Messages API to OpenAI's Chat Completions."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

from gateway.transformer.events import Event
from gateway.transformer.events import event as _event

from .base import Untranslatable

_FINISH_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_SAME = ("model", "stream", "temperature", "top_p")
_IGNORED = frozenset(
    {
        *(
            "messages",
            "system",
            "max_tokens",
            "stop_sequences",
            "tools",
            "tool_choice",
            "metadata",
            "top_k",
            "thinking",
        ),
        *("service_tier", *_SAME),
    }
)
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class AnthropicToOpenAI:
    """The mapping."""

    def path(self, path: str) -> str:
        """Return the path of Chat Completions."""
        before, _, query = path.partition("?")
        return before.removesuffix("/messages") + "/chat/completions" + (f"?{query}" if query else "")

    def request(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the request for Chat Completions.

        Raises:
            Untranslatable: it asks for what OpenAI does not have.
        """
        unknown = sorted(name for name, value in body.items() if name not in _IGNORED and value not in (None, False))
        if unknown:
            raise Untranslatable(f"OpenAI has no counterpart of {', '.join(unknown)}. Leave it out.")
        made = {name: body[name] for name in _SAME if body.get(name) is not None}
        made["messages"] = [*_system(body.get("system")), *_messages(body.get("messages"))]
        if body.get("max_tokens") is not None:
            made["max_completion_tokens"] = body["max_tokens"]
        if body.get("stop_sequences"):
            made["stop"] = body["stop_sequences"]
        if isinstance(body.get("metadata"), dict) and body["metadata"].get("user_id"):
            made["user"] = body["metadata"]["user_id"]
        if made.get("stream"):
            made["stream_options"] = {"include_usage": True}
        if body.get("tools"):
            made["tools"] = [_tool(tool) for tool in body["tools"]]
            made |= _tool_choice(body.get("tool_choice"))
        return made

    def response(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a chat completion as a message."""
        choice = (body.get("choices") or [{}])[0]
        message = choice.get("message", {})
        content: list[dict[str, Any]] = []
        if message.get("content") or message.get("refusal"):
            content.append({"type": "text", "text": message.get("content") or message["refusal"]})
        for call in message.get("tool_calls") or ():
            function = call.get("function", {})
            content.append(
                {
                    "type": "tool_use",
                    "id": call.get("id", ""),
                    "name": function.get("name", ""),
                    "input": _arguments(function.get("arguments")),
                }
            )
        return {
            "id": f"msg_{body.get('id', uuid.uuid4().hex)}",
            "type": "message",
            "role": "assistant",
            "model": body.get("model", ""),
            "content": content,
            "stop_reason": _FINISH_REASONS.get(choice.get("finish_reason") or "", "end_turn"),
            "stop_sequence": None,
            "usage": usage_of(body.get("usage") or {}),
        }

    def error(self, body: dict[str, Any], status: int) -> dict[str, Any]:
        """Return an error as Anthropic words it."""
        error = body.get("error")
        message = error.get("message", "") if isinstance(error, dict) else str(error or "")
        return {"type": "error", "error": {"type": _ERROR_TYPES.get(status, "api_error"), "message": message}}

    def stream(self, model: str) -> "MessageStream":
        """Return what turns chunks into the events of a message."""
        return MessageStream(model)


class MessageStream:
    """One streamed completion, as the events of a message.

    Args:
        model: the one that was asked for.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._has_started = self._is_over = False
        self._block = -1  # the index of the block that is open
        self._open = ""  # "text", or "tool" and a call's index; "" when no block is open
        self._stop_reason = "end_turn"
        self._usage: dict[str, Any] = {}

    def feed(self, event: Event) -> Iterator[bytes]:
        """Yield the events that a chunk becomes."""
        found = event.document()
        if self._is_over:
            return
        if found is None:
            if event.data.strip() == "[DONE]":
                yield from self.end()
            return
        if "error" in found:
            self._is_over = True
            yield _named(AnthropicToOpenAI().error(found, 0))
            return
        self._usage = found.get("usage") or self._usage
        if not self._has_started:
            yield self._start(found)
        for choice in found.get("choices") or ():
            delta = choice.get("delta") or {}
            if delta.get("content"):
                yield from self._switch("text", {"type": "text", "text": ""})
                yield self._delta({"type": "text_delta", "text": delta["content"]})
            for call in delta.get("tool_calls") or ():
                yield from self._call(call)
            if choice.get("finish_reason"):
                self._stop_reason = _FINISH_REASONS.get(choice["finish_reason"], "end_turn")

    def end(self) -> Iterator[bytes]:
        """Yield the end of the message, with what it used."""
        if self._is_over or not self._has_started:
            return
        self._is_over = True
        yield from self._close()
        delta = {"stop_reason": self._stop_reason, "stop_sequence": None}
        yield _named({"type": "message_delta", "delta": delta, "usage": usage_of(self._usage)})
        yield _named({"type": "message_stop"})

    def _start(self, found: dict[str, Any]) -> bytes:
        self._has_started = True
        message = {
            "id": f"msg_{found.get('id', uuid.uuid4().hex)}",
            "type": "message",
            "role": "assistant",
            "model": found.get("model", self._model),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_of({}),
        }
        return _named({"type": "message_start", "message": message})

    def _call(self, call: dict[str, Any]) -> Iterator[bytes]:
        function = call.get("function") or {}
        block = {"type": "tool_use", "id": call.get("id", ""), "name": function.get("name", ""), "input": {}}
        yield from self._switch(f"tool {call.get('index', 0)}", block)
        if function.get("arguments"):
            yield self._delta({"type": "input_json_delta", "partial_json": function["arguments"]})

    def _switch(self, which: str, block: dict[str, Any]) -> Iterator[bytes]:
        if self._open == which:
            return
        yield from self._close()
        self._block += 1
        self._open = which
        yield _named({"type": "content_block_start", "index": self._block, "content_block": block})

    def _close(self) -> Iterator[bytes]:
        if self._open:
            self._open = ""
            yield _named({"type": "content_block_stop", "index": self._block})

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _named({"type": "content_block_delta", "index": self._block, "delta": delta})


def usage_of(usage: dict[str, Any]) -> dict[str, Any]:
    """Return OpenAI's figures as Anthropic's, which counts what came from the cache apart."""
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return {
        "input_tokens": (usage.get("prompt_tokens") or 0) - cached,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.get("completion_tokens") or 0,
    }


def _named(document: dict[str, Any]) -> bytes:
    return _event(document, document["type"])


def _arguments(text: Any) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {"arguments": text}


def _system(system: Any) -> list[dict[str, Any]]:
    text = system if isinstance(system, str) else "\n\n".join(block.get("text", "") for block in system or ())
    return [{"role": "system", "content": text}] if text else []


def _messages(given: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(given, list) or not all(isinstance(message, dict) for message in given):
        raise Untranslatable("“messages” is no list of messages. Send one as Anthropic describes it.")
    for message in given:
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        if message.get("role") == "assistant":
            yield _assistant(blocks)
        else:
            for block in blocks:
                if block.get("type") == "tool_result":
                    yield {
                        "role": "tool",
                        "tool_call_id": block.get("tool_use_id", ""),
                        "content": _text(block.get("content")),
                    }
            parts = [_part(block) for block in blocks if block.get("type") != "tool_result"]
            if parts:
                yield {"role": "user", "content": parts}


def _assistant(blocks: list[dict[str, Any]]) -> dict[str, Any]:
    text = "".join(block.get("text", "") for block in blocks if block.get("type") == "text")
    made: dict[str, Any] = {"role": "assistant", "content": text or None}
    calls = [
        {
            "id": block.get("id", ""),
            "type": "function",
            "function": {
                "name": block.get("name", ""),
                "arguments": json.dumps(block.get("input", {}), ensure_ascii=False),
            },
        }
        for block in blocks
        if block.get("type") == "tool_use"
    ]
    return made | ({"tool_calls": calls} if calls else {})


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text", "") for block in content or () if block.get("type") == "text")


def _part(block: dict[str, Any]) -> dict[str, Any]:
    kind, source = block.get("type"), block.get("source") or {}
    if kind == "text":
        return {"type": "text", "text": block.get("text", "")}
    if kind == "image" and source.get("type") == "base64":
        return {"type": "image_url", "image_url": {"url": f"data:{source['media_type']};base64,{source['data']}"}}
    if kind == "image" and source.get("type") == "url":
        return {"type": "image_url", "image_url": {"url": source["url"]}}
    raise Untranslatable(f"A block of a message is of the type {kind!r}, which cannot be sent to OpenAI.")


def _tool(tool: Any) -> dict[str, Any]:
    if not isinstance(tool, dict) or "input_schema" not in tool:
        raise Untranslatable("A tool is none of the client's own; OpenAI does not have Anthropic's.")
    function = {"name": tool.get("name", ""), "parameters": tool["input_schema"]}
    if tool.get("description"):
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def _tool_choice(choice: Any) -> dict[str, Any]:
    if not isinstance(choice, dict):
        return {}
    made: dict[str, Any] = {}
    match choice.get("type"):
        case "tool":
            made["tool_choice"] = {"type": "function", "function": {"name": choice.get("name", "")}}
        case "any":
            made["tool_choice"] = "required"
        case "auto" | "none" as same:
            made["tool_choice"] = same
    if choice.get("disable_parallel_tool_use"):
        made["parallel_tool_calls"] = False
    return made
