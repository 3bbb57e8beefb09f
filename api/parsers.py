"""Reads JSON bodies, strictly: what PostgreSQL could not store, or two readers could read differently, is refused."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

_BIGINT = 2**63
_DEEPEST = 64


class StrictJSONParser(BaseParser):
    """Parses `application/json` in UTF-8."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the parsed body.

        Raises:
            ParseError: as `read_json`.
        """
        return read_json(stream.read())


class UnstorableText(ParseError):  # noqa: N818 - reads as the statement it is
    """A text holds what PostgreSQL cannot store: a NUL or half of a surrogate pair."""


def read_json(body: bytes) -> Any:
    """Return what a JSON text in UTF-8 says.

    Raises:
        UnstorableText: a text in it holds a NUL or half of a surrogate pair.
        ParseError: bad UTF-8, no JSON, nested deeper than 64, a name twice in one object, NaN, a number out of range.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_bigint,
        )
        _refuse_unstorable(value)
    except UnicodeDecodeError as error:
        raise ParseError(f"The body is not UTF-8 (byte {error.start}). Encode it as UTF-8.") from error
    except RecursionError as error:
        raise ParseError("The body is nested too deeply. Send plain objects.") from error
    except json.JSONDecodeError as error:
        raise ParseError(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ParseError("The body names a member twice in one object. Name each once.")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ParseError(f"{text} is not JSON. Send a number or null.")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ParseError("A number is out of range. Send a smaller one.")
    return number


def _bigint(text: str) -> int:
    if len(text) > len(str(-_BIGINT)) or not -_BIGINT <= int(text) < _BIGINT:
        raise ParseError("A whole number is out of range (64 bits). Send a smaller one.")
    return int(text)


def _refuse_unstorable(value: Any, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise RecursionError
    match value:
        case str():
            refuse_unstorable_text(value)
        case dict():
            for name, inner in value.items():
                refuse_unstorable_text(name)
                _refuse_unstorable(inner, depth + 1)
        case list():
            for inner in value:
                _refuse_unstorable(inner, depth + 1)


def refuse_unstorable_text(text: str) -> None:
    """Refuse a text that PostgreSQL cannot store.

    Raises:
        UnstorableText: it holds a NUL or half of a surrogate pair.
    """
    if "\x00" in text:
        raise UnstorableText("A text holds a NUL character (U+0000). Leave it out.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnstorableText(
            "A text holds half of a surrogate pair (U+D800 to U+DFFF). Send whole characters."
        ) from error
