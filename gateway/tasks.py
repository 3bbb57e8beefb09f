"""Work of the proxy that beat starts."""

from celery import shared_task

from isolation.actor import SYSTEM
from isolation.context import acting_as

from .services.signing_keys import settle_signing_keys


@shared_task(name="gateway.tasks.keep_signing_keys")
def keep_signing_keys() -> None:
    """Rotate the signing keys when it is time, and withdraw those that nobody needs any more."""
    with acting_as(SYSTEM):
        settle_signing_keys()
