"""A receiver, and loopback as an allowed network."""

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest

from tests.audit.sinks.receivers import Receiver


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.1")]
    settings.OUTBOUND_TIMEOUT = 5


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running
