"""What verifying a key costs: the gateway beside what the server itself costs, and beside the usual ways."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from accounts.services.key_rules import IssuedKey
from portal.embedded_postgres import PORT as POSTGRES_PORT
from tests import database
from tests.bench.server import CONNECTIONS, ROOT, Server, compare
from tests.gateway.process import basic, database_url
from tests.gateway.stage import Keys, platform_key
from tests.people import Tenant
from vault.keyring import keyring

pytestmark = pytest.mark.bench

ROUNDS = 3
SECONDS = 12  # longer than memory lasts: asking the database again is part of it
KEYS = 100
OTHERS = "bench_others"


@pytest.fixture
def other_database(db: None) -> Iterator[str]:
    """Return a database of its own for djangorestframework-api-key's tables."""
    with psycopg.connect(database.server().dsn(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {OTHERS} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {OTHERS}")
        yield OTHERS
        connection.execute(f"DROP DATABASE {OTHERS} WITH (FORCE)")


def environments(name: str) -> dict[str, str]:
    """Return what the candidates with Django read."""
    ring = keyring()
    return {
        "BENCH_DATABASE": name,
        "BENCH_HOST": str(database.server().socket_directory),
        "BENCH_PORT": str(POSTGRES_PORT),
        "BENCH_PEPPER": ring.pepper(ring.active_pepper).hex(),
    }


def gateway(caller: IssuedKey, **variables: str) -> Server:
    environment = {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "GATEHOUSE_ENV": "test",
        "GATEHOUSE_DOTENV": "",
        "GATEHOUSE_HOME": str(settings.GATEHOUSE_HOME),
        "GATEWAY_DATABASE_URL": database_url(),
        "LOG_LEVEL": "WARNING",
        **variables,
    }
    return Server("asgi", "gateway.hotpath.app:application", basic(caller), environment)


def test_introspection(acme: Tenant, other_database: str, tmp_path: Path) -> None:
    """16 connections ask for 100 keys in turn; every candidate is granian with one process."""
    keys, caller = Keys(acme), platform_key()
    bodies = [f"token={keys.project().secret}" for _ in range(KEYS)]
    others = environments(other_database)
    drf_key = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.bench.verification.drf"],
        cwd=ROOT,
        env={**os.environ, **others},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    hello = "tests.bench.verification.hello"
    servers = {
        "bare ASGI": Server("asgi", f"{hello}:application", basic(caller)),
        "bare ASGI, body unread": Server("asgi", f"{hello}:unread", basic(caller)),
        "gateway, memory": gateway(caller),
        "gateway, database each time": gateway(caller, GATEWAY_CACHE_SECONDS="0"),
        "plain Django view": Server(
            "wsgi",
            "tests.bench.verification.plain:application",
            basic(caller),
            environments(database.worker_database()),
            ("--blocking-threads", "2"),
        ),
        "djangorestframework-api-key": Server(
            "wsgi",
            "tests.bench.verification.drf:application",
            f"Api-Key {drf_key}",
            others,
            ("--blocking-threads", "2"),
        ),
    }
    compare(servers, bodies, tmp_path, rounds=ROUNDS, seconds=SECONDS)
    bare, usual = servers["bare ASGI"], servers["djangorestframework-api-key"]
    print(f"\nIntrospection: {CONNECTIONS} connections, {KEYS} keys, one process each")
    for name, server in servers.items():
        print(
            f"  {name:<28} {server.rate:8.0f}/s  p99 {server.p99:6.2f} ms  {server.cost:6.0f} µs   "
            f"{server.rate / bare.rate:5.2f} × bare   {server.rate / usual.rate:6.2f} × djangorestframework-api-key"
            f"   its processor time / {usual.cost / server.cost:5.2f}"
        )


def test_memory_of_a_hundred_thousand_keys(db: None) -> None:
    """What a gateway process holds for each key it remembers: the record, its index, and the prepared answer."""
    program = Path(__file__).with_name("remembered.py")
    result = subprocess.run([sys.executable, str(program)], cwd=ROOT, capture_output=True, text=True, check=True)
    measured = json.loads(result.stdout)
    records, answers = measured["records"], measured["answers"]
    print(f"\n100,000 remembered keys: {records:.0f} MB; with the answer to each: {answers:.0f} MB")
