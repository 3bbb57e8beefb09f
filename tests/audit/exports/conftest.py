"""Exports lie in a directory of each test's own."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, settings) -> Path:
    settings.AUDIT_EXPORT_DIRECTORY = tmp_path / "exports"
    return Path(settings.AUDIT_EXPORT_DIRECTORY)
