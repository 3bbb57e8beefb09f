"""What happens while a part is away: nothing is let through that nobody has allowed, and what can go on goes on."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import certifi
import pytest

from gateway.upstreams import upstream_at
from tests.llm_proxy.envoy.running import PATIENCE, Envoy, free_ports, proxy, require_envoy
from tests.llm_proxy.envoy.servers import AUDIENCE, ISSUER, Answer, Authorization, Keys, Server, SigningKey


class World:
    """A whole world of its own, whose parts can be taken away."""

    def __init__(self, provider_port: int, directory: Path, stack: ExitStack, **values: Any) -> None:
        self.key = SigningKey("key-1")
        self.keys = Keys([self.key])
        upstream = upstream_at(f"http://127.0.0.1:{provider_port}")
        self.authorization = Authorization(upstream.name)
        self.jwks = stack.enter_context(Server(self.keys))
        self.authz = stack.enter_context(Server(self.authorization))
        made = proxy(
            issuer=ISSUER,
            audiences=[AUDIENCE],
            jwks=f"{self.jwks.url}/.well-known/jwks.json",
            authz=self.authz.url,
            upstreams=[upstream],
            authorities=certifi.where(),
            jwks_seconds=1,
            **values,
        )
        self.envoy = stack.enter_context(Envoy(made.bootstrap(), directory))

    def ask(self, token: str | None = None) -> Any:
        return self.envoy.send("POST", "/echo", "{}", x_gatehouse_llm_auth=token or self.key.token())

    def wait_until_fetched(self, times: int = 1) -> None:
        """Return when Envoy has asked for the keys so many times more; the request before has been answered then."""
        enough = len(self.jwks.asked) + times
        eventually(lambda: len(self.jwks.asked) >= enough)

    def wait_until_asked(self, times: int) -> None:
        """Return when the authorization service was asked so many times more."""
        enough = len(self.authz.asked) + times
        eventually(lambda: len(self.authz.asked) >= enough)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def restarted(server: Server) -> Iterator[None]:
    """Take a server away; it comes back on the same port afterwards."""
    server.__exit__()
    try:
        yield
    finally:
        server.__enter__()


@pytest.fixture
def world(provider_port: int, tmp_path: Path) -> Iterator[World]:
    require_envoy()
    with ExitStack() as stack:
        yield World(provider_port, tmp_path, stack)


def test_without_the_authorization_service_nothing_passes(world: World) -> None:
    assert world.ask().status == 200
    with restarted(world.authz):
        reply = world.ask()
        assert (reply.status, reply.json["code"]) == (503, "unavailable")
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.headers["retry-after"] == "1"
        assert reply.headers["x-gatehouse-denial"] == "unavailable"
    eventually(lambda: world.ask().status == 200)


@pytest.mark.parametrize("status", [301, 500, 502, 599])
def test_an_authorization_service_that_answers_strangely_lets_nothing_through(world: World, status: int) -> None:
    world.authz.answer = lambda asked: Answer(status, (("location", "http://elsewhere.test/"),), b"<html>")
    assert world.ask().status in {301, 503}
    if status >= 500:
        assert world.ask().json["code"] == "unavailable"


def test_an_authorization_service_that_says_nothing_chooses_nothing(world: World) -> None:
    """An empty 200, such as some other server's, has no upstream: nothing is injected, nothing leaves."""
    world.authz.answer = lambda asked: Answer(200)
    reply = world.ask()
    assert (reply.status, reply.json["code"]) == (503, "upstream_unknown")


def test_an_authorization_service_that_hangs_is_given_up(provider_port: int, tmp_path: Path) -> None:
    released = threading.Event()

    def hang(asked: Any) -> Answer:
        released.wait(PATIENCE)
        return Answer(200)

    with ExitStack() as stack:
        world = World(provider_port, tmp_path, stack, authz_seconds=0.2)
        stack.callback(released.set)
        world.authz.answer = hang
        reply = world.ask()
    assert (reply.status, reply.json["code"]) == (503, "unavailable")


def test_known_keys_go_on_while_the_portal_is_away(world: World) -> None:
    """Longer than keys are remembered: they are asked for again and again, and used meanwhile."""
    failed = "http.llm.jwt_authn.jwks_fetch_failed"
    assert world.ask().status == 200
    with restarted(world.jwks):
        before = world.envoy.counter(failed)
        world.envoy.wait_for(failed, before + 3)
        assert world.ask().status == 200
        assert world.ask(SigningKey("key-2").token()).status == 401


def test_before_any_key_is_known_nothing_passes_and_the_answer_says_why(provider_port: int, tmp_path: Path) -> None:
    with ExitStack() as stack:
        world = World(provider_port, tmp_path, stack)
        made = proxy(
            issuer=ISSUER,
            audiences=[AUDIENCE],
            jwks=f"http://127.0.0.1:{free_ports(1)[0]}/.well-known/jwks.json",
            authz=world.authz.url,
            upstreams=[upstream_at(f"http://127.0.0.1:{provider_port}")],
            authorities=certifi.where(),
        )
        envoy = stack.enter_context(Envoy(made.bootstrap(), tmp_path))
        reply = envoy.send("POST", "/echo", "{}", x_gatehouse_llm_auth=world.key.token())
        assert (reply.status, reply.json["code"]) == (503, "unavailable")
        assert "/.well-known/jwks.json" in reply.json["detail"]
        assert not world.authz.asked


@pytest.mark.parametrize("body", [b"", b"{}", b'{"keys": []}', b"<html>", b'{"keys": [{"kty": "OKP"}]}'])
def test_a_broken_document_of_keys_changes_nothing(world: World, body: bytes) -> None:
    assert world.ask().status == 200
    world.jwks.answer = lambda asked: Answer(200, (), body)
    world.wait_until_fetched(2)
    assert world.ask().status == 200


def test_a_provider_that_is_away_is_told_as_such(world: World) -> None:
    (port,) = free_ports(1)
    world.authorization.upstream = f"127.0.0.1:{port}"
    assert world.ask().json["code"] == "upstream_unknown"


# --- Keys that change -------------------------------------------------------------------------------


def test_keys_are_rotated_under_load_without_one_failed_request(world: World) -> None:
    """Published longer than keys are remembered before one signs, withdrawn after the last token has ended."""
    signing = [world.key]
    failed: list[Any] = []
    served = itertools.count()
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            reply = world.ask(signing[0].token())
            next(served)
            if reply.status != 200:
                failed.append(reply)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(2, 5):
            following = SigningKey(f"key-{number}")
            world.keys.published = [signing[0], following]
            world.wait_until_fetched(2)  # the second time the answer to the first has been taken in
            signing[0] = following
            world.wait_until_asked(20)
            world.keys.published = [following]
            world.wait_until_fetched(2)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed, failed[0]
    assert next(served) > 100


def test_a_withdrawn_key_signs_nothing_that_is_accepted(world: World) -> None:
    assert world.ask().status == 200
    world.keys.published = [SigningKey("key-2")]
    world.wait_until_fetched(2)
    assert world.ask(world.key.token()).status == 401
