"""Streams pass as they come: no filter waits for the end of an answer."""

import contextlib
import http.client
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.llm_proxy.envoy.conftest import Stage
from tests.llm_proxy.envoy.running import PATIENCE, Envoy, free_ports
from tests.llm_proxy.envoy.servers import SECRET

ROUNDS = 60
BODY = json.dumps({"model": "fake-1", "stream": True, "messages": [{"role": "user", "content": "one two three"}]})


@contextlib.contextmanager
def asked(port: int, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", "/v1/chat/completions", BODY, headers)
        yield connection.getresponse()
    finally:
        connection.close()


def plain(stage: Stage) -> dict[str, Any]:
    """Return an Envoy that only passes on."""
    port, admin_port = free_ports(2)
    place = {"address": "127.0.0.1", "port_value": stage.provider}
    cluster = {
        "name": "provider",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "provider",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": place}}}]}],
        },
    }
    kind = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "plain",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "plain",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "provider", "timeout": "0s"}}],
                }
            ]
        },
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{kind}.http.router.v3.Router"}},
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin_port}}},
        "static_resources": {
            "listeners": [
                {
                    "name": "plain",
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                    "filter_chains": [{"filters": filters}],
                }
            ],
            "clusters": [cluster],
        },
    }


def test_the_first_byte_comes_within_ten_milliseconds_of_plain_envoys(stage: Stage, tmp_path: Path) -> None:
    token = stage.key.token()
    with Envoy(plain(stage), tmp_path) as bare:
        times: dict[int, list[float]] = {stage.envoy.port: [], bare.port: []}
        for _ in range(ROUNDS):
            for port, measured in times.items():  # in turn: a busy moment of the machine hits both
                started = time.perf_counter()
                with asked(port, {"x-gatehouse-llm-auth": token, "authorization": f"Bearer {SECRET}"}) as response:
                    assert response.read(6) == b"data: "
                    measured.append((time.perf_counter() - started) * 1000)
        ours, theirs = (statistics.median(measured) for measured in times.values())
    assert ours - theirs < 10, (ours, theirs)


def test_a_stream_comes_word_by_word_with_its_usage_last(stage: Stage) -> None:
    headers = {"x-gatehouse-llm-auth": stage.key.token()}
    with asked(stage.envoy.port, headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        moments = [time.monotonic() for line in response if line.startswith(b"data: {")]
    # Six words, fifty milliseconds between them: had anything waited for the end, all would have come at once.
    assert moments[-1] - moments[0] > 0.15


@pytest.mark.parametrize("word", ["client", "provider"])
def test_a_stream_that_one_side_leaves_ends_on_the_other(stage: Stage, word: str) -> None:
    if word == "client":
        with asked(stage.envoy.port, {"x-gatehouse-llm-auth": stage.key.token(), "x-request-id": "left-1"}) as response:
            response.read(6)
        assert stage.envoy.accesses("left-1")["flags"] == "DC"
        return
    with asked(stage.envoy.port, {"x-gatehouse-llm-auth": stage.key.token()}) as response:
        assert response.read().endswith(b"data: [DONE]\n\n")
