"""Two gateways that all tests of a run share, and keys to try them with."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from accounts.services.key_rules import IssuedKey
from tests.gateway.process import Gateway, wait_until_trusted
from tests.gateway.stage import Keys, platform_key
from tests.people import Tenant


@pytest.fixture(scope="session")
def gateways(django_db_setup: None) -> Iterator[tuple[Gateway, Gateway]]:
    """Return two processes, each with a memory of its own."""
    with ExitStack() as stack:
        both = (stack.enter_context(Gateway()), stack.enter_context(Gateway(TRUSTED_PROXIES="127.0.0.1")))
        for gateway in both:
            wait_until_trusted(gateway)
        yield both


@pytest.fixture
def gateway(gateways: tuple[Gateway, Gateway]) -> Gateway:
    """Return one gateway; it believes no forwarded header."""
    return gateways[0]


@pytest.fixture
def proxied(gateways: tuple[Gateway, Gateway]) -> Gateway:
    """Return a gateway that believes this machine's X-Forwarded-For."""
    return gateways[1]


@pytest.fixture
def platform(db: None) -> IssuedKey:
    """Return a key that verifies the keys of every organization."""
    return platform_key()


@pytest.fixture
def keys(acme: Tenant) -> Keys:
    """Return acme's keys."""
    return Keys(acme)
