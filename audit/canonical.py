"""JSON in the one form that is hashed: RFC 8785, the JSON Canonicalization Scheme.

Keys in the order of their UTF-16 code units, no white space, numbers as ECMAScript prints them, strings with the fewest
escapes. NUL characters, which PostgreSQL cannot store, are left out.
"""

import json
import math
from collections.abc import Callable
from typing import Any

LARGEST_INTEGER = 2**53 - 1
"""Beyond it a double, which is what JSON numbers are to RFC 8785, does not hold every integer."""

_PLAIN_BELOW, _PLAIN_DOWN_TO = 21, -6  # ECMAScript's Number::toString: exponents between them are written out

# The C function escapes exactly what RFC 8785, 3.2.2.2 asks for; the Python one stands in where there is no C.
escaped: Callable[[str], str] = getattr(json.encoder, "c_encode_basestring", None) or json.encoder.py_encode_basestring
"""Returns a string without NUL characters, as PostgreSQL has them, as canonical JSON."""


def quoted(text: str) -> str:
    """Return a string as canonical JSON."""
    found = escaped(text)
    return found if "\\u0000" not in found else escaped(text.replace("\0", ""))


def canonical(value: Any) -> str:
    """Return a JSON value in canonical form.

    Raises:
        ValueError: a number that a double does not hold exactly, or that is not finite; a value that is no JSON.
    """
    match value:
        case str():
            return quoted(value)
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case int():
            return _integer(value)
        case float():
            return _number(value)
        case list() | tuple():
            return f"[{','.join(map(canonical, value))}]"
        case dict():
            return canonical_object({name: canonical(each) for name, each in value.items()})
    raise ValueError(f"{type(value).__name__} is no JSON value")


def canonical_object(members: dict[str, str]) -> str:
    """Return an object whose members' values are in canonical form already."""
    inside = ",".join(f"{quoted(name)}:{members[name]}" for name in sorted_names(members))
    return f"{{{inside}}}"


def sorted_names(names: Any) -> list[str]:
    """Return names in the order of their UTF-16 code units (RFC 8785, 3.2.3)."""
    found = list(names)
    if all(map(str.isascii, found)):
        return sorted(found)
    return sorted(found, key=lambda name: name.encode("utf-16-be", "surrogatepass"))


def _integer(value: int) -> str:
    if abs(value) > LARGEST_INTEGER:
        raise ValueError(f"{value} is beyond what a JSON number holds exactly")
    return str(value)


def _number(value: float) -> str:
    """Return a double as ECMAScript's Number::toString does (ECMA-262, 6.1.6.1.20)."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is no JSON number")
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + int(exponent or 0)
    digits = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    return ("-" if value < 0 else "") + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """Return the digits with the decimal point after the first `point` of them."""
    count = len(digits)
    if count <= point <= _PLAIN_BELOW:
        return digits + "0" * (point - count)
    if 0 < point <= _PLAIN_BELOW:
        return f"{digits[:point]}.{digits[point:]}"
    if _PLAIN_DOWN_TO < point <= 0:
        return f"0.{'0' * -point}{digits}"
    power = f"e{point - 1:+d}"
    return f"{digits[0]}.{digits[1:]}{power}" if count > 1 else f"{digits}{power}"
