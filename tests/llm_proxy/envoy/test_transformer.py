"""The transformer behind a real Envoy: bodies of every size, streams, refusals, and its own outage."""

import asyncio
import contextlib
import gc
import hashlib
import http.client
import json
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import certifi
import pytest

from gateway.hotpath.proxy_request import ProxyRequest
from gateway.transformer.config import Config
from gateway.transformer.exchange import Tools
from gateway.transformer.mappings.registry import mappings_by_name
from gateway.transformer.server import server
from gateway.upstreams import upstream_at
from tests.llm_proxy.envoy.running import PATIENCE, Envoy, free_ports, proxy, require_envoy
from tests.llm_proxy.envoy.servers import (
    AUDIENCE,
    ISSUER,
    ORGANIZATION,
    PROJECT,
    Answer,
    Asked,
    Authorization,
    Keys,
    Server,
    SigningKey,
)
from tests.llm_proxy.transformer.stream import Notebook


class Transformer:
    """Gatehouse's transformer on a port, with a notebook for what it takes down."""

    def __init__(self, port: int) -> None:
        self.notebook = Notebook()
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._started, self._ended = threading.Event(), asyncio.Event()

    async def _serve(self) -> None:
        here = Config(f"127.0.0.1:{self._port}", "", "", None, 20 * 1024 * 1024, None, None, None)
        serving, _ = server(here, Tools(self.notebook, mappings_by_name(None)))
        await serving.start()
        self._started.set()
        await self._ended.wait()
        await serving.stop(0)

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        thread.start()
        assert self._started.wait(PATIENCE)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._ended.set)
            thread.join()
            self._loop.close()
            del self._loop, self._ended
            with warnings.catch_warnings():
                # grpc.aio leaves the sockets open by which it woke the loop; a later test would be blamed.
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()


class Deciding(Authorization):
    """Lets through, and says to the transformer what a test wants."""

    said: dict[str, Any]

    def __call__(self, asked: Asked) -> Answer:
        answer = super().__call__(asked)
        context = ProxyRequest(asked.headers["x-request-id"], ORGANIZATION, PROJECT, **self.said).header().decode()
        kept = tuple(pair for pair in answer.headers if pair[0] != "x-gatehouse-context")
        return Answer(
            answer.status, (*kept, ("x-gatehouse-context", context)) if answer.status == 200 else answer.headers
        )


class World:
    def __init__(self, provider_port: int, directory: Path, stack: ExitStack) -> None:
        self.key = SigningKey("key-1")
        upstream = upstream_at(f"http://127.0.0.1:{provider_port}")
        self.authorization = Deciding(upstream.name)
        self.authorization.said = {"provider": "openai", "model": "fake-1"}
        jwks = stack.enter_context(Server(Keys([self.key])))
        self.authz = stack.enter_context(Server(self.authorization))
        (port,) = free_ports(1)
        self.transformer = Transformer(port)
        made = proxy(
            issuer=ISSUER,
            audiences=[AUDIENCE],
            jwks=jwks.url,
            authz=self.authz.url,
            upstreams=[upstream],
            authorities=certifi.where(),
            transformer=f"http://127.0.0.1:{port}",
        )
        self.envoy = stack.enter_context(Envoy(made.bootstrap(), directory))

    def ask(self, path: str, body: Any, **headers: str) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"x_gatehouse_llm_auth": self.key.token(), "content_type": "application/json"} | headers
        return self.envoy.send("POST", path, raw, **sent)


@pytest.fixture
def world(provider_port: int, tmp_path: Path) -> Iterator[World]:
    require_envoy()
    with ExitStack() as stack:
        yield World(provider_port, tmp_path, stack)


def question(**more: Any) -> dict[str, Any]:
    return {"model": "fake-1", "messages": [{"role": "user", "content": "one two three"}], **more}


def settled(world: World) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not world.transformer.notebook.entries:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return world.transformer.notebook.entries[0]


def test_a_completion_passes_and_is_counted(world: World) -> None:
    with world.transformer.running():
        reply = world.ask("/v1/chat/completions", question())
        assert reply.status == 200, reply.body
        assert reply.json["choices"][0]["message"]["content"] == "You said: one two three"
        _, outcome, tokens = settled(world)
    assert (outcome, tokens.input, tokens.output) == ("allowed", 3, 5)


def test_a_stream_passes_word_by_word_and_is_counted(world: World) -> None:
    with world.transformer.running():
        connection = http.client.HTTPConnection("127.0.0.1", world.envoy.port, timeout=PATIENCE)
        headers = {"x-gatehouse-llm-auth": world.key.token(), "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(question(stream=True)), headers)
        with contextlib.closing(connection), connection.getresponse() as response:
            assert response.status == 200
            moments = [time.monotonic() for line in response if line.startswith(b"data: {")]
        _, outcome, tokens = settled(world)
    assert moments[-1] - moments[0] > 0.15
    assert (outcome, tokens.input, tokens.output) == ("allowed", 3, 5)


def test_a_request_in_openais_words_reaches_anthropics_api(world: World) -> None:
    world.authorization.said = {"provider": "anthropic", "model": "fake-1", "mapping": "anthropic"}
    world.authorization.credential = ("x-api-key", "sk-ant")
    with world.transformer.running():
        reply = world.ask("/v1/chat/completions", question(max_tokens=50))
    assert reply.status == 200, reply.body
    assert reply.json["object"] == "chat.completion"
    assert reply.json["choices"][0]["message"]["content"] == "You said: one two three"
    assert world.authz.asked[0].path == "/check/v1/chat/completions"


def test_almost_twenty_megabytes_pass(world: World) -> None:
    image = "a" * (19 * 1024 * 1024)
    content = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}]
    with world.transformer.running():
        body = json.dumps({"model": "fake-1", "messages": [{"role": "user", "content": content}]}).encode()
        reply = world.ask("/echo/v1/chat/completions", body)
    assert reply.status == 200, reply.body[:200]
    assert reply.json["bytes"] >= len(image)
    assert hashlib.sha256(body).hexdigest() == reply.json["sha256"] or reply.json["bytes"] != len(body)


@pytest.mark.parametrize(
    ("said", "body", "status", "code"),
    [
        ({"allowed_models": ["gpt-*"]}, question(), 403, "model_not_allowed"),
        ({}, b"x" * (21 * 1024 * 1024), 413, "body_too_large"),
    ],
)
def test_a_refusal_of_the_transformers_arrives_whole(
    world: World, said: dict[str, Any], body: Any, status: int, code: str
) -> None:
    world.authorization.said = {"provider": "openai", **said}
    with world.transformer.running():
        reply = world.ask("/v1/chat/completions", body)
    assert (reply.status, reply.json["code"]) == (status, code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-gatehouse-denial"] == code


def test_without_the_transformer_nothing_leaves_and_refusals_do_not_wait_for_it(world: World) -> None:
    assert world.envoy.send("GET", "/healthz").status == 200
    assert world.envoy.send("POST", "/v1/chat/completions", "{}").status == 401
    reply = world.ask("/v1/chat/completions", question())
    assert (reply.status, reply.json["code"]) == (503, "unavailable")
    assert "transformer" in reply.json["detail"]


def test_what_a_client_says_to_the_transformer_is_not_heard(world: World) -> None:
    forged = ProxyRequest("forged", "somebody-else", PROJECT).header().decode()
    with world.transformer.running():
        assert world.ask("/v1/chat/completions", question(), x_gatehouse_context=forged).status == 200
        request, _, _ = settled(world)
    assert request.organization_id == ORGANIZATION
