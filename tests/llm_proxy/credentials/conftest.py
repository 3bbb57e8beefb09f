"""Servers that give credentials, and providers that take them, on loopback."""

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
def giver() -> Iterator[Receiver]:
    """Return a token endpoint, or a Vault, that answers as a test wants."""
    with Receiver().running() as running:
        yield running


@pytest.fixture
def provider(settings: Any) -> Iterator[Receiver]:
    """Return a provider whose address the operator allows."""
    with Receiver().running() as running:
        settings.PROXY_UPSTREAMS = [running.url]
        yield running
