"""Kafka, by librdkafka's idempotent producer.

Brokers name each other's addresses, and librdkafka connects to those by itself, where nobody can check them: it is for
the installation alone.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any, ClassVar
from uuid import UUID

from audit.sinks.base import Destination, Entry, Item, Limits, Option, Rejection, refuse
from audit.sinks.exceptions import Blocked, DeliveryError, Later, Refused
from audit.sinks.http import CONNECTION
from isolation.scope import INSTALLATION
from outbound.session import tls_of

logger = logging.getLogger("gatehouse.audit.kafka")

TIMEOUT = 20
"""Seconds in which every message of a batch is acknowledged, or counts as lost."""

_ADDRESS = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}"
_BROKERS = re.compile(rf"{_ADDRESS}(?:,{_ADDRESS})*")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_TLS = frozenset({"ssl", "sasl_ssl"})
_NEEDS_SOMEBODY = (
    "_AUTHENTICATION",
    "_SSL",
    "_UNKNOWN_TOPIC",
    "_INVALID_ARG",
    "CLUSTER_AUTHORIZATION_FAILED",
    "INVALID_CONFIG",
    "POLICY_VIOLATION",
    "SASL_AUTHENTICATION_FAILED",
    "TOPIC_AUTHORIZATION_FAILED",
    "TOPIC_EXCEPTION",
    "UNKNOWN_TOPIC_OR_PART",
    "UNSUPPORTED_SASL_MECHANISM",
)
_REJECTED = (
    "INVALID_MSG",
    "INVALID_RECORD",
    "INVALID_TIMESTAMP",
    "MSG_SIZE_TOO_LARGE",
    "RECORD_LIST_TOO_LARGE",
    "_INVALID_DIFFERENT_RECORD",
)
"""What is said of messages. Of a broker's answers, all of one request share it, whichever message it is about."""


class Kafka(Destination):
    """Produces a message for each event."""

    kind = "kafka"
    label = "Kafka"
    summary = "Messages in a topic, by an idempotent producer; the organization is the key."
    steps = (
        "Make a topic with at least two in-sync replicas, and a user that may write to it (WRITE, IDEMPOTENT_WRITE).",
        "Write brokers, topic, security, user and password here, and certificates in PEM.",
        "Send a test event.",
    )
    guarantee = (
        "An event counts as delivered when all in-sync replicas have it. The producer is idempotent for as long as it "
        "runs, ten seconds or less: an event that comes again after a failure is another message with the same id. "
        "The events of an organization are in one partition, in order, as long as the number of partitions stays."
    )
    options: ClassVar[tuple[Option, ...]] = (
        Option("brokers", "Brokers", "host:port, several with commas between them.", is_address=True),
        Option("topic", "Topic", "It has to exist."),
        Option(
            "security", "Security", "", Entry.CHOICE, default="sasl_ssl",
            choices=(
                ("sasl_ssl", "TLS, user and password"),
                ("ssl", "TLS, with or without client certificate"),
                ("sasl_plaintext", "User and password, without TLS"),
                ("plaintext", "None"),
            ),
        ),
        Option(
            "mechanism", "How the password is sent", "", Entry.CHOICE, default="SCRAM-SHA-512",
            choices=tuple((name, name) for name in ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")),
        ),
        Option("username", "User", required=False),
        Option("password", "Password", secret=True, required=False),
        *CONNECTION[:3],
    )  # fmt: skip
    limits = Limits(events=2_000, bytes=2_000_000, item=900_000)
    takes_text = True
    for_operators = True

    def __init__(self, options: Mapping[str, Any], sink_id: UUID) -> None:
        super().__init__(options, sink_id)
        self._producer: Any = None
        self._trouble: Any = None
        self._last = ""

    @classmethod
    def missing(cls) -> str:
        """Return how to install what it needs."""
        if find_spec("confluent_kafka") is not None:
            return ""
        return "Kafka needs confluent-kafka. Install Gatehouse with the extra kafka, or pip install confluent-kafka."

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse what cannot work.

        Raises:
            DomainError: with the option's name.
        """
        if not _BROKERS.fullmatch(str(options["brokers"])):
            raise refuse("brokers", "Write each broker as host:port, with commas between them.")
        if not _TOPIC.fullmatch(str(options["topic"])) or options["topic"] in {".", ".."}:
            raise refuse("topic", "A topic's name has up to 249 letters, digits, dots, hyphens and underscores.")
        if str(options["security"]).startswith("sasl"):
            for name in ("username", "password"):
                if not options.get(name):
                    raise refuse(name, "User and password are needed, or another kind of security.")
        try:
            tls_of(*(str(options.get(name, "")) for name in ("authorities", "client_certificate", "client_key")))
        except ValueError as error:
            raise refuse("authorities" if "authorities" in str(error) else "client_certificate", str(error)) from error

    def send(self, batch: Sequence[Item]) -> list[Rejection]:
        """Produce a batch, and wait until every message of it is acknowledged.

        Raises:
            Later: one was not.
            Blocked: nothing can be produced until somebody changes something.
            Refused: brokers did not accept some of the messages, and do not say which.
        """
        from confluent_kafka import KafkaException  # noqa: PLC0415 - an extra

        failed: dict[int, Any] = {}
        delivered: set[int] = set()
        rejections: list[Rejection] = []
        stopped = None

        def answered(position: int, error: Any) -> None:
            if error is None:
                delivered.add(position)
            else:
                failed[position] = error

        try:
            producer = self._connected()
            for position, item in enumerate(batch):
                if refusal := self._produce(producer, item, partial(answered, position)):
                    rejections.append(Rejection(position, refusal))
        except KafkaException as error:
            stopped = error.args[0]
        if self._producer is not None:
            self._producer.flush(TIMEOUT + 1)
        if len(delivered) + len(rejections) == len(batch):
            return rejections
        self.close()  # it would go on behind what is missing
        refused = [position for position, error in failed.items() if error.name() in _REJECTED]
        if not refused:
            raise self._judged(self._trouble or stopped or next(iter(failed.values()), None))
        told = _answer(failed[refused[0]])
        if len(batch) - len(rejections) > 1:
            raise Refused(told)
        return [*rejections, Rejection(refused[0], told)]

    def close(self) -> None:
        """Forget the producer, and what it has not sent: it comes again."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(1)
            self._producer = None

    def _produce(self, producer: Any, item: Item, answer: Callable[[Any], None]) -> str:
        """Hand a message over; return why it cannot be one, "" when it can.

        Raises:
            KafkaException: none can be produced.
            Later: too many wait already.
        """
        from confluent_kafka import KafkaException  # noqa: PLC0415

        log = "installation" if item.log == INSTALLATION else str(item.log)
        end = time.monotonic() + TIMEOUT
        while True:
            try:
                producer.produce(
                    str(self.given["topic"]),
                    item.text.encode(),
                    log.encode(),
                    timestamp=int(item.time.timestamp() * 1_000),
                    headers={"id": item.id, "seq": str(item.seq), "log": log, "action": item.action},
                    on_delivery=lambda error, _message: answer(error),
                )
            except KafkaException as error:
                if error.args[0].name() not in _REJECTED:
                    raise
                return _answer(error.args[0])
            except BufferError:
                if time.monotonic() > end:
                    raise Later("Kafka takes no more messages now.") from None
                producer.poll(0.1)
            else:
                producer.poll(0)
                return ""

    def _connected(self) -> Any:
        from confluent_kafka import Producer  # noqa: PLC0415

        if self._producer is None:
            self._producer = Producer(self.configuration(), logger=logger)
        return self._producer

    def configuration(self) -> dict[str, Any]:
        """Return how librdkafka is set up."""
        given = self.given
        found: dict[str, Any] = {
            "bootstrap.servers": given["brokers"],
            "client.id": "gatehouse",
            "security.protocol": given["security"],
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "lz4",
            "linger.ms": 5,
            "delivery.timeout.ms": TIMEOUT * 1_000,
            "request.timeout.ms": TIMEOUT * 1_000 // 2,
            "error_cb": self._note,
        }
        if str(given["security"]).startswith("sasl"):
            found |= {"sasl.mechanism": given["mechanism"]}
            found |= {"sasl.username": given["username"], "sasl.password": given["password"]}
        if given["security"] in _TLS:
            texts = {
                "ssl.ca.pem": given.get("authorities"),
                "ssl.certificate.pem": given.get("client_certificate"),
                "ssl.key.pem": given.get("client_key"),
            }
            found |= {name: text for name, text in texts.items() if text}
        return found

    def _note(self, error: Any) -> None:
        self._last = error.name().lstrip("_")
        if error.name() in _NEEDS_SOMEBODY:
            self._trouble = error

    def _judged(self, error: Any) -> DeliveryError:
        """Return what an error means; librdkafka's own words may name what it was set up with."""
        self._trouble = None
        if error is None or error.name() == "_MSG_TIMED_OUT":
            why = f" ({self._last})" if self._last else ""
            return Later(f"Kafka did not acknowledge every event within {TIMEOUT} seconds{why}.")
        told = _answer(error)
        if error.name() in _NEEDS_SOMEBODY:
            return Blocked(f"{told} Check brokers, topic, user and certificates.")
        return Later(told)


def _answer(error: Any) -> str:
    return f"Kafka answered {error.name().lstrip('_')}."
