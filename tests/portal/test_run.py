"""``make run`` as a person meets it: one command, one line when it cannot, nothing left when it stops."""

import os
import re
import shutil
import signal
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

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 90


class Run:
    """A run of the portal with a state directory of its own."""

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
                [sys.executable, "-m", "portal.run"],
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=log,
                text=True,
            )

    def refused(self, **extra: str) -> str:
        """Run to the end and return the one line that it says."""
        result = subprocess.run(
            [sys.executable, "-m", "portal.run"],
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


@pytest.fixture
def portal() -> Iterator[Run]:
    directory = Path(tempfile.mkdtemp(prefix="gh-"))
    directory.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = Run(directory / "home", port)
    yield run
    if run.process and run.process.poll() is None:
        run.process.kill()
        run.process.wait()
    for process in run.processes():
        process.kill()
    run.server().remove()
    shutil.rmtree(directory, ignore_errors=True)


def test_a_port_in_use_is_one_line_and_starts_nothing(portal: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", portal.port))
        taken.listen()
        line = portal.refused()
    assert f"PORT: {portal.port} on 127.0.0.1 is in use" in line
    assert f"PORT={portal.port + 1} make run" in line
    assert not portal.server().data.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "eight"), ("DEMO", "perhaps"), ("DATABASE_URL", "mysql://a@b/c"), ("TRUSTED_PROXIES", "proxy")],
)
def test_a_malformed_value_is_one_line(portal: Run, name: str, value: str) -> None:
    assert portal.refused(**{name: value}).startswith(f"Gatehouse: {name}: ")
    assert not portal.server().data.exists()


@pytest.mark.parametrize("missing", ["SECRET_KEY", "DATABASE_URL", "ALLOWED_HOSTS", "EMAIL_URL", "CELERY_BROKER_URL"])
def test_production_makes_nothing_up(portal: Run, missing: str) -> None:
    complete = {
        "SECRET_KEY": "x" * 50,
        "DATABASE_URL": "postgresql://gatehouse_app:a@db/gatehouse",
        "OPERATOR_DATABASE_URL": "postgresql://gatehouse_operator:a@db/gatehouse",
        "ALLOWED_HOSTS": "portal.example.com",
        "EMAIL_URL": "smtp://mail:25",
        "CELERY_BROKER_URL": "redis://redis:6379/0",
    }
    del complete[missing]
    assert portal.refused(GATEHOUSE_ENV="production", **complete).startswith(f"Gatehouse: {missing}: is not set")
    assert not portal.home.exists()


def test_data_of_another_version_is_one_line(portal: Run) -> None:
    data = portal.server().data
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n", encoding="utf-8")
    assert "was made by PostgreSQL 15" in portal.refused()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_and_a_signal_stops_all_of_it(portal: Run, signum: int) -> None:
    portal.start()
    printed = portal.wait_until_ready()
    assert f"http://127.0.0.1:{portal.port}" in printed
    assert portal.answers() == 200
    assert (portal.home / "secrets.env").stat().st_mode & 0o777 == 0o600
    assert portal.server().pid() is not None
    assert portal.stop(signum) == 0, portal.log.read_text(encoding="utf-8")
    assert portal.server().pid() is None
    assert portal.processes() == []
    assert "Traceback" not in portal.log.read_text(encoding="utf-8")


def test_a_second_run_is_refused_and_a_killed_one_is_cleaned_up(portal: Run) -> None:
    portal.start()
    portal.wait_until_ready()
    assert portal.process is not None
    assert f"already runs from this directory (process {portal.process.pid})" in portal.refused()

    portal.process.kill()
    portal.process.wait()
    orphans = portal.processes()
    assert orphans
    portal.start()
    printed = portal.wait_until_ready()
    assert not re.search("preparing the database", printed)  # the second start has nothing to migrate
    assert not [process for process in orphans if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert portal.answers() == 200
    assert portal.stop(signal.SIGINT) == 0


def test_a_command_works_with_and_without_a_run(portal: Run) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=portal.environment(), check=True, timeout=PATIENCE)
    assert portal.server().pid() is None
    portal.start()
    portal.wait_until_ready()
    subprocess.run(command, cwd=ROOT, env=portal.environment(), check=True, timeout=PATIENCE)
    assert portal.answers() == 200
    assert portal.stop(signal.SIGINT) == 0
    assert portal.server().pid() is None
