"""A SAML identity provider in this process, and acme's connection to it."""

import pytest

from tests.people import Tenant
from tests.sso.fixtures import reachable
from tests.sso.saml.provider import SamlIdp
from tests.sso.saml.stage import Saml, connect_saml
from tests.sso.stage import verify_domain

__all__ = ["reachable"]  # a fixture of these tests


@pytest.fixture(autouse=True)
def _reachable(reachable: None) -> None:
    """Let each test reach what it starts on loopback."""


@pytest.fixture
def idp() -> SamlIdp:
    """Return a provider that does everything right until a test says otherwise."""
    return SamlIdp("https://idp.example/saml")


@pytest.fixture
def saml(acme: Tenant, idp: SamlIdp) -> Saml:
    """Return acme's connection; its domain is verified, and its member comes from the provider."""
    verify_domain(acme)
    return connect_saml(acme, idp)
