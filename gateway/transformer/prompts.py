"""Prompts: what an organization's detectors find in them does not leave the building, and how long they are."""

from collections.abc import Iterable
from typing import Any

from audit.masking.detectors import DETECTORS, find, replaced

_OPAQUE = frozenset(
    {
        *("id", "tool_call_id", "tool_use_id", "file_id", "signature", "encrypted_content"),
        *("data", "file_data", "b64_json", "bytes"),
    }
)
"""Names of values that no person wrote: references that have to stay what they are, and files."""
BYTES_OF_A_TOKEN = 4
"""Of English, and roughly of everything else: what is written in more bytes has more tokens."""


def known_detectors(names: Iterable[str]) -> list[str]:
    """Return those names that a detector of this version has."""
    return [name for name in names if name in DETECTORS]


def masked(document: Any, detectors: list[str]) -> tuple[Any, int]:
    """Return a request's body with everything found replaced by its detector's name in brackets.

    Args:
        document: JSON, left as it is.
        detectors: their names.

    Returns:
        The new document, and how many finds there were.
    """
    finds = 0

    def walk(value: Any, name: str) -> Any:
        nonlocal finds
        if isinstance(value, str):
            if _is_opaque(value, name):
                return value
            found = find(value, detectors)
            finds += len(found)
            return replaced(value, found, lambda detector, _text: f"[{detector}]") if found else value
        if isinstance(value, list):
            return [walk(each, name) for each in value]
        if isinstance(value, dict):
            return {key: walk(each, key) for key, each in value.items()}
        return value

    return walk(document, ""), finds


def tokens_in(document: Any) -> int:
    """Return about how many tokens a request's text has; references and files count nothing, and nothing is exact."""

    def size(value: Any, name: str) -> int:
        if isinstance(value, str):
            if _is_opaque(value, name):
                return 0
            return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
        if isinstance(value, list):
            return sum(size(each, name) for each in value)
        if isinstance(value, dict):
            return sum(size(each, key) for key, each in value.items())
        return 0

    return size(document, "") // BYTES_OF_A_TOKEN


def _is_opaque(value: str, name: str) -> bool:
    return name in _OPAQUE or value.startswith("data:")
