"""Fixtures of every test: the database, and what a missing service means."""

import os
from collections.abc import Iterator

import psycopg
import pytest
from django.core.cache import cache
from django.db import connections
from pytest_django import DjangoDbBlocker

from tests import database
from tests.services import SERVICE_MISSING

pytest_plugins = ["tests.people", "tests.filling", "tests.running"]

# gRPC's threads of a test of the transformer would disturb the programs that other tests start.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"

lease_key = pytest.StashKey[database.Lease]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Claim the embedded server; the controller of an xdist run does it for its workers."""
    if not hasattr(session.config, "workerinput"):
        session.config.stash[lease_key] = database.Lease()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Release the server after the workers have ended."""
    if lease := config.stash.get(lease_key, None):
        lease.release()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Fail a test that was skipped for want of a service where REQUIRE_SERVICES=1 promises them all."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    if report.skipped and os.environ.get("REQUIRE_SERVICES") == "1" and SERVICE_MISSING in str(report.longrepr):
        report.outcome = "failed"
    return report  # type: ignore[return-value]


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Give this worker its own migrated database."""
    name = database.worker_database()
    with django_db_blocker.unblock():
        database.create_database(name)
        database.use_database(name)
        yield
        connections.close_all()
        database.drop_database(name)


@pytest.fixture(scope="session")
def database_cleaner(django_db_setup: None) -> Iterator[database.Cleaner]:
    """Yield what puts the worker's database back after each test."""
    cleaner = database.Cleaner(database.worker_database())
    yield cleaner
    cleaner.close()


@pytest.fixture
def _django_db_helper(
    request: pytest.FixtureRequest, database_cleaner: database.Cleaner, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Open the database for one test, with real commits; stands behind ``db``, ``transactional_db`` and the marker.

    A rolled-back transaction around each test, as Django has it, would hide what tests here are about: the
    tenant set for one transaction, triggers, locks, other processes. What the app changes without an event that names
    it fails the test, unless the test is marked `unattributed` because it writes past the services itself.
    """
    with django_db_blocker.unblock():
        yield
        for connection in connections.all(initialized_only=True):
            if connection.in_atomic_block:  # a test that failed in the middle of a transaction
                connection.close()
                del connections[connection.alias]
        cache.clear()
        unattributed = database_cleaner.clean()
        if unattributed and request.node.get_closest_marker("unattributed") is None:
            pytest.fail(f"No audit event names what the app changed: {', '.join(unattributed)}")


@pytest.fixture
def superuser(db: None) -> Iterator[psycopg.Connection]:
    """Yield a superuser's autocommit connection to the test's database: looks behind row-level security."""
    dsn = database.server().dsn(database=database.worker_database())
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection
