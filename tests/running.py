"""A run of the portal, as `make run` starts it, with a state directory of its own."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from portal.embedded_postgres import EmbeddedPostgres
from portal.processes import MARKER

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 90


class Run:
    """A run of the portal with a state directory of its own."""

    command: tuple[str, ...] = (sys.executable, "-m", "portal.run")

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        self.log = home.parent / "run.log"
        self.process: subprocess.Popen[str] | None = None

    def environment(self, **extra: str) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        ours = {"GATEHOUSE_HOME": str(self.home), "GATEHOUSE_DOTENV": "", "PORT": str(self.port), "DEMO": "0"}
        return inherited | ours | extra

    def start(self) -> None:
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=log,
                text=True,
            )

    def refused(self, **extra: str) -> str:
        """Run to the end and return the one line that it says."""
        result = subprocess.run(
            self.command,
            cwd=ROOT,
            env=self.environment(**extra),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert result.returncode == 1
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1
        return result.stderr

    def wait_until_ready(self) -> str:
        """Wait for the box and return what was printed so far."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self.process is not None
            printed = self.log.read_text(encoding="utf-8")
            if "Gatehouse is ready" in printed:
                return printed
            assert self.process.poll() is None, printed
            time.sleep(0.05)
        raise AssertionError(self.log.read_text(encoding="utf-8"))

    def answers(self) -> int:
        """Return the status of the liveness page."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz/live", timeout=10) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def stop(self, signum: int) -> int:
        assert self.process is not None
        self.process.send_signal(signum)
        return self.process.wait(timeout=PATIENCE)

    def server(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.home / "postgres")

    def processes(self) -> list[psutil.Process]:
        """Return the live processes that any run with this state directory started."""
        found = []
        for process in psutil.process_iter():
            try:
                environment = process.environ()
            except (psutil.Error, OSError):
                continue
            if MARKER in environment and environment.get("GATEHOUSE_HOME") == str(self.home):
                found.append(process)
        return found


def two_free_ports() -> int:
    """Return a port that is free together with the next one, which is the gateway's."""
    while True:
        with socket.socket() as probe, socket.socket() as following:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                following.bind(("127.0.0.1", port + 1))
                return port


@pytest.fixture
def portal() -> Iterator[Run]:
    directory = Path(tempfile.mkdtemp(prefix="gh-"))
    directory.chmod(0o755)
    run = Run(directory / "home", two_free_ports())
    yield run
    if run.process and run.process.poll() is None:
        run.process.kill()
        run.process.wait()
    for process in run.processes():
        process.kill()
    run.server().remove()
    shutil.rmtree(directory, ignore_errors=True)
