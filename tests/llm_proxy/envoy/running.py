"""A real Envoy in a process of its own, with the configuration that Gatehouse makes."""

import contextlib
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from gateway.envoy import Proxy
from gateway.envoy.binary import envoy_binary
from tests.gateway.process import Reply
from tests.services import SERVICE_MISSING

ROOT = Path(__file__).resolve().parent.parent.parent.parent
PATIENCE = 30.0
SILENCE = 2.0
CHECK_SECRET = "what-envoy-shows-to-the-authorization-service"


def require_envoy() -> str:
    """Return the path of Envoy; skip the test when there is none."""
    found = envoy_binary()
    if found is None:
        pytest.skip(f"{SERVICE_MISSING} envoy (make test installs it into .venv/envoy)")
    return str(found)


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


class Envoy:
    """A running Envoy.

    Args:
        bootstrap: its configuration.
        directory: where its files go.

    Attributes:
        port: where it takes requests.
    """

    def __init__(self, bootstrap: Mapping[str, Any], directory: Path) -> None:
        self.port = int(bootstrap["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"])
        self._admin = int(bootstrap["admin"]["address"]["socket_address"]["port_value"])
        self._config = directory / f"envoy-{self.port}.json"
        self._config.write_text(json.dumps(bootstrap), encoding="utf-8")
        self._log = directory / f"envoy-{self.port}.log"
        self._accesses = directory / f"access-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [require_envoy(), "-c", str(self._config), "--disable-hot-restart", "--concurrency", "1"]
        command += ["--log-level", "warning", "--file-flush-interval-msec", "10"]
        with self._log.open("wb") as log, self._accesses.open("wb") as accesses:
            self._process = subprocess.Popen(
                command, stdout=accesses, stderr=log, env={"PROXY_CHECK_SECRET": CHECK_SECRET}
            )
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=PATIENCE)

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.tell("/ready").status == 200
        return False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def accesses(self, request_id: str) -> dict[str, Any]:
        """Return the line of the access log about a request."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for line in self._accesses.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(json.JSONDecodeError):  # half of a line
                    if json.loads(line)["request_id"] == request_id:
                        return dict(json.loads(line))
            assert time.monotonic() < deadline, self._accesses.read_text(encoding="utf-8")
            time.sleep(0.02)

    def all_accesses(self) -> str:
        return self._accesses.read_text(encoding="utf-8")

    def tell(self, path: str) -> Reply:
        """Ask its administration."""
        return send(self._admin, "GET", path)

    def wait_for(self, statistic: str, value: int) -> None:
        """Return when one of its counters has come so far."""
        deadline = time.monotonic() + PATIENCE
        while self.counter(statistic) < value:
            assert time.monotonic() < deadline, (statistic, self.counter(statistic), self.log)
            time.sleep(0.01)

    def counter(self, statistic: str) -> int:
        text = self.tell(f"/stats?filter=^{re.escape(statistic)}$").body.decode()
        return int(text.rpartition(": ")[2]) if text.strip() else 0

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send one request on a connection of its own; underscores in names of headers stand for hyphens."""
        return send(self.port, method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def send_over_tls(self, context: ssl.SSLContext, path: str, **headers: str) -> Reply:
        """Send one GET over TLS."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE, context=context)
        try:
            connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def raw(self, data: bytes) -> bytes:
        """Send bytes as they are, and return what comes back until the other side closes or is silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=SILENCE) as connection:
            connection.sendall(data)
            received = b""
            with contextlib.suppress(ConnectionResetError, TimeoutError):
                while (part := connection.recv(65536)) and not _is_the_last(received := received + part):
                    pass
            return received


def _is_the_last(received: bytes) -> bool:
    """Return whether an answer is whole after which the connection is closed; Envoy takes its time about that."""
    head, end, body = received.lower().partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return bool(end and length and b"connection: close" in head and len(body) >= int(length[1]))


def send(port: int, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


@contextmanager
def provider() -> Iterator[int]:
    """Run the fake provider; yields its port."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--no-ws", "--port", str(port)]
    command += ["--workers", "1", "--log-level", "warning", "gateway.fake_provider:application"]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    process = subprocess.Popen(command, cwd=ROOT, env=inherited)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                send(port, "GET", "/echo")
                break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def proxy(**values: Any) -> Proxy:
    """Return a proxy on free ports."""
    port, admin_port = free_ports(2)
    return Proxy(**{"port": port, "admin_port": admin_port, **values})
