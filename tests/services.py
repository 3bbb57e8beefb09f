"""Services outside of Python that a test needs; CI sets REQUIRE_SERVICES=1 and then a skip is a failure."""

import shutil

import pytest

SERVICE_MISSING = "service missing:"


def require_program(*names: str, hint: str) -> str:
    """Return the path of the first program found; skip the test when there is none.

    Args:
        names: program names or absolute paths, best first.
        hint: how to get it, such as "Debian's package chromium".
    """
    for name in names:
        if path := shutil.which(name):
            return path
    pytest.skip(f"{SERVICE_MISSING} {names[0]} ({hint})")
