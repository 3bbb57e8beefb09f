"""A real pgbouncer in transaction mode, in front of the tests' PostgreSQL."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests import database
from tests.services import require_program

POOL_SIZE = 2  # fewer server connections than clients, so that they change hands all the time


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def pgbouncer() -> Iterator[dict[str, str | int]]:
    """Run pgbouncer for the block.

    Yields:
        HOST and PORT for a Django alias.
    """
    program = require_program("pgbouncer", "/usr/sbin/pgbouncer", hint="Debian's package pgbouncer")
    server = database.server()
    # A short path: the name of a unix socket has at most 107 characters.
    home = Path(tempfile.mkdtemp(prefix="pgb-"))
    port = free_port()
    (home / "users.txt").write_text('"gatehouse_app" ""\n"gatehouse_operator" ""\n')
    (home / "pgbouncer.ini").write_text(
        f"""
[databases]
* = host={server.socket_directory} port={server_port()}

[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {home}
auth_type = trust
auth_file = {home}/users.txt
pool_mode = transaction
default_pool_size = {POOL_SIZE}
max_client_conn = 100
server_reset_query =
logfile = {home}/log
pidfile = {home}/pid
"""
    )
    command = [program, str(home / "pgbouncer.ini")]
    if os.geteuid() == 0:  # it refuses to run as root; the server's own user can reach the server's socket
        user = Path(server.socket_directory).owner()
        command[1:1] = ["-u", user]
        home.chmod(0o755)
        for path in (home, *home.iterdir()):
            shutil.chown(path, user)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(home, port, process)
        yield {"HOST": str(home), "PORT": port}
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(home)


def server_port() -> int:
    """Return the port in the name of the server's socket."""
    return int(str(psycopg.conninfo.conninfo_to_dict(database.server().dsn())["port"]))


def wait_for(home: Path, port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when pgbouncer answers."""
    for _ in range(20):
        if process.poll() is not None:
            raise AssertionError((home / "log").read_text())
        try:
            with psycopg.connect(
                host=str(home), port=port, user="gatehouse_app", dbname=database.worker_database(), connect_timeout=2
            ):
                return
        except psycopg.OperationalError:
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
    raise AssertionError(f"pgbouncer does not answer: {(home / 'log').read_text()}")
