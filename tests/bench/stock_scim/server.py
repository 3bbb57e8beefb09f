"""django-scim2 as it comes, served with a database of its own."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from portal.embedded_postgres import PORT as POSTGRES_PORT
from tests import database
from tests.bench.server import ROOT, Server

NAME = "bench_scim"


@dataclass(frozen=True, slots=True)
class Stock:
    """The baseline.

    Attributes:
        environment: of its process.
        token: which it lets in.
    """

    environment: dict[str, str]
    token: str

    def server(self, *options: str) -> Server:
        """Return it, to be served by granian with these options."""
        application = "tests.bench.stock_scim.wsgi:application"
        return Server("wsgi", application, f"Bearer {self.token}", self.environment, options)

    def fill(self, *, users: int, members: int) -> str:
        """Make it `users` users and a group with `members` of them; return the group's id."""
        statements = Path(__file__).with_name("fill.sql").read_text()
        with psycopg.connect(database.server().dsn(database=NAME), autocommit=True) as connection:
            for statement in statements.format(users=users, members=members).split(";\n"):
                connection.execute(statement)
            row = connection.execute("SELECT scim_id FROM stock_scim_group").fetchone()
            assert row
            return str(row[0])


@contextmanager
def stock_scim() -> Iterator[Stock]:
    """Make the database and its tables; the database is dropped afterwards."""
    token = secrets.token_urlsafe(32)
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.bench.stock_scim.settings",
        "BENCH_DATABASE": NAME,
        "BENCH_HOST": str(database.server().socket_directory),
        "BENCH_PORT": str(POSTGRES_PORT),
        "BENCH_TOKEN": token,
    }
    with psycopg.connect(database.server().dsn(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {NAME}")
        try:
            subprocess.run(
                [sys.executable, "-W", "ignore", "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"],
                cwd=ROOT,
                env=os.environ | environment,
                check=True,
            )
            yield Stock(environment, token)
        finally:
            connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)")
