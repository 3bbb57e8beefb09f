"""librdkafka's mock cluster by its own interface in C: it answers requests with the errors that a test wants."""

import ctypes
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

PRODUCE = 0
"""The number of that request in Kafka's protocol."""

ERRORS = {
    "MSG_SIZE_TOO_LARGE": 10,
    "NOT_ENOUGH_REPLICAS": 19,
    "TOPIC_AUTHORIZATION_FAILED": 29,
    "INVALID_TIMESTAMP": 32,
    "INVALID_RECORD": 87,
}
_PRODUCER = 0


def _library() -> ctypes.CDLL:
    """Return the librdkafka that confluent_kafka has loaded."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    library = ctypes.CDLL(next(line.split()[-1] for line in maps if "librdkafka" in line))
    pointers: list[Any] = [
        ("rd_kafka_conf_new", []),
        ("rd_kafka_new", [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]),
        ("rd_kafka_mock_cluster_new", [ctypes.c_void_p, ctypes.c_int]),
    ]
    for name, arguments in pointers:
        function = getattr(library, name)
        function.restype, function.argtypes = ctypes.c_void_p, arguments
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    library.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
    library.rd_kafka_mock_topic_create.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    library.rd_kafka_mock_push_request_errors_array.argtypes = [
        ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int),
    ]  # fmt: skip
    library.rd_kafka_mock_cluster_destroy.argtypes = library.rd_kafka_destroy.argtypes = [ctypes.c_void_p]
    return library


class FailingCluster:
    """A cluster of one broker with one topic of one partition.

    Args:
        topic: its name.
    """

    def __init__(self, topic: str) -> None:
        self._topic, self._library = topic, _library()
        words = ctypes.create_string_buffer(512)
        self._host = self._library.rd_kafka_new(_PRODUCER, self._library.rd_kafka_conf_new(), words, len(words))
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._host, 1)
        self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), 1, 1)
        self.brokers = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def fail(self, *errors: str) -> None:
        """Answer the next produce requests with errors, one each; "" lets one through."""
        numbers = [ERRORS[error] if error else 0 for error in errors]
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, PRODUCE, len(numbers), (ctypes.c_int * len(numbers))(*numbers)
        )

    def numbers(self) -> list[int]:
        """Return the header seq of each message, in the order of the partition."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": "tests", "enable.partition.eof": True})
        consumer.assign([TopicPartition(self._topic, 0, 0)])
        found: list[int] = []
        while True:
            message: Any = consumer.poll(10)
            assert message is not None
            if message.error() is not None:
                break
            found.append(int(dict(message.headers())["seq"]))
        consumer.close()
        return found

    def close(self) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._host)
