"""``make proxy`` as a person meets it: one command, two commands to copy that work, nothing left when it stops."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from tests.llm_proxy.envoy.running import require_envoy
from tests.running import PATIENCE, Run

START_SECONDS = 240  # a database, the demo and eight processes, beside other tests
NAMES = ("PROXY_PORT", "PROXY_ADMIN_PORT", "FAKE_PROVIDER_PORT", "TRANSFORMER_PORT")


def quiet_ports(number: int) -> range:
    """Return free ports in a row that no connection is given by the system while the database is being made."""
    for first in range(20_000 + os.getpid() % 1_000 * 10, 32_000, number):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in range(first, first + number):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return range(first, first + number)
    raise AssertionError("no free ports")


class ProxyRun(Run):
    """The same with the proxy, on free ports."""

    command = (*Run.command, "proxy")

    def __init__(self, run: Run) -> None:
        portal, _gateway, *others = quiet_ports(len(NAMES) + 2)
        super().__init__(run.home, portal)
        self.log = run.log.with_name("proxy.log")
        self.ports = {name: str(port) for name, port in zip(NAMES, others, strict=True)}

    def environment(self, **extra: str) -> dict[str, str]:
        return super().environment(**{"DEMO": "1"} | self.ports | extra)

    def are_closed(self) -> bool:
        """Return whether nobody listens on the proxy's ports."""
        for port in self.ports.values():
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                    return False
        return True

    def commands(self) -> str:
        """Wait for the commands that are printed, and return them as a script."""
        deadline = time.monotonic() + START_SECONDS
        while not re.search(r"LLM-Auth: \$TOKEN.*\n", printed := self.log.read_text(encoding="utf-8")):
            assert self.process is not None
            assert self.process.poll() is None, printed
            assert time.monotonic() < deadline, printed
            time.sleep(0.1)
        told = printed[printed.index("With a key, as") :]
        return "\n".join(line for line in told.splitlines() if line.startswith("  "))


@pytest.fixture
def run(portal: Run) -> ProxyRun:
    require_envoy()
    made = ProxyRun(portal)
    portal.environment = made.environment  # type: ignore[method-assign] # it cleans up after both
    return made


def try_out(commands: str) -> None:
    """Do what a person is told to, and see the answers stream."""
    result = subprocess.run(["/bin/sh", "-c", commands], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert result.stdout.count("data: [DONE]") == 2
    assert re.search(r'"content": " Hello"', result.stdout)


def test_it_prints_commands_that_work_and_stops_all_of_it(run: ProxyRun, portal: Run) -> None:
    run.start()
    portal.process = run.process
    try_out(run.commands())
    assert run.stop(signal.SIGINT) == 0
    assert run.processes() == []
    assert run.are_closed()


def test_beside_a_portal_that_runs_it_comes_and_goes_alone(run: ProxyRun, portal: Run) -> None:
    portal.start()
    portal.wait_until_ready()
    run.start()
    try:
        try_out(run.commands())
        others = dict(zip(NAMES, map(str, quiet_ports(len(NAMES))), strict=True))
        assert "already runs from this directory" in run.refused(**others), "another one, on other ports"
        assert run.stop(signal.SIGINT) == 0
    finally:
        if run.process and run.process.poll() is None:
            run.process.kill()
            run.process.wait()
    assert run.are_closed()
    assert portal.process is not None
    assert portal.process.poll() is None, "the portal goes on"
    assert run.answers() == 200
    assert portal.stop(signal.SIGINT) == 0
    assert run.processes() == []


@pytest.mark.parametrize("name", NAMES)
def test_a_port_in_use_is_one_line_and_starts_nothing(run: ProxyRun, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(run.ports[name])))
        taken.listen()
        refusal = run.refused()
    assert refusal.startswith(f"Gatehouse: {name}: {run.ports[name]} on 127.0.0.1 is in use")
    assert refusal.rstrip().endswith("make proxy")
    assert not run.server().data.exists()
