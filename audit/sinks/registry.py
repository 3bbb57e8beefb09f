"""The destinations that a sink can have, by their kinds."""

from .base import Destination
from .destinations.s3 import S3
from .destinations.syslog import Syslog
from .destinations.webhook import Webhook

DESTINATIONS: dict[str, type[Destination]] = {each.kind: each for each in (S3, Syslog, Webhook)}


def destination(kind: str) -> type[Destination]:
    """Return a kind's class.

    Raises:
        KeyError: there is none.
    """
    return DESTINATIONS[kind]
