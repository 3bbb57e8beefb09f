"""Where the identity provider reaches a connection; each has its own addresses, and so its own entity ID."""

from typing import Any

from django.conf import settings

from console.links import root_url


def entity_id(connection_id: Any) -> str:
    """Return how we are called: the address of our metadata (saml-metadata-2.0-os section 4.1)."""
    return _address(connection_id, "metadata")


def acs_url(connection_id: Any) -> str:
    """Return where assertions are brought (AssertionConsumerService)."""
    return _address(connection_id, "acs")


def slo_url(connection_id: Any) -> str:
    """Return where logouts are brought (SingleLogoutService)."""
    return _address(connection_id, "slo")


def _address(connection_id: Any, page: str) -> str:
    return f"{settings.PUBLIC_URL}{root_url(f'sso/{connection_id}/saml/{page}/')}"
