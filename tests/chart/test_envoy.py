"""The configuration that the chart makes: the same as the command's, and one that Envoy starts with."""

import json
from pathlib import Path
from typing import Any

import certifi
import pytest

from gateway.envoy import HttpProxy, Pair, Proxy
from gateway.hotpath.denials import denied
from gateway.upstreams import OWN, upstream_at
from tests.chart.charts import EVERYTHING, NEEDED, envoy
from tests.llm_proxy.envoy.running import Envoy, free_ports, provider, require_envoy, send
from tests.llm_proxy.envoy.servers import (
    AUDIENCE,
    ISSUER,
    SECRET,
    Answer,
    Asked,
    Authorization,
    Keys,
    Server,
    SigningKey,
)
from tests.llm_proxy.envoy.test_transformer import Deciding, Transformer

SYSTEM = "/etc/ssl/certs/ca-certificates.crt"


def sorted_by_name(bootstrap: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration whose upstreams stand in one order; each route is for one of them alone."""
    resources = bootstrap["static_resources"]
    resources["clusters"].sort(key=lambda one: one["name"])
    resources["listeners"].sort(key=lambda one: one["name"])
    for listener in resources["listeners"]:
        config = listener["filter_chains"][0]["filters"][0]["typed_config"]
        if "route_config" in config:
            routes = config["route_config"]["virtual_hosts"][0]["routes"]
            assert "direct_response" in routes[-1]
            routes[:-1] = sorted(routes[:-1], key=lambda one: json.dumps(one, sort_keys=True))
    return dict(json.loads(json.dumps(bootstrap)))


def own(**values: Any) -> dict[str, Any]:
    upstreams = [*OWN.values(), *values.pop("more", [])]
    made = Proxy(
        **{
            "issuer": "https://portal.example.com",
            "audiences": ["gatehouse-llm"],
            "jwks": "https://portal.example.com/.well-known/jwks.json",
            "authz": "https://gateway.example.com",
            "upstreams": [upstream_at(url) for url in upstreams],
            "authorities": SYSTEM,
            "host": "0.0.0.0",  # noqa: S104 - in a pod
            **values,
        }
    )
    return sorted_by_name(made.bootstrap())


def test_the_chart_makes_what_the_command_makes() -> None:
    assert sorted_by_name(envoy(NEEDED)) == own()


def test_the_chart_makes_what_the_command_makes_of_everything() -> None:
    values = EVERYTHING | {"extAuthz": {"serviceUrl": "https://gateway.example.com/inside"}}
    assert sorted_by_name(envoy(values)) == own(
        authz="https://gateway.example.com/inside",
        more=["https://llm.example.com/v1", "http://10.0.0.5:8000"],
        transformer="http://127.0.0.1:10001",
        http_proxy=HttpProxy("proxy.example.com", 3128, ["10.0.0.5"]),
        requests_per_minute=600,
        trusted_hops=1,
        authorities="/etc/gatehouse/authorities/ca.crt",
        gatehouse_authorities="/etc/gatehouse/gatehouse-authorities/ca.crt",
        client=Pair("/etc/gatehouse/client/tls.crt", "/etc/gatehouse/client/tls.key"),
        listener=Pair("/etc/gatehouse/listener/tls.crt", "/etc/gatehouse/listener/tls.key"),
    )


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ({"apiKeys": False}, {"takes_api_keys": False}),
        ({"jwksCacheSeconds": 60}, {"jwks_seconds": 60}),
        ({"port": 8443}, {"port": 8443}),
        ({"upstreams": ["http://[fd00::5]:8000/base/v1"]}, {"more": ["http://[fd00::5]:8000/base/v1"]}),
        (
            {"transformer": {"enabled": True, "serviceUrl": "https://transformer.example.com:8443"}},
            {"transformer": "https://transformer.example.com:8443"},
        ),
    ],
)
def test_each_value_has_its_option(values: dict[str, Any], options: dict[str, Any]) -> None:
    assert sorted_by_name(envoy(NEEDED | values)) == own(**options)


# --- Started ------------------------------------------------------------------------------------------


def at(bootstrap: dict[str, Any]) -> dict[str, Any]:
    """Return a pod's configuration for this machine: other ports, and its own authorities."""
    port, admin_port = free_ports(2)
    text = json.dumps(bootstrap).replace(SYSTEM, certifi.where())
    made: dict[str, Any] = json.loads(text)
    place = {"address": "127.0.0.1", "port_value": port}
    made["static_resources"]["listeners"][0]["address"]["socket_address"] = place
    made["admin"]["address"]["socket_address"]["port_value"] = admin_port
    return made


NOBODY = {"providers": {"openai": None, "anthropic": None, "mistral": None}}


def test_a_request_passes_the_charts_envoy(tmp_path: Path) -> None:
    require_envoy()
    key = SigningKey("key-1")
    with provider() as port, Server(Keys([key])) as jwks:
        upstream = f"http://127.0.0.1:{port}"
        with Server(Authorization(upstream_at(upstream).name)) as authz:
            values = NOBODY | {
                "issuer": ISSUER,
                "audiences": [AUDIENCE],
                "jwksUri": jwks.url,
                "extAuthz": {"serviceUrl": authz.url},
                "upstreams": [upstream],
            }
            with Envoy(at(envoy(values)), tmp_path) as running:
                assert running.send("GET", "/healthz").status == 200
                assert running.send("POST", "/echo", "{}").status == 401
                headers = {"x_gatehouse_llm_auth": key.token(), "x_api_key": "sk-mine", "cookie": "a=b"}
                reply = running.send("POST", "/echo", "{}", **headers)
    assert reply.status == 200
    assert reply.json["headers"]["authorization"] == f"Bearer {SECRET}"
    assert not ({"x-api-key", "cookie", "x-gatehouse-llm-auth"} & reply.json["headers"].keys())
    assert "x-envoy-upstream-service-time" not in reply.headers


def test_an_authorization_service_of_ones_own_may_read_bodies(tmp_path: Path) -> None:
    """One address for everything, keys in the values, and a body of two megabytes."""
    require_envoy()
    key = SigningKey("key-1")

    def decide(asked: Asked) -> Answer:
        return Answer(200, (("x-of-mine", str(len(asked.body))),)) if asked.body else Answer(403)

    with provider() as port, Server(decide) as authz:
        values = {
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "jwksJson": json.dumps({"keys": [key.jwk()]}),
            "extAuthz": {
                "serviceUrl": authz.url,
                "sendBody": {"enabled": True},
                "headers": {"told": ["X-Mine"], "injected": ["X-Of-Mine"]},
            },
            "upstream": f"http://127.0.0.1:{port}",
        }
        with Envoy(at(envoy(values)), tmp_path) as running:
            body = b"x" * 2 * 1024 * 1024
            reply = running.send("POST", "/echo", body, x_gatehouse_llm_auth=key.token(), x_mine="yes")
            too_large = running.send("POST", "/echo", b"x" * 21 * 1024 * 1024, x_gatehouse_llm_auth=key.token())
    assert reply.status == 200
    assert (reply.json["bytes"], reply.json["headers"]["x-of-mine"]) == (len(body), str(len(body)))
    assert authz.asked[0].headers["x-mine"] == "yes"
    assert (too_large.status, too_large.json["code"]) == (413, "too_large")


def test_without_authorization_a_token_is_still_needed(tmp_path: Path) -> None:
    require_envoy()
    key = SigningKey("key-1")
    with provider() as port, Server(Keys([key])) as jwks:
        values = {
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "jwksUri": jwks.url,
            "extAuthz": {"enabled": False},
            "upstream": f"http://127.0.0.1:{port}",
        }
        with Envoy(at(envoy(values)), tmp_path) as running:
            assert running.send("GET", "/echo", authorization="Bearer gatesk_prj_prod_abc").status == 401
            reply = running.send("GET", "/echo", x_gatehouse_llm_auth=key.token())
    assert reply.status == 200
    assert "x-gatehouse-llm-auth" not in reply.json["headers"]


def single(key: SigningKey, authz: Server, provider_port: int, transformer_port: int) -> dict[str, Any]:
    """Return values with one address for everything, and a transformer."""
    return {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "jwksJson": json.dumps({"keys": [key.jwk()]}),
        "extAuthz": {"serviceUrl": authz.url},
        "upstream": f"http://127.0.0.1:{provider_port}",
        "transformer": {"enabled": True, "serviceUrl": f"http://127.0.0.1:{transformer_port}"},
    }


def test_with_one_address_refusals_do_not_wait_for_the_transformer(tmp_path: Path) -> None:
    """It is away: who may not pass hears why, and nobody else passes."""
    require_envoy()
    key = SigningKey("key-1")
    (nobody,) = free_ports(1)
    with provider() as port:
        authorization = Authorization(upstream_at(f"http://127.0.0.1:{port}").name)
        with Server(authorization) as authz, Envoy(at(envoy(single(key, authz, port, nobody))), tmp_path) as running:
            assert running.send("GET", "/healthz").status == 200
            without = running.send("POST", "/echo", "{}")
            good = running.send("POST", "/echo", "{}", x_gatehouse_llm_auth=key.token())
            authorization.refusal = denied("model_not_allowed")
            refused = running.send("POST", "/echo", "{}", x_gatehouse_llm_auth=key.token())
    assert (without.status, without.json["code"]) == (401, "token_invalid")
    assert (refused.status, refused.json["code"]) == (403, "model_not_allowed")
    assert (good.status, good.json["code"]) == (503, "unavailable")


def test_with_one_address_the_transformer_sees_bodies_of_every_size(tmp_path: Path) -> None:
    require_envoy()
    key = SigningKey("key-1")
    (transformer_port,) = free_ports(1)
    transformer = Transformer(transformer_port)
    with provider() as port, transformer.running():
        authorization = Deciding(upstream_at(f"http://127.0.0.1:{port}").name)
        authorization.said = {"provider": "openai", "allowed_models": ["fake-1"]}
        with (
            Server(authorization) as authz,
            Envoy(at(envoy(single(key, authz, port, transformer_port))), tmp_path) as running,
        ):
            headers = {"x_gatehouse_llm_auth": key.token(), "content_type": "application/json"}
            large = json.dumps({"model": "fake-1", "text": "x" * 12_000_000}, separators=(",", ":"))
            echo = running.send("POST", "/echo", large, **headers)
            stream = {"model": "fake-1", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
            streamed = running.send("POST", "/v1/chat/completions", json.dumps(stream), **headers)
            refused = running.send("POST", "/echo", json.dumps({"model": "other"}), **headers)
    assert (echo.status, echo.json["bytes"]) == (200, len(large))
    assert streamed.body.endswith(b"data: [DONE]\n\n")
    assert (refused.status, refused.json["code"]) == (403, "model_not_allowed")
    assert [outcome for _, outcome, _ in transformer.notebook.entries] == ["allowed", "allowed", "model_not_allowed"]


def test_everything_at_once_is_a_configuration_that_envoy_takes(tmp_path: Path) -> None:
    require_envoy()
    values = EVERYTHING | {"tls": {}}
    with Envoy(at(envoy(values)), tmp_path) as running:
        assert send(running.port, "GET", "/healthz").status == 200
