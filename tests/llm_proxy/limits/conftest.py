"""Both places where limits are counted."""

from collections.abc import Iterator

import pytest

from tests.llm_proxy.limits.redis_server import redis_server
from tests.llm_proxy.limits.stage import POSTGRES


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Return the address of a Redis that all tests share; each test's limits have ids of their own."""
    with redis_server() as url:
        yield url


@pytest.fixture(params=[POSTGRES, "redis"])
def place(request: pytest.FixtureRequest) -> str:
    """Return where the counters are: the database, or a Redis."""
    return POSTGRES if request.param == POSTGRES else str(request.getfixturevalue("redis_url"))
