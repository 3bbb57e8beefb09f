"""OpenID providers are reachable in every test of single sign-on."""

import pytest

from tests.sso.fixtures import idp, other_idp, reachable, sso

__all__ = ["idp", "other_idp", "reachable", "sso"]  # fixtures of these tests


@pytest.fixture(autouse=True)
def _reachable(reachable: None) -> None:
    """Let each test reach what it starts on loopback."""
