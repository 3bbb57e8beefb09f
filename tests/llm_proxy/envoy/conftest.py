"""One Envoy between tokens, an authorization service and a provider, for all tests of this directory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import certifi
import pytest

from gateway.upstreams import upstream_at
from tests.llm_proxy.envoy.running import Envoy, provider, proxy, require_envoy
from tests.llm_proxy.envoy.servers import AUDIENCE, ISSUER, Authorization, Keys, Server, SigningKey


@dataclass
class Stage:
    """What takes part."""

    envoy: Envoy
    key: SigningKey
    keys: Keys
    jwks: Server
    authorization: Authorization
    authz: Server
    provider: int


@pytest.fixture(scope="session")
def provider_port() -> Iterator[int]:
    require_envoy()
    with provider() as port:
        yield port


@pytest.fixture(scope="session")
def standing(provider_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    key = SigningKey("key-1")
    keys = Keys([key])
    upstream = upstream_at(f"http://127.0.0.1:{provider_port}")
    authorization = Authorization(upstream.name)
    with Server(keys) as jwks, Server(authorization) as authz:
        made = proxy(
            issuer=ISSUER,
            audiences=[AUDIENCE],
            jwks=f"{jwks.url}/.well-known/jwks.json",
            authz=authz.url,
            upstreams=[upstream],
            authorities=certifi.where(),
        )
        with Envoy(made.bootstrap(), Path(tmp_path_factory.mktemp("envoy"))) as envoy:
            yield Stage(envoy, key, keys, jwks, authorization, authz, provider_port)


@pytest.fixture
def stage(standing: Stage) -> Iterator[Stage]:
    """Yield the stage as it was at first; a test changes what it needs."""
    before = dict(vars(standing.authorization))
    standing.authz.asked.clear()
    yield standing
    vars(standing.authorization).update(before)
