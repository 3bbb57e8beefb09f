"""Between the shapes of OpenAI and Anthropic, both ways, whole and streamed; and the operator's own mappings."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.transformer.mappings.configured import WrongMapping, read_mappings
from gateway.transformer.tokens import Tokens
from tests.llm_proxy.transformer.stream import EVENTS, Passed, context, event, events_of, exchanged

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
CALLED = {"name": "weather", "arguments": '{"city": "Rom"}'}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
TOOL_USE = {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Rom"}}
OPENAI: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "temperature": 1.4,
    "max_completion_tokens": 300,
    "stop": "END",
    "user": "u-1",
    "parallel_tool_calls": False,
    "tool_choice": "required",
    "tools": [{"type": "function", "function": {"name": "weather", "description": "Says it", "parameters": SCHEMA}}],
    "messages": [
        {"role": "system", "content": "Be short."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "Weather?"},
        {"role": "user", "content": [PICTURE]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rom"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "Sun"},
    ],
}
ANTHROPIC: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "temperature": 1,
    "max_tokens": 300,
    "stop_sequences": ["END"],
    "metadata": {"user_id": "u-1"},
    "system": "Be short.\n\nBe kind.",
    "tools": [{"name": "weather", "description": "Says it", "input_schema": SCHEMA}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Weather?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}},
            ],
        },
        {"role": "assistant", "content": [TOOL_USE]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "Sun"}]}],
        },
    ],
}


def to_anthropic(body: Any, **how: Any) -> Passed:
    return exchanged(body, request=context(mapping="anthropic", provider="anthropic"), **how)


def to_openai(body: Any, **how: Any) -> Passed:
    return exchanged(body, request=context(mapping="openai", provider="openai"), path="/v1/messages?beta=1", **how)


# --- OpenAI's clients, Anthropic's API ------------------------------------------------------------


@pytest.mark.parametrize("duplex", [True, False])
def test_a_completion_is_asked_for_as_a_message(duplex: bool) -> None:
    passed = to_anthropic(OPENAI, duplex=duplex)
    assert passed.path == "/v1/messages"
    assert passed.request_headers["anthropic-version"] == "2023-06-01"
    assert passed.request_json == ANTHROPIC


@pytest.mark.parametrize("duplex", [True, False])
def test_a_message_comes_back_as_a_completion(duplex: bool) -> None:
    message = {
        "id": "msg_1",
        "model": "claude-sonnet-4-5",
        "stop_reason": "tool_use",
        "content": [
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Rom"}},
        ],
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 7},
    }
    passed = to_anthropic(OPENAI, answer=json.dumps(message).encode(), duplex=duplex)
    found = passed.response_json if duplex else json.loads(b"".join(passed.pieces))
    assert found["object"] == "chat.completion"
    (choice,) = found["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "I look."
    assert choice["message"]["tool_calls"][0]["function"] == CALLED
    assert found["usage"] == {
        "prompt_tokens": 15,
        "completion_tokens": 7,
        "total_tokens": 22,
        "prompt_tokens_details": {"cached_tokens": 5},
    }
    assert "content-length" in passed.removed
    assert passed.settled == ("allowed", Tokens(15, 5, 7))


def test_a_streamed_message_comes_back_as_chunks() -> None:
    blocks: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "m", "model": "claude", "usage": {"input_tokens": 4}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "t", "name": "weather"},
        },
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"ci'}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": 'ty":1}'}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ]
    raw = b"".join(event(block, str(block["type"])) for block in blocks)
    passed = to_anthropic({**OPENAI, "stream": True}, answer=[raw[:100], raw[100:333], raw[333:]], answer_kind=EVENTS)
    *chunks, last, done = events_of(passed.response)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Hello"
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert calls[0]["function"]["name"] == "weather"
    assert "".join(call["function"]["arguments"] for call in calls) == '{"city":1}'
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert last["usage"]["total_tokens"] == 13
    assert done == "[DONE]"
    assert passed.settled == ("allowed", Tokens(4, 0, 9))


def test_an_error_of_anthropic_comes_back_in_openais_words() -> None:
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}
    passed = to_anthropic(OPENAI, answer=json.dumps(error).encode(), status=429)
    assert passed.response_json["error"]["message"] == "Slow down"
    assert passed.response_json["error"]["code"] == "rate_limit_error"


@pytest.mark.parametrize("answer", [b'{"content": [3]}', b"[]", b"<html>"])
def test_an_answer_of_another_shape_goes_on_as_it_came(answer: bytes) -> None:
    assert to_anthropic(OPENAI, answer=answer).response == answer


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"n": 3}, "one answer"),
        ({"logprobs": True}, "logprobs"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input_audio"),
        ({"messages": [{"role": "critic", "content": "no"}]}, "critic"),
        ({"messages": "Hello"}, "messages"),
        ({"tools": [{"type": "web_search"}]}, "function"),
    ],
)
def test_what_anthropic_does_not_have_is_refused(change: dict[str, Any], word: str) -> None:
    passed = to_anthropic({**OPENAI, **change})
    assert (passed.denial.status.code, passed.problem["code"]) == (422, "untranslatable")
    assert word in passed.problem["detail"]


@pytest.mark.parametrize("messages", [[{"role": "user", "content": [3]}], [{"role": "assistant", "tool_calls": [1]}]])
def test_odd_messages_are_refused_and_break_nothing(messages: Any) -> None:
    assert to_anthropic({**OPENAI, "messages": messages}).denial.status.code in {400, 422}


# --- Anthropic's clients, OpenAI's API ------------------------------------------------------------


def test_a_message_is_asked_for_as_a_completion() -> None:
    passed = to_openai({**ANTHROPIC, "stream": True})
    assert passed.path == "/v1/chat/completions?beta=1"
    left = passed.request_json
    assert left["messages"][0] == {"role": "system", "content": "Be short.\n\nBe kind."}
    assert left["messages"][1]["content"][1] == {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,QUJD"},
    }
    assert left["messages"][2]["tool_calls"][0]["function"] == CALLED
    assert left["messages"][3] == {"role": "tool", "tool_call_id": "c1", "content": "Sun"}
    assert left["tool_choice"] == "required"
    assert left["parallel_tool_calls"] is False
    assert left["max_completion_tokens"] == 300
    assert left["stream_options"] == {"include_usage": True}


def test_a_completion_comes_back_as_a_message() -> None:
    completion = {
        "id": "c",
        "model": "gpt-4o",
        "choices": [
            {
                "finish_reason": "tool_calls",
                "message": {"content": "I look.", "tool_calls": [{"id": "c1", "function": CALLED}]},
            }
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
    }
    found = to_openai(ANTHROPIC, answer=json.dumps(completion).encode()).response_json
    assert found["content"] == [
        {"type": "text", "text": "I look."},
        TOOL_USE,
    ]
    assert found["stop_reason"] == "tool_use"
    assert found["usage"] == {"input_tokens": 6, "cache_read_input_tokens": 4, "output_tokens": 2}


def test_chunks_come_back_as_the_events_of_a_message() -> None:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return event({"id": "c", "model": "gpt-4o", "choices": [{"delta": delta, "finish_reason": finish}]})

    answer = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hel"}) + chunk({"content": "lo"}),
        chunk({"tool_calls": [{"index": 0, "id": "t", "function": {"name": "weather", "arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":1}'}}]}),
        chunk({}, "tool_calls"),
        event({"id": "c", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 6}}) + event("[DONE]"),
    ]
    passed = to_openai({**ANTHROPIC, "stream": True}, answer=answer, answer_kind=EVENTS)
    found = events_of(passed.response)
    assert [each["type"] for each in found] == [
        *("message_start", "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"),
    ]
    assert found[5]["content_block"] == {"type": "tool_use", "id": "t", "name": "weather", "input": {}}
    assert found[-2]["delta"]["stop_reason"] == "tool_use"
    assert found[-2]["usage"] == {"input_tokens": 5, "cache_read_input_tokens": 0, "output_tokens": 6}
    assert passed.response.startswith(b"event: message_start\n")
    assert passed.settled == ("allowed", Tokens(5, 0, 6))


def test_an_error_of_openai_comes_back_in_anthropics_words() -> None:
    passed = to_openai(ANTHROPIC, answer=b'{"error": {"message": "Slow down"}}', status=429)
    assert passed.response_json == {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}


# --- The operator's own ----------------------------------------------------------------------------

LEGACY = {
    "legacy": {
        "path": "/generate",
        "request": {"inputs": "messages.-1.content", "parameters.max_new_tokens": "max_tokens"},
        "response": {"choices.0.message.content": "generated_text", "usage.completion_tokens": "details.tokens"},
        "event": {"choices.0.delta.content": "token.text"},
        "constants": {"response": {"object": "chat.completion", "choices.0.message.role": "assistant"}},
    }
}


@pytest.fixture
def legacy(tmp_path: Path) -> Path:
    file = tmp_path / "mappings.json"
    file.write_text(json.dumps(LEGACY))
    return file


def test_a_mapping_of_the_operators_turns_both_ways(legacy: Path) -> None:
    passed = exchanged(
        {"model": "llama", "max_tokens": 9, "messages": [{"content": "a"}, {"content": "b"}]},
        request=context(mapping="json:legacy"),
        answer=b'{"generated_text": "Hi", "details": {"tokens": 3}, "internal": "no"}',
        mappings=legacy,
    )
    assert passed.path == "/generate"
    assert passed.request_json == {"inputs": "b", "parameters": {"max_new_tokens": 9}}
    assert passed.response_json == {
        "object": "chat.completion",
        "choices": [{"message": {"role": "assistant", "content": "Hi"}}],
        "usage": {"completion_tokens": 3},
    }


def test_a_mapping_of_the_operators_turns_streams(legacy: Path) -> None:
    answer = [event({"token": {"text": "Hi"}}), event({"token": {}})]
    passed = exchanged(
        {"model": "llama", "stream": True},
        request=context(mapping="json:legacy"),
        answer=answer,
        answer_kind=EVENTS,
        mappings=legacy,
    )
    assert events_of(passed.response) == [{"choices": [{"delta": {"content": "Hi"}}]}, {}, "[DONE]"]


@pytest.mark.parametrize(
    "wrong",
    [
        "[]",
        "{",
        '{"a": []}',
        '{"a": {"unknown": {}}}',
        '{"a": {"request": {"b": 3}}}',
        '{"a": {"request": {"b..c": "d"}}}',
        '{"a": {"request": {"b.99999999": "d"}}}',
        '{"a": {"path": "no-slash"}}',
        '{"a": {"constants": {"path": "x"}}}',
    ],
)
def test_a_file_that_cannot_work_is_refused_at_the_start(wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "mappings.json"
    file.write_text(wrong)
    with pytest.raises(WrongMapping):
        read_mappings(file)
