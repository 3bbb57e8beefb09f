"""Load on a gateway from a process of its own, for what is to be measured beside it."""

import subprocess
import sys
from types import TracebackType
from typing import Self

from tests.gateway.process import ROOT, Gateway

_CLIENT = """
import http.client, sys
from urllib.parse import urlencode
port, caller, *tokens = sys.stdin.read().split("\\n")
headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": caller}
connections = [http.client.HTTPConnection("127.0.0.1", int(port)) for _ in range(8)]
bodies = [urlencode({"token": token}) for token in tokens]
print("running", flush=True)
while True:
    for number, connection in enumerate(connections):
        connection.request("POST", "/api/v1/introspect", bodies[number % len(bodies)], headers)
    for connection in connections:
        response = connection.getresponse()
        assert b'"active":true' in response.read(), response.status
"""


class Load:
    """Asks a gateway without a pause, eight questions at a time.

    Args:
        gateway: whom.
        caller: the Authorization header.
        tokens: valid keys.
    """

    def __init__(self, gateway: Gateway, caller: str, tokens: list[str]) -> None:
        self._input = "\n".join([str(gateway.port), caller, *tokens])
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CLIENT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(self._input)
        self._process.stdin.close()
        assert self._process.stdout.readline() == "running\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        still_running = self._process.poll() is None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        assert still_running or kind, "the load ended: an answer was wrong"
