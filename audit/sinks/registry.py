"""The destinations that a sink can have, by their kinds, in the order in which they are offered."""

from .base import Destination
from .destinations.datadog import Datadog
from .destinations.elasticsearch import Elasticsearch
from .destinations.file import File
from .destinations.google_secops import GoogleSecOps
from .destinations.kafka import Kafka
from .destinations.otlp import Otlp
from .destinations.s3 import S3
from .destinations.sentinel import Sentinel
from .destinations.splunk_hec import SplunkHec
from .destinations.syslog import Syslog
from .destinations.webhook import Webhook

DESTINATIONS: dict[str, type[Destination]] = {
    each.kind: each
    for each in (
        Webhook,
        SplunkHec,
        Elasticsearch,
        Sentinel,
        Datadog,
        GoogleSecOps,
        S3,
        Syslog,
        Otlp,
        Kafka,
        File,
    )
}


def destination(kind: str) -> type[Destination]:
    """Return a kind's class.

    Raises:
        KeyError: there is none.
    """
    return DESTINATIONS[kind]
