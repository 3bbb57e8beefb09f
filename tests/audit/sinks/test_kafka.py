"""Kafka: librdkafka's mock cluster has every event once, in one partition for each organization."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from audit.models import Sink, SinkState
from audit.services.sinks import update_sink
from audit.sinks.base import Item
from audit.sinks.destinations import kafka as module
from audit.sinks.destinations.kafka import Kafka
from audit.sinks.exceptions import Blocked, Refused
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import DomainError
from isolation.scope import INSTALLATION, tenant_scope
from tests.audit.sinks.kafka_cluster import FailingCluster
from tests.audit.sinks.stage import (
    cursor_in,
    happen,
    installation_sink,
    sealed,
    sink_of,
    turns,
)
from tests.people import Tenant

TOPIC, PARTITIONS = "audit", 4


class Cluster:
    """librdkafka's mock cluster of three brokers, which lives in a producer and makes topics as they are asked for."""

    def __init__(self) -> None:
        self._host = Producer({"test.mock.num.brokers": 3, "bootstrap.servers": "mock"})
        self.brokers = ",".join(
            f"{broker.host}:{broker.port}" for broker in self._host.list_topics(timeout=10).brokers.values()
        )

    def messages(self) -> list[Any]:
        """Return the messages of all partitions, in their order."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": "tests", "enable.partition.eof": True})
        consumer.assign([TopicPartition(TOPIC, number, 0) for number in range(PARTITIONS)])
        found, ends = [], 0
        while ends < PARTITIONS:
            message = consumer.poll(10)
            assert message is not None
            if message.error() is None:
                found.append(message)
            else:
                ends += 1
        consumer.close()
        return found


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def kafka(brokers: str, **values: Any) -> Sink:
    more = values.pop("options", {})
    given = {"brokers": brokers, "topic": TOPIC, "security": "plaintext", **more}
    return installation_sink("kafka", given, **{"from_beginning": True, **values})


def of(tenant: Tenant, messages: list[Any]) -> list[Any]:
    return [each for each in messages if each.key() == str(tenant.organization.pk).encode()]


def numbers(messages: list[Any]) -> list[int]:
    return [json.loads(message.value())["seq"] for message in messages]


def test_an_organization_has_none(acme: Tenant) -> None:
    with pytest.raises(DomainError, match="for sinks of the installation alone"):
        sink_of(acme, "kafka", {"brokers": "kafka.acme.example:9092", "topic": TOPIC, "security": "plaintext"})


def test_every_event_is_a_message_once_and_in_order(acme: Tenant, globex: Tenant, cluster: Cluster) -> None:
    sink = kafka(cluster.brokers, batch_events=30)
    happen(acme, 100)
    happen(globex, 50)
    turns()
    messages = cluster.messages()
    for tenant in (acme, globex):
        mine = of(tenant, messages)
        assert numbers(mine) == list(range(sealed(tenant)))
        assert len({message.partition() for message in mine}) == 1
        assert cursor_in(sink, tenant).lag_events == 0


def test_a_message_names_its_event(acme: Tenant, cluster: Cluster) -> None:
    kafka(cluster.brokers)
    happen(acme, 1)
    turns()
    message = of(acme, cluster.messages())[-1]
    record = json.loads(message.value())
    headers = {name: value.decode() for name, value in message.headers()}
    assert headers == {
        "id": record["event"]["id"],
        "seq": str(record["seq"]),
        "log": str(acme.organization.pk),
        "action": "member.role_changed",
    }


def test_brokers_that_do_not_answer_lose_nothing(
    acme: Tenant, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 2)
    sink = kafka("127.0.0.1:9")
    happen(acme, 3)
    turns()
    cursor = cursor_in(sink, acme)
    assert (cursor.state, cursor.next_seq) == (SinkState.RETRYING, 0)
    assert "did not acknowledge" in cursor.last_error
    with tenant_scope(INSTALLATION), acting_as(SYSTEM):
        update_sink(sink=sink, options={"brokers": cluster.brokers}, actor=SYSTEM)
    turns()
    assert numbers(of(acme, cluster.messages())) == list(range(sealed(acme)))


def test_an_event_that_is_too_large_for_the_topic_is_set_aside(cluster: Cluster) -> None:
    """Asked of the destination itself: no event of ours is that large."""
    destination = Kafka({"brokers": cluster.brokers, "topic": TOPIC, "security": "plaintext"}, uuid4())
    texts = ["{}", "x" * 1_200_000, "{}"]
    batch = [Item(seq, str(uuid4()), uuid4(), datetime.now(UTC), "test", text) for seq, text in enumerate(texts)]
    try:
        (rejection,) = destination.send(batch)
    finally:
        destination.close()
    assert rejection.position == 1
    assert "MSG_SIZE_TOO_LARGE" in rejection.reason
    assert len(cluster.messages()) == 2


@pytest.fixture
def failing() -> Iterator[FailingCluster]:
    cluster = FailingCluster(TOPIC)
    yield cluster
    cluster.close()


def items(*texts: str) -> list[Item]:
    return [Item(seq, str(uuid4()), uuid4(), datetime.now(UTC), "test", text) for seq, text in enumerate(texts)]


@pytest.mark.parametrize("error", ["MSG_SIZE_TOO_LARGE", "INVALID_RECORD", "INVALID_TIMESTAMP"])
def test_a_request_that_is_refused_is_no_verdict_on_each_of_its_messages(failing: FailingCluster, error: str) -> None:
    """Brokers judge a request, in which librdkafka has put many messages together."""
    destination = Kafka({"brokers": failing.brokers, "topic": TOPIC, "security": "plaintext"}, uuid4())
    batch = items(*["{}"] * 20)
    failing.fail(error)
    try:
        with pytest.raises(Refused, match=error):
            destination.send(batch)
        assert destination.send(batch) == []  # by another producer, in order
        failing.fail(error)
        (alone,) = destination.send(batch[:1])
        assert (alone.position, error in alone.reason) == (0, True)
        failing.fail(error)
        large, other = destination.send(items("x" * 1_200_000, "{}"))
        assert ("MSG_SIZE_TOO_LARGE" in large.reason, error in other.reason) == (True, True)
    finally:
        destination.close()
    assert failing.numbers() == list(range(20))


def test_a_topic_that_may_not_be_written_to_needs_somebody(failing: FailingCluster) -> None:
    destination = Kafka({"brokers": failing.brokers, "topic": TOPIC, "security": "plaintext"}, uuid4())
    failing.fail("TOPIC_AUTHORIZATION_FAILED")
    with pytest.raises(Blocked, match="TOPIC_AUTHORIZATION_FAILED"):
        destination.send(items("{}", "{}"))
    destination.close()


def test_too_few_replicas_are_waited_for(failing: FailingCluster) -> None:
    destination = Kafka({"brokers": failing.brokers, "topic": TOPIC, "security": "plaintext"}, uuid4())
    failing.fail("NOT_ENOUGH_REPLICAS")
    assert destination.send(items("{}", "{}")) == []
    destination.close()
    assert failing.numbers() == [0, 1]


def test_the_producer_is_idempotent_and_waits_for_all_replicas() -> None:
    given = {
        "brokers": "k:9093",
        "topic": TOPIC,
        "security": "sasl_ssl",
        "mechanism": "SCRAM-SHA-512",
        "username": "gatehouse",
        "password": "a secret",
        "authorities": "PEM",
    }
    found = Kafka(given, INSTALLATION).configuration()
    assert found["enable.idempotence"] is True
    assert found["acks"] == "all"
    assert found["security.protocol"] == "sasl_ssl"
    assert found["sasl.mechanism"] == "SCRAM-SHA-512"
    assert found["ssl.ca.pem"] == "PEM"


def test_without_the_extra_it_says_what_to_install(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    with pytest.raises(DomainError, match="pip install"):
        kafka("127.0.0.1:9")
    monkeypatch.undo()
    assert Kafka.missing() == ""


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("brokers", "kafka", "host:port"),
        ("brokers", "kafka:9092 sasl.username=x", "host:port"),
        ("topic", "a topic", "249 letters"),
        ("security", "sasl_ssl", "User and password"),
        ("authorities", "no certificate", "not in PEM form"),
    ],
)
def test_what_cannot_work_is_refused(db: None, name: str, value: str, text: str) -> None:
    with pytest.raises(DomainError, match=text):
        kafka("127.0.0.1:9", options={name: value})
