"""The embedded PostgreSQL: starting, sharing, stopping, and what it says when it cannot."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from portal.embedded_postgres import ROOT_STATE, EmbeddedPostgres, EmbeddedPostgresError

KEEPER = """
import sys
from pathlib import Path
from portal.embedded_postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), disposable=True).running():
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """Yield a directory that every user may enter (pytest's own may not)."""
    path = Path(tempfile.mkdtemp(prefix="gh-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def server(directory: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(directory / "state" / "postgres", disposable=True)
    yield server
    server.remove()


def answer(server: EmbeddedPostgres) -> int:
    with psycopg.connect(server.dsn()) as connection:
        row = connection.execute("SELECT current_setting('server_version_num')::int / 10000").fetchone()
    assert row is not None
    return int(row[0])


def test_it_starts_answers_and_stops(server: EmbeddedPostgres) -> None:
    with server.running():
        assert answer(server) == 18
        process = psutil.Process(server.pid())
        assert process.net_connections("inet") == []
        assert server.place.stat().st_mode & 0o777 == 0o700
    assert server.pid() is None
    with pytest.raises(psycopg.OperationalError):
        answer(server)


def test_nothing_above_its_own_directory_becomes_readable(server: EmbeddedPostgres, directory: Path) -> None:
    directory.chmod(0o711)
    with server.running():
        assert directory.stat().st_mode & 0o777 == 0o711
        assert not server.home.parent.stat().st_mode & 0o066


def test_two_checkouts_do_not_collide(server: EmbeddedPostgres, directory: Path) -> None:
    other = EmbeddedPostgres(directory / "other" / "postgres", disposable=True)
    try:
        with server.running(), other.running():
            assert server.socket_directory != other.socket_directory
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                connection.execute("CREATE DATABASE mine")
            with psycopg.connect(other.dsn()) as connection:
                assert connection.execute("SELECT true FROM pg_database WHERE datname = 'mine'").fetchone() is None
    finally:
        other.remove()


def test_a_long_path_gets_a_socket_elsewhere(directory: Path) -> None:
    server = EmbeddedPostgres(directory / ("long" * 30) / "postgres", disposable=True)
    try:
        with server.running():
            assert answer(server) == 18
            assert server.socket_directory != server.place
            assert server.socket_directory.stat().st_mode & 0o777 == 0o700
    finally:
        server.remove()


def test_a_path_with_unusual_characters(directory: Path) -> None:
    server = EmbeddedPostgres(directory / "it's a home, 100%" / "postgres", disposable=True)
    try:
        with server.running():
            assert answer(server) == 18
    finally:
        server.remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a helper user that cannot enter")
def test_a_private_directory_of_root_keeps_its_mode(directory: Path) -> None:
    directory.chmod(0o700)
    server = EmbeddedPostgres(directory / "state" / "postgres", disposable=True)
    try:
        with server.running():
            assert answer(server) == 18
            assert server.place.is_relative_to(ROOT_STATE)
        assert directory.stat().st_mode & 0o777 == 0o700
    finally:
        server.remove()
    assert not server.place.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a helper user that cannot enter")
def test_binaries_in_a_private_directory_of_root_are_copied(
    server: EmbeddedPostgres, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.embedded_postgres.ROOT_STATE", directory / "copies")
    monkeypatch.setattr("portal.embedded_postgres._others_can_enter", lambda path: "pginstall18" not in str(path))
    with server.running():
        assert answer(server) == 18
        assert psutil.Process(server.pid()).exe().startswith(str(directory / "copies"))


def test_the_last_user_stops_it(server: EmbeddedPostgres) -> None:
    with server.running():
        keeper = subprocess.Popen(
            [sys.executable, "-c", KEEPER, str(server.home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "up\n"
    assert answer(server) == 18
    keeper.communicate("", timeout=30)
    assert server.pid() is None


def test_a_user_that_was_killed_holds_nothing(server: EmbeddedPostgres) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(server.home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "up\n"
        keeper.kill()
    assert answer(server) == 18
    with server.running():
        pass
    assert server.pid() is None


def test_a_stale_pid_file_after_a_crash(server: EmbeddedPostgres) -> None:
    server.start()
    crashed = server.pid()
    assert crashed is not None
    children = psutil.Process(crashed).children()
    os.kill(crashed, signal.SIGKILL)
    psutil.wait_procs(children, timeout=10)
    assert (server.data / "postmaster.pid").exists()
    with server.running():
        assert answer(server) == 18
        assert server.pid() != crashed


def test_a_stale_pid_file_whose_id_another_program_has(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.data / "postmaster.pid").write_text(
        f"{os.getpid()}\n{server.data}\n1700000000\n5432\n{server.place}\n\n  1 1\nready   \n", encoding="utf-8"
    )
    assert server.pid() is None
    with server.running():
        assert answer(server) == 18


def test_an_interrupted_first_start_is_begun_again(server: EmbeddedPostgres) -> None:
    (server.place / "data.unfinished" / "base").mkdir(parents=True)
    with server.running():
        assert answer(server) == 18


def complaint(server: EmbeddedPostgres) -> str:
    with pytest.raises(EmbeddedPostgresError) as caught, server.running():
        pass
    message = str(caught.value)
    assert "\n" not in message
    assert str(server.data) in message
    return message


def test_data_of_another_version(server: EmbeddedPostgres) -> None:
    server.data.mkdir(parents=True)
    (server.data / "PG_VERSION").write_text("15\n", encoding="utf-8")
    message = complaint(server)
    assert "PostgreSQL 15" in message
    assert "PostgreSQL 18" in message


def test_a_directory_that_holds_something_else(server: EmbeddedPostgres) -> None:
    server.data.mkdir(parents=True)
    (server.data / "notes.txt").write_text("mine", encoding="utf-8")
    assert "is not a PostgreSQL data directory" in complaint(server)
    assert (server.data / "notes.txt").exists()


def test_damaged_data(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.data / "global" / "pg_control").write_bytes(b"")
    assert "did not start" in complaint(server)
    assert server.pid() is None
