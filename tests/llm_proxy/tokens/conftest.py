"""Keys of the organizations in which tokens are asked for."""

import pytest

from tests.gateway.stage import Keys
from tests.llm_proxy.tokens.stage import switch_on
from tests.people import Tenant


@pytest.fixture
def keys(acme: Tenant) -> Keys:
    """Return what makes keys of acme, where the proxy is on."""
    switch_on(acme)
    return Keys(acme)
