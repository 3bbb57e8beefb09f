"""Ids of rows, as people and programs write them (no models)."""

from uuid import UUID


def parse_uuid(text: str) -> UUID | None:
    """Return the UUID that a text is, in any spelling; None when it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID as we write it, in lower case and with hyphens: whatever else may be a name."""
    found = parse_uuid(text)
    return found is not None and str(found) == text
