"""``make run`` as a person meets it: one command, one line when it cannot, nothing left when it stops."""

import base64
import re
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from tests.running import PATIENCE, ROOT, Run


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
    [
        ("PORT", "eight"),
        ("DEMO", "perhaps"),
        ("DATABASE_URL", "mysql://a@b/c"),
        ("TRUSTED_PROXIES", "proxy"),
        ("OUTBOUND_CA_FILE", "/dev/null"),
    ],
)
def test_a_malformed_value_is_one_line(portal: Run, name: str, value: str) -> None:
    assert portal.refused(**{name: value}).startswith(f"Gatehouse: {name}: ")
    assert not portal.server().data.exists()


COMPLETE = {
    "SECRET_KEY": "x" * 50,
    "KEYRING_KEYS": f"1:{base64.b64encode(bytes(range(32))).decode()}",
    "KEYRING_PEPPERS": f"1:{base64.b64encode(bytes(range(1, 33))).decode()}",
    "DATABASE_URL": "postgresql://gatehouse_app:a@db/gatehouse",
    "OPERATOR_DATABASE_URL": "postgresql://gatehouse_operator:a@db/gatehouse",
    "ALLOWED_HOSTS": "portal.example.com",
    "EMAIL_URL": "smtp://mail:25",
    "CELERY_BROKER_URL": "redis://redis:6379/0",
}


@pytest.mark.parametrize("missing", sorted(COMPLETE.keys() - {"OPERATOR_DATABASE_URL"}))
def test_production_makes_nothing_up(portal: Run, missing: str) -> None:
    given = {name: value for name, value in COMPLETE.items() if name != missing}
    assert portal.refused(GATEHOUSE_ENV="production", **given).startswith(f"Gatehouse: {missing}: is not set")
    assert not portal.home.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "short"),
        ("ALLOWED_HOSTS", "portal.example.com,*"),
        ("DEBUG", "true"),
        ("KEYRING_KEYS", COMPLETE["KEYRING_KEYS"].replace("1:", "1:development.")),
        ("KEYRING_PEPPERS", "1:short"),
        ("KEYRING_ACTIVE_PEPPER", "2"),
        ("KEYRING_TRANSIT_ADDRESS", "http://vault:8200"),
    ],
)
def test_production_refuses_what_is_not_safe(portal: Run, name: str, value: str) -> None:
    line = portal.refused(GATEHOUSE_ENV="production", **COMPLETE | {name: value})
    assert line.startswith(f"Gatehouse: {name}: ")
    assert "short" not in line


def test_data_of_another_version_is_one_line(portal: Run) -> None:
    data = portal.server().data
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n", encoding="utf-8")
    assert "was made by PostgreSQL 15" in portal.refused()


def assert_a_signal_stops_all_of_it(portal: Run, signum: int) -> None:
    assert portal.server().pid() is not None
    assert portal.stop(signum) == 0, portal.log.read_text(encoding="utf-8")
    assert portal.server().pid() is None
    assert portal.processes() == []
    assert "Traceback" not in portal.log.read_text(encoding="utf-8")


def test_it_answers_and_ctrl_c_stops_all_of_it(portal: Run) -> None:
    portal.start()
    printed = portal.wait_until_ready()
    assert f"http://127.0.0.1:{portal.port}" in printed
    assert portal.answers() == 200
    assert (portal.home / "secrets.env").stat().st_mode & 0o777 == 0o600
    assert_a_signal_stops_all_of_it(portal, signal.SIGINT)


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
    assert_a_signal_stops_all_of_it(portal, signal.SIGTERM)


@pytest.mark.parametrize("command", ["celery", "gateway.hotpath.app:application"])
def test_a_killed_process_ends_the_run_though_others_hold_its_output(portal: Run, command: str) -> None:
    portal.start()
    portal.wait_until_ready()
    found = [process for process in portal.processes() if command in " ".join(process.cmdline())]
    leader = next(process for process in found if process.parent() not in found)
    leader.kill()
    assert portal.process is not None
    assert portal.process.wait(timeout=PATIENCE) == 1
    assert "one process ended by itself, so all were stopped" in portal.log.read_text(encoding="utf-8").splitlines()[-1]
    assert not portal.processes()


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
