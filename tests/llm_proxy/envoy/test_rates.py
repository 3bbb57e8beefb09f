"""So many requests of one organization, in each Envoy, before anybody is asked about them."""

from pathlib import Path

import certifi

from gateway.upstreams import upstream_at
from tests.llm_proxy.envoy.running import Envoy, proxy
from tests.llm_proxy.envoy.servers import AUDIENCE, ISSUER, Authorization, Keys, Server, SigningKey


def test_one_organization_takes_nothing_from_another(provider_port: int, tmp_path: Path) -> None:
    key = SigningKey("key-1")
    upstream = upstream_at(f"http://127.0.0.1:{provider_port}")
    with Server(Keys([key])) as jwks, Server(Authorization(upstream.name)) as authz:
        made = proxy(
            issuer=ISSUER,
            audiences=[AUDIENCE],
            jwks=jwks.url,
            authz=authz.url,
            upstreams=[upstream],
            authorities=certifi.where(),
            requests_per_minute=3,
        )
        with Envoy(made.bootstrap(), tmp_path) as envoy:

            def ask(organization: str) -> int:
                return envoy.send("GET", "/echo", x_gatehouse_llm_auth=key.token(organization_id=organization)).status

            assert [ask("acme") for _ in range(4)] == [200, 200, 200, 429]
            assert [ask("globex") for _ in range(4)] == [200, 200, 200, 429]
            assert len(authz.asked) == 6
            refused = envoy.send("GET", "/echo", x_gatehouse_llm_auth=key.token(organization_id="acme"))
    assert refused.json["code"] == refused.headers["x-gatehouse-denial"] == "rate_limited"
    assert refused.headers["retry-after"]
