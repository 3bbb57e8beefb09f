"""What is an id, and what may be a name."""

from uuid import UUID

import pytest

from isolation.identifiers import is_uuid, parse_uuid

WRITTEN = "0b9c2f4e-7a51-4d0e-9d0c-3f6a1c2b4d5e"


def test_an_id_as_we_write_it() -> None:
    assert is_uuid(WRITTEN)
    assert parse_uuid(WRITTEN) == UUID(WRITTEN)


@pytest.mark.parametrize("text", [WRITTEN.upper(), WRITTEN.replace("-", ""), f"{{{WRITTEN}}}", f"urn:uuid:{WRITTEN}"])
def test_another_spelling_is_read_and_may_be_a_name(text: str) -> None:
    assert parse_uuid(text) == UUID(WRITTEN)
    assert not is_uuid(text)


@pytest.mark.parametrize("text", ["", "None", "chatbot", WRITTEN[:-1], f"{WRITTEN}\0"])
def test_what_is_none(text: str) -> None:
    assert parse_uuid(text) is None
    assert not is_uuid(text)
