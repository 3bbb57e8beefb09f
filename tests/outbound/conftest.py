"""Loopback may be fetched, and a fetch has to be over soon."""

import ipaddress
from typing import Any

import pytest

from tests.outbound.authority import Authority


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.1"), ipaddress.ip_network("::1")]
    settings.OUTBOUND_TIMEOUT = 5


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def hurry(settings: Any) -> None:
    """Let a fetch end after three tenths of a second."""
    settings.OUTBOUND_TIMEOUT = 0.3


@pytest.fixture
def public_only(settings: Any) -> None:
    """Allow what an installation allows by default."""
    settings.OUTBOUND_ALLOWED_NETWORKS = []
