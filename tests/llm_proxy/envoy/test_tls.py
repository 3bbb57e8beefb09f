"""Whom Envoy believes to be who they say: an authority's word is not enough, the certificate has to be for the name."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.envoy import HttpProxy, Pair, Proxy
from gateway.upstreams import upstream_at
from tests.llm_proxy.envoy.connect import ConnectProxy
from tests.llm_proxy.envoy.running import Envoy, proxy, require_envoy
from tests.llm_proxy.envoy.servers import AUDIENCE, ISSUER, Answer, Asked, Authorization, Keys, Server, SigningKey
from tests.outbound.authority import Authority

NAMES = {"right": "127.0.0.1", "another": "127.0.0.9"}


def as_provider(asked: Asked) -> Answer:
    return Answer(200, (), asked.headers["host"].encode())


class World:
    """Everything over TLS; each server can be told to show another certificate."""

    def __init__(self, stack: ExitStack, directory: Path, **shown: ssl.SSLContext) -> None:
        self.key = SigningKey("key-1")
        self.authority = Authority(directory)
        right = self.authority.server(NAMES["right"])
        self.provider = stack.enter_context(Server(as_provider, shown.get("provider", right)))
        self.jwks = stack.enter_context(Server(Keys([self.key]), shown.get("jwks", right)))
        self.upstream = upstream_at(self.provider.url)
        self.authz = stack.enter_context(Server(Authorization(self.upstream.name), shown.get("authz", right)))
        self.proxy = proxy(
            issuer=ISSUER,
            audiences=[AUDIENCE],
            jwks=f"{self.jwks.url}/.well-known/jwks.json",
            authz=self.authz.url,
            upstreams=[self.upstream],
            authorities=str(self.authority.file),
        )

    def ask(self, directory: Path, made: Proxy | None = None) -> Any:
        with Envoy((made or self.proxy).bootstrap(), directory) as envoy:
            return envoy.send("POST", "/v1/models", "{}", x_gatehouse_llm_auth=self.key.token())


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    require_envoy()
    with ExitStack() as opened:
        yield opened


def test_everything_over_tls(stack: ExitStack, tmp_path: Path) -> None:
    world = World(stack, tmp_path)
    reply = world.ask(tmp_path)
    assert (reply.status, reply.body.decode()) == (200, world.upstream.name)
    assert world.authz.asked
    assert world.jwks.asked


@pytest.mark.parametrize("certificate", ["of another name", "of another authority", "expired"])
@pytest.mark.parametrize(
    ("server", "code"), [("provider", "upstream_unavailable"), ("jwks", "unavailable"), ("authz", "unavailable")]
)
def test_a_server_that_is_not_who_it_should_be_gets_nothing(
    stack: ExitStack, tmp_path: Path, server: str, code: str, certificate: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    world = World(stack, tmp_path)
    other = Authority(elsewhere)
    shown = {
        "of another name": lambda: world.authority.server(NAMES["another"], "evil.test"),
        "of another authority": lambda: other.server(NAMES["right"]),
        "expired": lambda: world.authority.server(NAMES["right"], expired=True),
    }[certificate]()
    getattr(world, server).show(shown)
    reply = world.ask(tmp_path)
    assert (reply.status, reply.json["code"]) == (503, code)
    assert not getattr(world, server).asked


def test_a_server_without_tls_is_not_spoken_to(stack: ExitStack, tmp_path: Path) -> None:
    world = World(stack, tmp_path)
    world.authz.show(None)
    reply = world.ask(tmp_path)
    assert (reply.status, reply.json["code"]) == (503, "unavailable")
    assert not world.authz.asked


def pair(authority: Authority, directory: Path, name: str) -> Pair:
    certificate, private = authority.issue(name)
    (directory / f"{name}.crt").write_text(certificate)
    (directory / f"{name}.key").write_text(private)
    return Pair(str(directory / f"{name}.crt"), str(directory / f"{name}.key"))


def test_the_authorization_service_may_ask_for_a_certificate(stack: ExitStack, tmp_path: Path) -> None:
    world = World(stack, tmp_path)
    context = world.authority.server(NAMES["right"])
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(world.authority.file)
    world.authz.show(context)
    assert world.ask(tmp_path).json["code"] == "unavailable"
    client = pair(world.authority, tmp_path, "envoy.test")
    assert world.ask(tmp_path, replace(world.proxy, client=client)).status == 200


def test_clients_may_speak_tls(stack: ExitStack, tmp_path: Path) -> None:
    world = World(stack, tmp_path)
    made = replace(world.proxy, listener=pair(world.authority, tmp_path, "127.0.0.1"))
    with Envoy(made.bootstrap(), tmp_path) as envoy:
        reply = envoy.send_over_tls(
            ssl.create_default_context(cafile=world.authority.file),
            "/v1/models",
            x_gatehouse_llm_auth=world.key.token(),
        )
    assert reply.status == 200


# --- Hosts of regions, and what stands between ----------------------------------------------------------


@pytest.mark.parametrize(("name", "status"), [("localhost", 200), ("localhost.evil.test", 503)])
def test_a_region_is_looked_up_by_its_name_and_proves_it(
    stack: ExitStack, tmp_path: Path, name: str, status: int
) -> None:
    world = World(stack, tmp_path)
    world.provider.show(world.authority.server(name))
    host = f"localhost:{world.provider.port}"
    world.authz.answer = Authorization(host)
    reply = world.ask(tmp_path, replace(world.proxy, patterns={"here": r"localhost:\d+"}))
    assert reply.status == status
    assert [asked.headers["host"] for asked in world.provider.asked] == ([host] if status == 200 else [])


def test_a_region_is_reached_through_an_http_proxy_by_its_name(stack: ExitStack, tmp_path: Path) -> None:
    """Azure, Bedrock and Vertex have a host for each region: the pattern decides, the certificate proves."""
    world = World(stack, tmp_path)
    host = "acme-1.openai.azure.com"
    world.provider.show(world.authority.server(host))
    world.authz.answer = Authorization(host)
    tunnel = stack.enter_context(ConnectProxy({f"{host}:443": world.provider.port}))
    made = replace(world.proxy, http_proxy=HttpProxy("127.0.0.1", tunnel.port, without=["127.0.0.1"]))
    reply = world.ask(tmp_path, made)
    assert (reply.status, reply.body.decode()) == (200, host)
    assert tunnel.asked == [f"{host}:443"]
    assert not [name for name in world.provider.asked[0].headers if name.startswith("x-gatehouse-")]


def test_a_region_whose_certificate_is_anothers_gets_nothing(stack: ExitStack, tmp_path: Path) -> None:
    world = World(stack, tmp_path)
    host = "acme-1.openai.azure.com"
    world.provider.show(world.authority.server("acme-2.openai.azure.com"))
    world.authz.answer = Authorization(host)
    tunnel = stack.enter_context(ConnectProxy({f"{host}:443": world.provider.port}))
    made = replace(world.proxy, http_proxy=HttpProxy("127.0.0.1", tunnel.port))
    assert world.ask(tmp_path, made).json["code"] == "upstream_unavailable"
    assert not world.provider.asked


@pytest.mark.parametrize("direct", [False, True])
def test_an_upstream_is_reached_through_an_http_proxy(stack: ExitStack, tmp_path: Path, direct: bool) -> None:
    world = World(stack, tmp_path)
    tunnel = stack.enter_context(ConnectProxy({world.upstream.name: world.provider.port}))
    without = [world.upstream.host] if direct else []
    made = replace(world.proxy, http_proxy=HttpProxy("127.0.0.1", tunnel.port, without))
    assert world.ask(tmp_path, made).status == 200
    assert tunnel.asked == ([] if direct else [world.upstream.name])


def test_a_region_that_fits_no_pattern_is_reached_by_nothing(stack: ExitStack, tmp_path: Path) -> None:
    world = World(stack, tmp_path)
    tunnel = stack.enter_context(ConnectProxy({}))
    made = replace(world.proxy, http_proxy=HttpProxy("127.0.0.1", tunnel.port))
    for host in ("openai.azure.com.evil.test", "evil.test", "x.openai.azure.com:8443", "x.OPENAI.azure.com"):
        world.authz.answer = Authorization(host)
        assert world.ask(tmp_path, made).json["code"] == "upstream_unknown"
    assert not tunnel.asked
