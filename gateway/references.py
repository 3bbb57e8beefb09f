"""How people and programs name a row: by its id, or as it is called."""

from uuid import UUID


def is_uuid(text: str) -> bool:
    """Return whether a text is an id as we write it."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
