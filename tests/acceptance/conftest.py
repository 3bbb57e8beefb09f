"""A browser for each acceptance test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.acceptance.chromium import chromium


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Return a browser of the test's own."""
    with chromium() as launched:
        yield launched
