"""OpenID providers of two organizations, for every directory whose tests sign people in through them."""

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest

from tests.people import Tenant
from tests.sso.hostile import Hostile, hostile_provider
from tests.sso.stage import CLIENT_ID, CLIENT_SECRET, Sso, connect, verify_domain


@pytest.fixture
def reachable(settings: Any) -> None:
    """Let the tests' providers be on loopback, and be asked as often as it takes."""
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    settings.OUTBOUND_TIMEOUT = 5
    settings.API_RATE_PER_ADDRESS = 1_000_000


@pytest.fixture
def idp(reachable: None) -> Iterator[Hostile]:
    """Return a provider that does everything right until a test says otherwise."""
    with hostile_provider(client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as provider:
        yield provider


@pytest.fixture
def other_idp(reachable: None) -> Iterator[Hostile]:
    """Return another organization's provider."""
    with hostile_provider(client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as provider:
        yield provider


@pytest.fixture
def sso(acme: Tenant, idp: Hostile) -> Sso:
    """Return acme's connection; its domain is verified, and its member comes from the provider."""
    verify_domain(acme)
    idp.claims |= {"sub": "u-1", "email": "member@acme.example", "name": "Mem Ber"}
    return connect(acme, idp)
