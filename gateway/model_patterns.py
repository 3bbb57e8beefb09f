"""Patterns of models' names, as credentials, limits and prices state them."""

from collections.abc import Sequence
from fnmatch import fnmatchcase


def model_fits(patterns: Sequence[str], model: str) -> bool:
    """Return whether a model is one of those that the patterns name; no patterns name every model."""
    return not patterns or any(fnmatchcase(model, pattern) for pattern in patterns)
