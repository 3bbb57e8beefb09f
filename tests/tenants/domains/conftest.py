"""A name server for each test, and the portal told to ask it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.tenants.domains.nameserver import NameServer


@pytest.fixture
def zone(settings: Any) -> Iterator[NameServer]:
    """Run a name server that is asked instead of the system's."""
    server = NameServer()
    with server.running():
        settings.DNS_RESOLVERS = [server.address]
        settings.DNS_TIMEOUT = 1
        yield server
