"""What leaves, and what comes back: prompts are masked, figures read, and everything else stays as it was."""

import asyncio
import gzip
import json
from binascii import crc32
from struct import pack
from typing import Any

import pytest

from gateway.hotpath.proxy_request import CONTEXT_HEADER
from gateway.transformer.exchange import Exchange, Tools
from gateway.transformer.messages import ext_proc
from gateway.transformer.tokens import Tokens
from tests.llm_proxy.transformer.stream import EVENTS, JSON, Notebook, context, event, events_of, exchanged, headers

HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
PROMPT = len("gpt-4ouserHello") // 4
STREAMED = {**HELLO, "stream": True}
CHUNK = {"choices": [{"index": 0, "delta": {"content": "Hi"}}], "usage": None}
LAST = {
    "choices": [],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}},
}


@pytest.mark.parametrize("duplex", [True, False])
def test_a_request_and_its_answer_pass(duplex: bool) -> None:
    answer = {"id": "x", "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    passed = exchanged(HELLO, request=context(), answer=json.dumps(answer).encode(), duplex=duplex)
    assert passed.request_json == HELLO
    assert passed.response_json == answer
    assert passed.request_headers == {"accept-encoding": "identity"}
    assert passed.settled == ("allowed", Tokens(7, 0, 2))
    assert passed.notebook.entries[0][0].model == "gpt-4o"


def test_twenty_mebibytes_pass() -> None:
    text = "x" * (19 * 2**20)
    passed = exchanged({"model": "m", "input": text}, request=context(), path="/v1/embeddings")
    assert passed.request_json["input"] == text


def test_prompts_are_masked_before_they_leave() -> None:
    body: dict[str, Any] = {
        "model": "gpt-4o",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "I am bob@example.com, call +49 30 1234567"}]},
            {"role": "tool", "tool_call_id": "call_1", "content": '{"mail": "eve@example.com"}'},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        ],
        "metadata": {"name": "carol@example.com"},
    }
    left = exchanged(body, request=context(masked=["email", "phone", "no_longer_there"])).request_json
    assert left["messages"][0]["content"][0]["text"] == "I am [email], call [phone]"
    assert left["messages"][1] == {"role": "tool", "tool_call_id": "call_1", "content": '{"mail": "[email]"}'}
    assert left["messages"][2] == body["messages"][2]
    assert left["metadata"] == {"name": "[email]"}


def test_a_stream_is_asked_for_its_figures_which_the_client_does_not_see() -> None:
    answer = [event(CHUNK), event(LAST)[:20], event(LAST)[20:] + event("[DONE]")]
    passed = exchanged(STREAMED, request=context(), answer=answer, answer_kind=EVENTS)
    assert passed.request_json["stream_options"] == {"include_usage": True}
    assert events_of(passed.response) == [{"choices": CHUNK["choices"]}, "[DONE]"]
    assert passed.settled == ("allowed", Tokens(12, 8, 3))


def test_a_client_that_asked_for_the_figures_sees_them() -> None:
    body = {**STREAMED, "stream_options": {"include_usage": True}}
    answer = [event(CHUNK), event(LAST), event("[DONE]")]
    passed = exchanged(body, request=context(), answer=answer, answer_kind=EVENTS)
    assert passed.response == b"".join(answer)


def test_every_piece_of_a_stream_goes_on_at_once() -> None:
    pieces = [event({"type": "content_block_delta", "index": n}) for n in range(3)]
    passed = exchanged(STREAMED, request=context(), path="/v1/messages", answer=pieces, answer_kind=EVENTS)
    assert passed.pieces == pieces


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        (
            [
                event(
                    {"type": "message_start", "message": {"usage": {"input_tokens": 9, "cache_read_input_tokens": 4}}}
                ),
                event({"type": "message_delta", "usage": {"output_tokens": 6}}),
            ],
            Tokens(13, 4, 6),
        ),
        (
            [
                event({"type": "response.created", "response": {"usage": None}}),
                event({"type": "response.completed", "response": {"usage": {"input_tokens": 5, "output_tokens": 2}}}),
            ],
            Tokens(5, 0, 2),
        ),
        (
            [event({"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "thoughtsTokenCount": 5}})],
            Tokens(3, 0, 9),
        ),
        ([event("[DONE]"), event("no json"), b"data"], Tokens()),
    ],
    ids=["anthropic", "responses", "gemini", "none"],
)
def test_the_last_event_of_a_stream_says_what_was_used(answer: list[bytes], tokens: Tokens) -> None:
    passed = exchanged(STREAMED, request=context(), path="/v1/messages", answer=answer, answer_kind=EVENTS)
    assert passed.settled == ("allowed", tokens)
    assert passed.response == b"".join(answer)


def test_bedrocks_binary_stream_says_what_was_used() -> None:
    payload = b'{"usage": {"inputTokens": 21, "outputTokens": 8, "cacheReadInputTokens": 2}}'
    start = pack("!II", 16 + len(payload), 0)
    message = start + pack("!I", crc32(start)) + payload
    message += pack("!I", crc32(message))
    kind = {"content-type": "application/vnd.amazon.eventstream"}
    passed = exchanged({}, request=context(), answer=[message[:9], message[9:]], answer_kind=kind)
    assert passed.settled == ("allowed", Tokens(23, 2, 8))
    assert passed.response == message


def test_a_damaged_binary_stream_passes_all_the_same() -> None:
    kind = {"content-type": "application/vnd.amazon.eventstream"}
    passed = exchanged({}, request=context(), answer=[b"\x00" * 40], answer_kind=kind)
    assert passed.response == b"\x00" * 40


def test_bedrocks_headers_say_what_was_used() -> None:
    kind = {**JSON, "x-amzn-bedrock-input-token-count": "5", "x-amzn-bedrock-output-token-count": "6"}
    assert exchanged({}, request=context(), answer_kind=kind).settled == ("allowed", Tokens(5, 0, 6))


def test_a_compressed_answer_passes_unread() -> None:
    packed = gzip.compress(b'{"usage": {"prompt_tokens": 1}}')
    passed = exchanged(HELLO, request=context(), answer=packed, answer_kind={**JSON, "content-encoding": "gzip"})
    assert passed.response == packed
    assert passed.settled == ("allowed", Tokens())


def test_a_providers_error_is_told_and_taken_down() -> None:
    passed = exchanged(HELLO, request=context(), answer=b'{"error": {"message": "no"}}', status=429)
    assert passed.response == b'{"error": {"message": "no"}}'
    assert passed.settled == ("upstream_error", Tokens())


def test_a_stream_that_breaks_off_is_taken_down_once() -> None:
    passed = exchanged(HELLO, request=context(), breaks_off=True)
    assert passed.settled == ("allowed", Tokens(input=PROMPT))


ASKED = {**STREAMED, "stream_options": {"include_usage": True}}
BEGUN = event({"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}})
WORD = event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}})


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [([event(CHUNK)] * 3, Tokens(PROMPT, 0, 3)), ([BEGUN, WORD, WORD, WORD], Tokens(9, 0, 4))],
    ids=["openai", "anthropic"],
)
def test_who_breaks_a_stream_off_has_used_what_has_passed(answer: list[bytes], tokens: Tokens) -> None:
    passed = exchanged(ASKED, request=context(), answer=answer, answer_kind=EVENTS, answer_breaks_off=True)
    assert passed.settled == ("allowed", tokens)


def test_a_stream_that_has_come_to_its_end_is_believed_though_envoy_goes_at_once() -> None:
    """Envoy ends its own stream as soon as it has the last piece, perhaps before anything is taken down."""
    notebook = Notebook()
    exchange = Exchange(Tools(notebook, {}))
    asked = headers({":method": "POST", **JSON, CONTEXT_HEADER.decode(): context().header().decode()})
    reply = headers({":status": "200", **EVENTS})
    end = b"".join([event(CHUNK)] * 4) + event(LAST) + event("[DONE]")

    async def play() -> None:
        for message in (
            ext_proc.ProcessingRequest(request_headers=asked),
            ext_proc.ProcessingRequest(request_body=ext_proc.HttpBody(body=b"{}", end_of_stream=True)),
            ext_proc.ProcessingRequest(response_headers=reply),
        ):
            assert [answer async for answer in exchange.take(message)]
        last = ext_proc.ProcessingRequest(response_body=ext_proc.HttpBody(body=end, end_of_stream=True))
        async for _ in exchange.take(last):
            break
        await exchange.close()

    asyncio.run(play())
    assert [tokens for _, _, tokens in notebook.entries] == [Tokens(12, 8, 3)]


def test_a_stream_that_does_not_say_what_it_used_is_counted_by_its_events() -> None:
    passed = exchanged(ASKED, request=context(), answer=[event(CHUNK)] * 2 + [event("[DONE]")], answer_kind=EVENTS)
    assert passed.settled == ("allowed", Tokens(PROMPT, 0, 2))


def test_limits_are_told_how_long_the_prompt_is() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 40_000}}
    words = {"type": "text", "text": "word " * 800 + "ü" * 4}
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": [words, picture]}]}
    (tokens,) = exchanged(body, request=context()).notebook.estimates
    assert 1_002 <= tokens <= 1_020, "four bytes a token, and nothing for what no person wrote"


@pytest.mark.parametrize("usage", [{"prompt_tokens": "7"}, {"prompt_tokens": True}, {"prompt_tokens": -1}, [], None, 3])
def test_figures_that_are_none_count_nothing(usage: object) -> None:
    passed = exchanged(HELLO, request=context(), answer=json.dumps({"usage": usage}).encode())
    assert passed.settled == ("allowed", Tokens())
