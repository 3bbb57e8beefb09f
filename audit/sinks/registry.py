"""The destinations that a sink can have, by their kinds."""

from .base import Destination
from .destinations.file import File
from .destinations.kafka import Kafka
from .destinations.otlp import Otlp
from .destinations.s3 import S3
from .destinations.syslog import Syslog
from .destinations.webhook import Webhook

DESTINATIONS: dict[str, type[Destination]] = {each.kind: each for each in (File, Kafka, Otlp, S3, Syslog, Webhook)}


def destination(kind: str) -> type[Destination]:
    """Return a kind's class.

    Raises:
        KeyError: there is none.
    """
    return DESTINATIONS[kind]
