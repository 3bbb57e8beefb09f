"""Evaluation that has begun before anything happens, and loopback as an allowed network."""

import ipaddress
from typing import Any

import pytest

from audit.alerts.claims import wake


@pytest.fixture(autouse=True)
def _begun(db: None, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.1")]
    settings.OUTBOUND_TIMEOUT = 5
    wake()
