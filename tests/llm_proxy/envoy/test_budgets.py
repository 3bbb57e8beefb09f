"""Limits from end to end, every part a process: a prompt that does not fit, a stream that is broken off."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import certifi
import pytest
from django.conf import settings

from gateway.models import UsageHour
from gateway.selectors import published_keys
from gateway.upstreams import upstream_at
from isolation.scope import tenant_scope
from tests.gateway.check_stage import CHAT, Proxy
from tests.gateway.process import ROOT, Gateway, Reply, wait_until_trusted
from tests.llm_proxy.envoy.running import CHECK_SECRET, PATIENCE, Envoy, free_ports, proxy, require_envoy
from tests.llm_proxy.envoy.servers import Answer, Server
from tests.llm_proxy.limits.test_services import make
from tests.people import Tenant


@contextmanager
def transformer(gateway: Gateway, port: int) -> Iterator[None]:
    """Run the transformer by the gateway's settings."""
    environment = gateway._environment | {"TRANSFORMER_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "gateway.transformer"], cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


class Installation:
    """An organization that may use 50,000 tokens a day."""

    def __init__(self, acme: Tenant, provider_port: int, directory: Path, stack: ExitStack) -> None:
        self.acme = acme
        make(acme, metric="tokens", window="day", amount=50_000)
        upstream = f"http://127.0.0.1:{provider_port}"
        organization = Proxy(acme)
        organization.credential("openai_compatible", base_url=upstream)
        self.token = organization.token()
        keys = json.dumps({"keys": published_keys()}).encode()
        jwks = stack.enter_context(Server(lambda asked: Answer(200, (), keys)))
        gateway = stack.enter_context(Gateway(PROXY_UPSTREAMS=upstream, PROXY_CHECK_SECRET=CHECK_SECRET))
        wait_until_trusted(gateway)
        (port,) = free_ports(1)
        stack.enter_context(transformer(gateway, port))
        made = proxy(
            issuer=settings.JWT_ISSUER,
            audiences=["gatehouse-llm"],
            jwks=jwks.url,
            authz=f"http://127.0.0.1:{gateway.port}",
            transformer=f"http://127.0.0.1:{port}",
            upstreams=[upstream_at(upstream)],
            authorities=certifi.where(),
        )
        self.envoy = stack.enter_context(Envoy(made.bootstrap(), directory))

    def body(self, text: str, **more: Any) -> str:
        return json.dumps({"model": "fake-1", "messages": [{"role": "user", "content": text}], **more})

    def ask(self, text: str) -> Reply:
        headers = {"x_gatehouse_llm_auth": self.token, "content_type": "application/json"}
        return self.envoy.send("POST", CHAT, self.body(text), **headers)

    def break_off(self, text: str) -> None:
        """Ask for a stream, and leave once it has begun."""
        body = self.body(text, stream=True).encode()
        lines = ["Host: proxy", f"X-Gatehouse-LLM-Auth: {self.token}", "Content-Type: application/json"]
        head = "\r\n".join([f"POST {CHAT} HTTP/1.1", *lines, f"Content-Length: {len(body)}", "", ""])
        with socket.create_connection(("127.0.0.1", self.envoy.port), timeout=PATIENCE) as connection:
            connection.sendall(head.encode() + body)
            received = b""
            while received.count(b"data: {") < 2:
                received += connection.recv(65536)

    def used(self, **which: Any) -> UsageHour:
        """Return the hour of some requests, once it is written."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with tenant_scope(self.acme.organization):
                found: UsageHour | None = UsageHour.objects.filter(**which).first()
            if found is not None:
                return found
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture
def installation(acme: Tenant, provider_port: int, tmp_path: Path) -> Iterator[Installation]:
    require_envoy()
    with ExitStack() as stack:
        yield Installation(acme, provider_port, tmp_path, stack)


def test_what_does_not_fit_is_refused_before_it_leaves_and_nothing_is_free(installation: Installation) -> None:
    fits = installation.ask("x" * 12_000)
    assert fits.status == 200, fits.body
    refused = installation.ask("x" * 240_000)
    assert (refused.status, refused.json["code"]) == (402, "budget_exceeded")
    assert "this request needs 50,000 tokens" in refused.json["detail"], "all of it, of which some is used"
    assert refused.headers["x-gatehouse-denial"] == "budget_exceeded"
    installation.break_off("word " * 400)
    broken = installation.used(outcome="allowed", input_tokens__gte=500)
    assert broken.output_tokens >= 2
    assert installation.used(outcome="budget_exceeded").requests == 1
