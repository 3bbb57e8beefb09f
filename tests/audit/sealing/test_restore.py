"""A dump that is restored into another cluster: sealing goes on there, and nothing is missing, doubled or altered."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from audit.sealing.sealer import seal
from portal.bootstrap import ensure_database
from portal.embedded_postgres import EmbeddedPostgres
from tests import database
from tests.audit.sealing.stage import check_sealed, write, write_many, writer

HERE = UUID("0f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11")
THERE = UUID("1f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11")
RESTORED = "restored"
# A command of the portal whose connections lead to the other cluster.
COMMAND = """
import os, sys, django
django.setup()
from django.core.management import call_command
from django.db import connections
for alias in connections:
    connections[alias].settings_dict.update(NAME=os.environ["RESTORED"], HOST=os.environ["RESTORED_HOST"])
call_command(*sys.argv[1:])
"""


@pytest.fixture
def other() -> Iterator[EmbeddedPostgres]:
    """Yield another cluster, which has the roles and an empty database."""
    with tempfile.TemporaryDirectory(prefix="gh-") as directory:
        cluster = EmbeddedPostgres(Path(directory) / "postgres", disposable=True)
        cluster.start()
        try:
            ensure_database(cluster, RESTORED)
            yield cluster
        finally:
            cluster.remove()


def restore(dump: bytes, cluster: EmbeddedPostgres) -> None:
    """Restore a dump as docs/operations.md says for another server."""
    psql = [_program("psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", cluster.dsn(database=RESTORED)]
    subprocess.run(psql, input=dump, stdout=subprocess.DEVNULL, check=True, timeout=300)


def dumped() -> bytes:
    """Return the dump of the test's database."""
    dsn = database.server().dsn(database=database.worker_database())
    # The roles' script has made the schemas there.
    told = [_program("pg_dump"), "--clean", "--if-exists", dsn]
    return subprocess.run(told, capture_output=True, check=True, timeout=300).stdout


def command(cluster: EmbeddedPostgres, *arguments: str) -> str:
    """Return what a command prints that works on the restored database."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "RESTORED": RESTORED,
        "RESTORED_HOST": str(cluster.socket_directory),
    }
    told = [sys.executable, "-c", COMMAND, *arguments]
    return subprocess.run(told, env=environment, capture_output=True, text=True, check=True, timeout=300).stdout


def _program(name: str) -> str:
    return str(database.server()._programs / name)


def identity_of(connection: psycopg.Connection) -> int:
    """Return what tells a cluster from every other one."""
    row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
    assert row is not None
    return int(row[0])


def test_sealing_goes_on_in_the_cluster_that_a_dump_is_restored_into(
    db: None, superuser: psycopg.Connection, other: EmbeddedPostgres
) -> None:
    with writer() as connection:
        write_many(connection, HERE, 30)
    seal()
    with writer() as connection:  # unsealed when it is dumped
        write_many(connection, HERE, 5)
        write_many(connection, THERE, 20)
    sealed = superuser.execute("SELECT organization_id, seq, event_id, hash FROM audit_leaf ORDER BY 1, 2").fetchall()
    restore(dumped(), other)

    with psycopg.connect(other.dsn(database=RESTORED), autocommit=True) as there:
        assert identity_of(there) != identity_of(superuser)
        assert "25 events sealed" in command(other, "audit", "seal")
        leaves = there.execute("SELECT organization_id, seq, event_id, hash FROM audit_leaf ORDER BY 1, 2").fetchall()
        assert set(sealed) < set(leaves)
        assert len(leaves) == len(sealed) + 25
        check_sealed(there)
        for _ in range(3):
            write(there, HERE)
        assert "3 events sealed" in command(other, "audit", "seal")
        assert "0 events sealed" in command(other, "audit", "seal")
        check_sealed(there)
    told = command(other, "audit", "verify").splitlines()
    assert f"{HERE}: 38 sealed events, 0 problems" in told
    assert f"{THERE}: 20 sealed events, 0 problems" in told
    assert all(line.endswith(" 0 problems") for line in told)
