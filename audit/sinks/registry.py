"""The destinations that a sink can have, by their kinds."""

from .base import Destination
from .destinations.datadog import Datadog
from .destinations.elasticsearch import Elasticsearch
from .destinations.google_secops import GoogleSecOps
from .destinations.sentinel import Sentinel
from .destinations.splunk_hec import SplunkHec
from .destinations.webhook import Webhook

DESTINATIONS: dict[str, type[Destination]] = {
    each.kind: each
    for each in (
        Webhook,
        SplunkHec,
        Elasticsearch,
        Datadog,
        Sentinel,
        GoogleSecOps,
    )
}


def destination(kind: str) -> type[Destination]:
    """Return a kind's class.

    Raises:
        KeyError: there is none.
    """
    return DESTINATIONS[kind]
