"""What the authorization service costs a real Envoy, beside one that checks tokens alone, and one that passes on."""

import json
import re
import statistics
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import certifi
import psutil
import pytest
from django.conf import settings

from gateway.selectors import published_keys
from gateway.upstreams import upstream_at
from tests.gateway.check_stage import CHAT, Proxy
from tests.gateway.process import Gateway, wait_until_trusted
from tests.llm_proxy.envoy.running import Envoy, free_ports, proxy, require_envoy
from tests.llm_proxy.envoy.servers import Answer, Server
from tests.people import Tenant
from tests.services import require_program

pytestmark = pytest.mark.bench

CONNECTIONS = 32
ROUNDS = 3
SECONDS = 3
_SECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass
class Candidate:
    """An Envoy, and what was measured of it, one for each round.

    Attributes:
        rates: requests a second.
        slowest: milliseconds that 99 of 100 answers stay below.
        processor: microseconds of Envoy's processor for a request, and of the gateway's where it is asked.
    """

    envoy: Envoy
    gateway: Gateway | None = None
    rates: list[float] = field(default_factory=list)
    slowest: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def provider() -> dict[str, Any]:
    """Return an Envoy that answers at once: faster than what is measured."""
    made = deepcopy(bare(proxied()))
    del manager(made)["local_reply_config"]
    virtual_host(made)["routes"] = [
        {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "{}"}}}
    ]
    return made


def proxied(**values: Any) -> dict[str, Any]:
    given = {
        "issuer": settings.JWT_ISSUER,
        "audiences": ["gatehouse-llm"],
        "jwks": "http://127.0.0.1:9/",
        "authz": "http://127.0.0.1:9",
        "upstreams": [],
        "authorities": certifi.where(),
    }
    made = proxy(**given | values).bootstrap()
    manager(made)["access_log"] = []  # the same for all, and not what is asked
    return made


def manager(bootstrap: Mapping[str, Any]) -> Any:
    return bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]


def virtual_host(bootstrap: Mapping[str, Any]) -> Any:
    return manager(bootstrap)["route_config"]["virtual_hosts"][0]


def without_authorization(bootstrap: dict[str, Any]) -> dict[str, Any]:
    """Return it without the authorization service; everything goes to the first upstream then."""
    made = elsewhere(bootstrap)
    manager(made)["http_filters"] = [one for one in manager(made)["http_filters"] if "ext_authz" not in one["name"]]
    first = virtual_host(made)["routes"][0]
    virtual_host(made)["routes"] = [{"match": {"prefix": "/"}, "route": first["route"]}]
    return made


def bare(bootstrap: dict[str, Any]) -> dict[str, Any]:
    """Return it without tokens, too."""
    made = elsewhere(bootstrap)
    filters = manager(made)["http_filters"]
    manager(made)["http_filters"] = [one for one in filters if not re.search("ext_authz|jwt_authn", one["name"])]
    return made


def elsewhere(bootstrap: dict[str, Any]) -> dict[str, Any]:
    made = deepcopy(bootstrap)
    port, admin_port = free_ports(2)
    made["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = port
    made["admin"]["address"]["socket_address"]["port_value"] = admin_port
    return made


def test_authorization(acme: Tenant, tmp_path: Path) -> None:
    """One token and one project, as an application that calls often: what is remembered is the usual case."""
    require_envoy()
    wrk = require_program("wrk", hint="Debian's package wrk")
    with ExitStack() as stack:
        upstream = stack.enter_context(Envoy(provider(), tmp_path))
        url = f"http://127.0.0.1:{upstream.port}"
        organization = Proxy(acme)
        organization.credential("openai", base_url=url)
        token = organization.token(expires_at=int(organization.claims().issued_at) + 890)
        keys = json.dumps({"keys": published_keys()}).encode()
        jwks = stack.enter_context(Server(lambda asked: Answer(200, (), keys)))
        gateway = stack.enter_context(Gateway(PROXY_UPSTREAMS=url))
        wait_until_trusted(gateway)
        whole = proxied(jwks=jwks.url, authz=f"http://127.0.0.1:{gateway.port}", upstreams=[upstream_at(url)])
        configurations = {
            "passes on only": bare(without_authorization(whole)),
            "+ tokens": without_authorization(whole),
            "+ tokens + authorization": whole,
        }
        candidates = {
            name: Candidate(stack.enter_context(Envoy(made, tmp_path))) for name, made in configurations.items()
        }
        script = tmp_path / "post.lua"
        script.write_text('wrk.method = "POST"\nwrk.body = "{}"\n', encoding="utf-8")
        command = [
            wrk,
            "-t1",
            f"-c{CONNECTIONS}",
            "--latency",
            "-s",
            str(script),
            "-H",
            f"X-Gatehouse-LLM-Auth: {token}",
        ]
        for _ in range(ROUNDS):
            for name, candidate in candidates.items():
                measure(name, candidate, [*command, f"http://127.0.0.1:{candidate.envoy.port}{CHAT}"])
    report(candidates)


def measure(name: str, candidate: Candidate, command: list[str]) -> None:
    subprocess.run([*command, "-d1s"], capture_output=True, check=True)
    processes = [psutil.Process(candidate.envoy.pid), *(candidate.gateway.workers() if candidate.gateway else ())]
    before = spent_by(processes)
    answer = subprocess.run([*command, f"-d{SECONDS}s"], capture_output=True, text=True, check=True).stdout
    spent = spent_by(processes) - before
    assert "Non-2xx" not in answer, (name, answer)
    requests = int(found(r"(\d+) requests in", answer)[0])
    value, unit = found(r"99%\s+([\d.]+)(us|ms|s)", answer)
    candidate.rates.append(float(found(r"Requests/sec:\s+([\d.]+)", answer)[0]))
    candidate.slowest.append(float(value) * _SECONDS[unit])
    candidate.processor.append(spent / requests * 1e6)


def spent_by(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def found(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    assert match, text
    return match.groups()


def report(candidates: Mapping[str, Candidate]) -> None:
    tokens = statistics.median(candidates["+ tokens"].rates)
    print(f"\nEnvoy, one thread, {CONNECTIONS} connections; the gateway is one process")
    for name, candidate in candidates.items():
        rate, slowest = statistics.median(candidate.rates), statistics.median(candidate.slowest)
        cost = statistics.median(candidate.processor)
        print(
            f"  {name:<26} {rate:8.0f}/s  p99 {slowest:7.2f} ms  processor {cost:5.0f} µs   "
            f"{rate / tokens:5.2f} × + tokens"
        )
