"""Brokers carry no events: delivery goes on whatever becomes of their messages (Redis, RabbitMQ, PostgreSQL)."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from celery.contrib.testing.worker import start_worker
from django.conf import settings
from kombu import Connection
from kombu.transport.sqlalchemy import Transport

from audit.tasks import deliver_events
from portal.celery import app
from tests.audit.sinks.brokers import Broker, RabbitMQ, Redis
from tests.audit.sinks.fakes.base import check_complete
from tests.audit.sinks.fakes.webhook import WebhookFake
from tests.audit.sinks.stage import cursor_of, happen, sealed
from tests.people import Tenant
from tests.portal.test_broker import broker as embedded
from tests.portal.test_worker import forget_connections

__all__ = ["embedded"]
PATIENCE = 60


@pytest.fixture(params=[Redis, RabbitMQ], ids=lambda kind: kind.name)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    made: Broker = request.param(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.close()


@contextmanager
def messages_over(url: str) -> Iterator[None]:
    """Let tasks be sent over a broker."""
    usual = {name: app.conf[name] for name in ("broker_url", "task_always_eager")}
    forget_connections()
    app.conf.update(broker_url=url, task_always_eager=False)
    try:
        yield
    finally:
        app.conf.update(usual)
        forget_connections()


@contextmanager
def delivery_worker() -> Iterator[None]:
    """Run the worker of the queue that deliveries have."""
    with start_worker(
        app, loglevel=settings.LOG_LEVEL, perform_ping_check=False, queues=["delivery"], shutdown_timeout=PATIENCE
    ):
        yield


def beat() -> None:
    """Send what the schedule sends each second."""
    entry = app.conf.beat_schedule["deliver sealed events to sinks"]
    deliver_events.apply_async(**entry["options"], retry=True, retry_policy={"max_retries": 20, "interval_max": 0.2})


def until(done: Callable[[], bool]) -> None:
    """Wait for the worker, while messages come as the schedule sends them."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline
        beat()
        threading.Event().wait(0.2)


def test_a_broker_that_loses_every_message_loses_no_event(acme: Tenant, broker: Broker) -> None:
    with WebhookFake.running() as fake, messages_over(broker.url):
        sink = fake.sink(acme, batch_events=20)
        happen(acme, 100)
        for _message in range(5):
            beat()
        broker.wipe()  # before anybody has taken one
        with delivery_worker():
            until(lambda: cursor_of(sink).next_seq == sealed(acme))
            broker.wipe()  # while a worker is connected
            happen(acme, 100)
            until(lambda: cursor_of(sink).next_seq == sealed(acme))
        check_complete(fake, acme, sink)


def test_messages_that_are_deleted_from_the_embedded_broker_lose_no_event(
    acme: Tenant, embedded: Connection, superuser: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Transport, "polling_interval", 0.05)
    with WebhookFake.running() as fake, messages_over(embedded.as_uri(include_password=True)):
        sink = fake.sink(acme, batch_events=20)
        happen(acme, 100)
        beat()
        assert superuser.execute("DELETE FROM broker.kombu_message").rowcount == 1
        with delivery_worker():
            until(lambda: cursor_of(sink).next_seq == sealed(acme))
        check_complete(fake, acme, sink)
