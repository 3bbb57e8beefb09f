"""Servers under load, taking turns: requests a second, the slowest hundredth, processor time for each request."""

import contextlib
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.services import require_program

ROOT = Path(__file__).resolve().parent.parent.parent
CONNECTIONS = 16
PATIENCE = 30.0
_SCRIPT = """
local bodies = {{}}
for line in io.lines("{bodies}") do bodies[#bodies + 1] = line end
local number = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.headers["Authorization"] = "{authorization}"
request = function()
  number = number % #bodies + 1
  return wrk.format(nil, "/api/v1/introspect", nil, bodies[number])
end
"""
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass
class Server:
    """A candidate.

    Attributes:
        interface: granian's.
        application: what it serves.
        environment: of its process, beside the bare minimum.
        options: further options of granian.
        authorization: the header of every request.
        rates: requests a second, one for each round.
        slowest: seconds that 99 of 100 answers stay below, the same.
        processor: microseconds of the server's processes for a request, the same.
    """

    interface: str
    application: str
    authorization: str
    environment: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    rates: list[float] = field(default_factory=list)
    slowest: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[tuple[int, psutil.Process]]:
        """Serve; yields the port and the process."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        command = [sys.executable, "-m", "granian", "--interface", self.interface, "--no-ws", "--http", "1"]
        command += ["--port", str(port), "--workers", "1", "--log-level", "error", *self.options, self.application]
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        process = subprocess.Popen(command, cwd=ROOT, env=inherited | dict(self.environment))
        try:
            deadline = time.monotonic() + PATIENCE
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                assert process.poll() is None, f"{self.application} did not start"
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def p99(self) -> float:
        return statistics.median(self.slowest) * 1000

    @property
    def cost(self) -> float:
        return statistics.median(self.processor)


def compare(
    servers: Mapping[str, Server],
    bodies: list[str],
    directory: Path,
    *,
    rounds: int,
    seconds: int,
    script: str = _SCRIPT,
) -> None:
    """Load each server in turn, round by round, so that a busy moment of the machine hits all alike.

    Args:
        servers: the candidates by name.
        bodies: what is sent in turn, one a line.
        directory: for files.
        rounds: how often each has its turn.
        seconds: how long a turn is.
        script: wrk's, with the places {bodies} and {authorization}.
    """
    wrk = require_program("wrk", hint="Debian's package wrk")
    (directory / "bodies").write_text("\n".join(bodies), encoding="utf-8")
    with ExitStack() as stack:
        running = {name: stack.enter_context(server.running()) for name, server in servers.items()}
        for _ in range(rounds):
            for name, server in servers.items():
                port, process = running[name]
                file = directory / f"{port}.lua"
                file.write_text(script.format(bodies=directory / "bodies", authorization=server.authorization))
                command = [wrk, "-t1", f"-c{CONNECTIONS}", "--latency", "-s", str(file), f"http://127.0.0.1:{port}"]
                # Warm first, as a server in use is: what is remembered has expired since this one's last turn.
                subprocess.run([*command, "-d1s"], capture_output=True, check=True)
                before = _processor_seconds(process)
                answer = subprocess.run([*command, f"-d{seconds}s"], capture_output=True, text=True, check=True).stdout
                spent = _processor_seconds(process) - before
                assert "Non-2xx" not in answer, (name, answer)
                assert "Socket errors" not in answer, (name, answer)
                requests = int(_found(r"(\d+) requests in", answer)[0])
                value, unit = _found(r"99%\s+([\d.]+)(us|ms|s)", answer)
                server.rates.append(float(_found(r"Requests/sec:\s+([\d.]+)", answer)[0]))
                server.slowest.append(float(value) * _SECONDS[unit])
                server.processor.append(spent / requests * 1e6)


def _found(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    assert match, text
    return match.groups()


def _processor_seconds(process: psutil.Process) -> float:
    """Return what a server's processes have used."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system
    return total
