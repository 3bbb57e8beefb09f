"""A gateway as it runs: granian in a process of its own, on loopback, with the test's database."""

import base64
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import psutil
from django.conf import settings

from accounts.services.key_rules import IssuedKey
from portal.embedded_postgres import PORT as POSTGRES_PORT
from tests import database

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 30.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def database_url(host: str | int | Path | None = None, port: str | int = POSTGRES_PORT) -> str:
    """Return the address of this worker's database, by default on the server's own socket."""
    place = urlencode({"host": host or database.server().socket_directory, "port": port})
    return f"postgresql://gatehouse_app@/{database.worker_database()}?{place}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_active(self) -> bool:
        """Return whether a single key is valid; every inactive answer is the same bytes."""
        assert self.status == 200, (self.status, self.body)
        active = self.json["active"]
        assert active or self.body == b'{"active":false}'
        return bool(active)


class Gateway:
    """A running gateway.

    Args:
        application: what granian serves.
        workers: processes behind the port.
        variables: settings, as environment variables.
    """

    def __init__(
        self, *, application: str = "gateway.hotpath.app:application", workers: int = 1, **variables: str
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self._environment = inherited | {
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "GATEHOUSE_ENV": "test",
            "GATEHOUSE_DOTENV": "",
            "GATEHOUSE_HOME": str(settings.GATEHOUSE_HOME),
            "GATEWAY_DATABASE_URL": database_url(),
            "GATEWAY_GUESSES_PER_MINUTE": "1000000000",
            "GATEWAY_GUESSES_PER_KEY": "1000000000",
            **variables,
        }
        self._command = [sys.executable, "-m", "granian", "--interface", "asgi", "--no-ws", "--http", "1"]
        self._command += ["--port", str(self.port), "--workers", str(workers), "--log-level", "warning"]
        self._command += ["--workers-kill-timeout", "5", application]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, cwd=ROOT, env=self._environment)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get("/healthz/live").status == 200:
                    return self
            assert self._process.poll() is None, "the gateway did not start"
            time.sleep(0.05)
        self.__exit__()
        raise AssertionError("the gateway does not answer")

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                for child in psutil.Process(self._process.pid).children(recursive=True):
                    child.kill()
                self._process.kill()
                self._process.wait()

    def workers(self) -> list[psutil.Process]:
        """Return the processes that serve."""
        assert self._process is not None
        children = psutil.Process(self._process.pid).children(recursive=True)
        return [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]

    def send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Reply:
        return self.send("GET", path)

    def ask(self, caller: str, *tokens: str, address: str = "", **parameters: str) -> Reply:
        """Introspect; `caller` is an Authorization header, `address` an X-Forwarded-For."""
        pairs = [("token", token) for token in tokens] + list(parameters.items())
        headers = FORM | {"Authorization": caller} | ({"X-Forwarded-For": address} if address else {})
        return self.send("POST", "/api/v1/introspect", urlencode(pairs).encode(), headers)

    def raw(self, data: bytes, *, wait: float = PATIENCE) -> bytes:
        """Send bytes as they are, and return all that comes back until the server closes or is silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            received = b""
            with contextlib.suppress(OSError):
                connection.sendall(data)
                while part := connection.recv(65536):
                    received += part
                    if b"\r\n\r\n" in received and received.rstrip().endswith((b"}", b"0")):
                        break
            return received


def basic(key: IssuedKey) -> str:
    """Return the Basic header of a key."""
    return "Basic " + base64.b64encode(f"{key.public_id}:{key.secret}".encode()).decode()


def bearer(key: IssuedKey) -> str:
    """Return the Bearer header of a key."""
    return f"Bearer {key.secret}"


def wait_until_trusted(gateway: Gateway) -> None:
    """Return when the gateway answers from memory."""
    deadline = time.monotonic() + PATIENCE
    while gateway.get("/healthz/ready").json["checks"]["memory"] != "trusted":
        assert time.monotonic() < deadline
        time.sleep(0.02)
