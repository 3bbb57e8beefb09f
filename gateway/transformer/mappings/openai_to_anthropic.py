"""For clients that speak OpenAI's Chat Completions to Anthropic's Messages API."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from gateway.transformer.events import Event
from gateway.transformer.events import event as _event

from .base import Untranslatable

DEFAULT_MAX_TOKENS = 4096
"""Anthropic wants a limit; OpenAI does not."""

_STOP_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_SAME = ("model", "stream", "top_p", "metadata")
# What changes nothing that Anthropic would do otherwise.
_IGNORED = frozenset(
    {
        *("messages", "temperature", "max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice", "user"),
        *("parallel_tool_calls", "stream_options", "n", "seed", "store", "presence_penalty", "frequency_penalty"),
        *("logit_bias", "service_tier", "safety_identifier", "prompt_cache_key", "reasoning_effort", "verbosity"),
        *_SAME,
    }
)


class OpenAIToAnthropic:
    """The mapping."""

    def path(self, path: str) -> str:
        """Return the path of the Messages API."""
        before, _, query = path.partition("?")
        return before.removesuffix("/chat/completions") + "/messages" + (f"?{query}" if query else "")

    def request(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the request for the Messages API.

        Raises:
            Untranslatable: it asks for what Anthropic does not have.
        """
        unknown = sorted(name for name, value in body.items() if name not in _IGNORED and value not in (None, False))
        if unknown:
            raise Untranslatable(f"Anthropic has no counterpart of {', '.join(unknown)}. Leave it out.")
        if body.get("n") not in {None, 1}:
            raise Untranslatable("Anthropic gives one answer. Leave “n” out.")
        system, messages = _messages(body.get("messages"))
        made = {name: body[name] for name in _SAME if body.get(name) is not None}
        made["messages"] = messages
        made["max_tokens"] = body.get("max_completion_tokens") or body.get("max_tokens") or DEFAULT_MAX_TOKENS
        if system:
            made["system"] = system
        if isinstance(body.get("temperature"), int | float):
            made["temperature"] = min(body["temperature"], 1)
        if body.get("stop"):
            made["stop_sequences"] = [body["stop"]] if isinstance(body["stop"], str) else body["stop"]
        if isinstance(body.get("user"), str):
            made["metadata"] = {"user_id": body["user"]}
        if body.get("tools"):
            made["tools"] = [_tool(tool) for tool in body["tools"]]
            choice = _tool_choice(body)
            if choice:
                made["tool_choice"] = choice
        return made

    def response(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a message as a chat completion."""
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        texts = [block["text"] for block in body.get("content", []) if block.get("type") == "text"]
        calls = [_call(block) for block in body.get("content", []) if block.get("type") == "tool_use"]
        if texts:
            message["content"] = "".join(texts)
        if calls:
            message["tool_calls"] = calls
        return {
            "id": f"chatcmpl-{body.get('id', uuid.uuid4().hex)}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body.get("model", ""),
            "choices": [
                {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(body.get("stop_reason"))}
            ],
            "usage": usage_of(body.get("usage", {})),
        }

    def error(self, body: dict[str, Any], status: int) -> dict[str, Any]:
        """Return an error as OpenAI words it."""
        found = body.get("error")
        error: dict[str, Any] = found if isinstance(found, dict) else {}
        kind = error.get("type", "api_error")
        return {"error": {"message": error.get("message", ""), "type": kind, "param": None, "code": kind}}

    def stream(self, model: str) -> "ChunkStream":
        """Return what turns the events of a message into chunks."""
        return ChunkStream(model)


class ChunkStream:
    """One streamed message, as chat completion chunks.

    Args:
        model: the one that was asked for.
    """

    def __init__(self, model: str) -> None:
        self._head: dict[str, Any] = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }
        self._usage: dict[str, Any] = {}
        self._calls: dict[int, int] = {}  # the index of a tool's block, and of its call
        self._is_over = False

    def feed(self, event: Event) -> Iterator[bytes]:
        """Yield the chunks that an event becomes."""
        found = event.document()
        if found is None or self._is_over:
            return
        match found.get("type"):
            case "message_start":
                message = found.get("message", {})
                self._head |= {"id": f"chatcmpl-{message.get('id', '')}", "model": message.get("model", "")}
                self._usage |= message.get("usage") or {}
                yield self._chunk({"role": "assistant", "content": ""})
            case "content_block_start":
                yield from self._starting(found)
            case "content_block_delta":
                yield from self._delta(found)
            case "message_delta":
                self._usage |= {name: count for name, count in (found.get("usage") or {}).items() if count is not None}
                yield self._chunk({}, finish=_finish(found.get("delta", {}).get("stop_reason")))
            case "error":
                error = OpenAIToAnthropic().error(found, 0)
                self._is_over = True
                yield _event(error)
            case "message_stop":
                yield from self.end()

    def end(self) -> Iterator[bytes]:
        """Yield the chunk with the usage, and the end."""
        if not self._is_over:
            self._is_over = True
            yield _event({**self._head, "choices": [], "usage": usage_of(self._usage)})
            yield _event("[DONE]")

    def _starting(self, found: dict[str, Any]) -> Iterator[bytes]:
        block = found.get("content_block", {})
        if block.get("type") == "tool_use":
            call = self._calls[found["index"]] = len(self._calls)
            function = {"name": block.get("name", ""), "arguments": ""}
            start = {"index": call, "id": block.get("id", ""), "type": "function", "function": function}
            yield self._chunk({"tool_calls": [start]})

    def _delta(self, found: dict[str, Any]) -> Iterator[bytes]:
        delta = found.get("delta", {})
        if delta.get("type") == "text_delta":
            yield self._chunk({"content": delta.get("text", "")})
        elif delta.get("type") == "input_json_delta" and found.get("index") in self._calls:
            function = {"arguments": delta.get("partial_json", "")}
            yield self._chunk({"tool_calls": [{"index": self._calls[found["index"]], "function": function}]})

    def _chunk(self, delta: dict[str, Any], *, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**self._head, "choices": [choice]})


def usage_of(usage: dict[str, Any]) -> dict[str, Any]:
    """Return Anthropic's figures as OpenAI's, which counts what came from the cache among the prompt."""
    cached = usage.get("cache_read_input_tokens") or 0
    prompt = (usage.get("input_tokens") or 0) + cached + (usage.get("cache_creation_input_tokens") or 0)
    output = usage.get("output_tokens") or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def _finish(reason: str | None) -> str | None:
    return _STOP_REASONS.get(reason, "stop") if reason else None


def _call(block: dict[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(block.get("input", {}), ensure_ascii=False)
    return {
        "id": block.get("id", ""),
        "type": "function",
        "function": {"name": block.get("name", ""), "arguments": arguments},
    }


def _messages(given: Any) -> tuple[str, list[dict[str, Any]]]:
    """Return the system prompt, and the turns: Anthropic wants user and assistant in turn."""
    if not isinstance(given, list) or not all(isinstance(message, dict) for message in given):
        raise Untranslatable("“messages” is no list of messages. Send one as OpenAI describes it.")
    system: list[str] = []
    turns: list[dict[str, Any]] = []
    for message in given:
        role = message.get("role")
        if role in {"system", "developer"}:
            system.append(_plain(message.get("content")))
            continue
        if role == "tool":
            result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id", "")}
            blocks = [result | {"content": _blocks(message.get("content"))}]
        elif role in {"user", "assistant"}:
            blocks = _blocks(message.get("content")) + [_tool_use(call) for call in message.get("tool_calls") or ()]
        else:
            raise Untranslatable(f"A message has the role {role!r}, which Anthropic does not know.")
        who = "assistant" if role == "assistant" else "user"
        if turns and turns[-1]["role"] == who:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": who, "content": blocks})
    return "\n\n".join(text for text in system if text), turns


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or () if isinstance(part, dict))


def _blocks(content: Any) -> list[dict[str, Any]]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise Untranslatable("The content of a message is neither a text nor a list of parts.")
    return [_block(part) for part in content]


def _block(part: Any) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        return {"type": "text", "text": part.get("text", "")}
    if kind == "refusal":
        return {"type": "text", "text": part.get("refusal", "")}
    if kind == "image_url":
        url = part["image_url"]["url"] if isinstance(part.get("image_url"), dict) else ""
        if url.startswith("data:"):
            media_type, _, data = url.removeprefix("data:").partition(";base64,")
            return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
        return {"type": "image", "source": {"type": "url", "url": url}}
    raise Untranslatable(f"A part of a message is of the type {kind!r}, which cannot be sent to Anthropic.")


def _tool_use(call: Any) -> dict[str, Any]:
    function = call.get("function", {}) if isinstance(call, dict) else {}
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except ValueError:
        raise Untranslatable("The arguments of a tool call are no JSON. Send them as the model gave them.") from None
    return {"type": "tool_use", "id": call.get("id", ""), "name": function.get("name", ""), "input": arguments}


def _tool(tool: Any) -> dict[str, Any]:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise Untranslatable("A tool is no function; Anthropic cannot be sent others in this shape.")
    function = tool.get("function", {})
    made = {"name": function.get("name", ""), "input_schema": function.get("parameters") or {"type": "object"}}
    return made | ({"description": function["description"]} if function.get("description") else {})


def _tool_choice(body: dict[str, Any]) -> dict[str, Any] | None:
    choice = body.get("tool_choice")
    made: dict[str, Any] | None
    if isinstance(choice, dict):
        made = {"type": "tool", "name": choice.get("function", {}).get("name", "")}
    else:
        made = {"auto": {"type": "auto"}, "none": {"type": "none"}, "required": {"type": "any"}}.get(choice or "")
    if body.get("parallel_tool_calls") is False and (made is None or made["type"] != "none"):
        made = (made or {"type": "auto"}) | {"disable_parallel_tool_use": True}
    return made
