"""How a client's path becomes the provider's."""

from pathlib import Path

import certifi
import pytest

from gateway.upstreams import upstream_at
from tests.llm_proxy.envoy.running import Envoy, proxy
from tests.llm_proxy.envoy.servers import AUDIENCE, ISSUER, Authorization, Keys, Server, SigningKey


@pytest.mark.parametrize(
    ("base", "path", "arrives"),
    [
        ("", "/echo/v1/models?a=b", "/echo/v1/models?a=b"),
        ("/echo", "/v1/chat/completions", "/echo/v1/chat/completions"),
        ("/echo/openai/v1", "/v1/chat/completions", "/echo/openai/v1/chat/completions"),
        ("/echo/v1", "/v1/models?limit=1", "/echo/v1/models?limit=1"),
        ("/echo/v1", "/chat/completions", "/echo/v1/chat/completions"),
        ("/echo/v1", "/v1beta/models", "/echo/v1/v1beta/models"),
    ],
)
def test_the_path_at_the_provider(provider_port: int, tmp_path: Path, base: str, path: str, arrives: str) -> None:
    key = SigningKey("key-1")
    upstream = upstream_at(f"http://127.0.0.1:{provider_port}{base}")
    with Server(Keys([key])) as jwks, Server(Authorization(upstream.name)) as authz:
        made = proxy(
            issuer=ISSUER,
            audiences=[AUDIENCE],
            jwks=jwks.url,
            authz=authz.url,
            upstreams=[upstream],
            authorities=certifi.where(),
        )
        with Envoy(made.bootstrap(), tmp_path) as envoy:
            arrived = envoy.send("GET", path, x_gatehouse_llm_auth=key.token()).json
    assert f"{arrived['path']}{'?' if arrived['query'] else ''}{arrived['query']}" == arrives
    assert arrived["headers"]["host"] == f"127.0.0.1:{provider_port}"
