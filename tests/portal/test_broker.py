"""Celery's broker on the embedded PostgreSQL, as the role that runs the portal."""

import queue
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from kombu import Connection
from pytest_django.fixtures import Settings

from portal.embedded_postgres import PORT
from portal.tasks import sweep_broker
from tests import database


@pytest.fixture
def broker(db: None, settings: Settings) -> Iterator[Connection]:
    settings.CELERY_BROKER_URL = (
        f"sqla+postgresql+psycopg://gatehouse_app@/{database.worker_database()}"
        f"?host={database.server().socket_directory}&port={PORT}&options=-csearch_path%3Dbroker"
    )
    with Connection(settings.CELERY_BROKER_URL) as broker:
        yield broker
        channel: Any = broker.default_channel
        channel.session.close()
        for engine, _ in channel._engines.values():  # kombu keeps its pool for the life of the process
            engine.dispose()
        channel._engines.clear()


def messages() -> dict[bool, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT visible, count(*) FROM broker.kombu_message GROUP BY 1")
        return dict(cursor.fetchall())


def test_messages_arrive_once_and_in_order(broker: Connection) -> None:
    with broker.SimpleQueue("work") as work:
        for number in range(5):
            work.put({"number": number})
        assert messages() == {True: 5}
        received = []
        for _ in range(5):
            message = work.get(timeout=5)
            message.ack()
            received.append(message.payload["number"])
        assert received == [0, 1, 2, 3, 4]
        with pytest.raises(queue.Empty):
            work.get(block=False)


def test_delivered_messages_are_swept_and_waiting_ones_stay(broker: Connection) -> None:
    with broker.SimpleQueue("work") as work:
        work.put("one")
        work.put("two")
        work.get(timeout=5).ack()
        assert sweep_broker() == 1
        assert messages() == {True: 1}


def test_another_broker_is_left_alone(db: None) -> None:
    assert sweep_broker() == 0
