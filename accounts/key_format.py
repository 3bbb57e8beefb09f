"""How keys look: one recognizable format for secrets and public ids, checked without asking anybody.

``gatesk_<kind>_<environment>_<43 base62>_<6 base62>`` is a secret of 256 bits, ``gatepk_…_<22 base62>_<6 base62>`` the
public id of 128 bits that belongs to it. The last part is the CRC-32 of everything before it, so that a typo and a
scanner's false alarm never reach the database. Underscores let a double click select all of it.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from enum import StrEnum

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_DIGITS, _PUBLIC_DIGITS, _CHECKSUM_DIGITS = 43, 22, 6
_SECRET_BYTES, _PUBLIC_BYTES = 32, 16
LAST_CHARACTERS = 4


class KeyKind(StrEnum):
    """Whose a key is, or what it opens."""

    PROJECT = "project"
    ORGANIZATION = "organization"
    PERSONAL = "personal"
    SERVICE_ACCOUNT = "service_account"
    PLATFORM = "platform"
    SCIM = "scim"


API_KEY_KINDS = (KeyKind.PROJECT, KeyKind.ORGANIZATION, KeyKind.PERSONAL, KeyKind.SERVICE_ACCOUNT)
"""The kinds of an organization's API keys; the others open one thing each: introspection, and provisioning."""

KIND_CODES: dict[str, str] = {
    KeyKind.PROJECT: "prj",
    KeyKind.ORGANIZATION: "org",
    KeyKind.PERSONAL: "usr",
    KeyKind.SERVICE_ACCOUNT: "svc",
    KeyKind.PLATFORM: "plt",
    KeyKind.SCIM: "scm",
}
ENVIRONMENT_CODES: dict[str, str] = {"production": "prod", "staging": "stg", "development": "dev"}
_KINDS = {code: KeyKind(kind) for kind, code in KIND_CODES.items()}
_ENVIRONMENTS = {code: environment for environment, code in ENVIRONMENT_CODES.items()}

SECRET_PATTERN = (
    rf"gatesk_(?:{'|'.join(_KINDS)})_(?:{'|'.join(_ENVIRONMENTS)})"
    rf"_[0-9A-Za-z]{{{_SECRET_DIGITS}}}_[0-9A-Za-z]{{{_CHECKSUM_DIGITS}}}"
)
"""The regular expression that secret scanners are given."""
_PART = re.compile(
    rf"gate(sk|pk)_({'|'.join(_KINDS)})_({'|'.join(_ENVIRONMENTS)})_([0-9A-Za-z]+)_([0-9A-Za-z]{{{_CHECKSUM_DIGITS}}})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class KeyText:
    """What a well-formed secret or public id says about itself.

    Attributes:
        kind: whose key it is.
        environment: "production", "staging" or "development".
    """

    kind: KeyKind
    environment: str


def new_secret(kind: str, environment: str) -> str:
    """Return a new secret with 256 random bits."""
    return _compose("sk", kind, environment, _base62(secrets.token_bytes(_SECRET_BYTES), _SECRET_DIGITS))


def new_public_id(kind: str, environment: str) -> str:
    """Return a new public id with 128 random bits."""
    return _compose("pk", kind, environment, _base62(secrets.token_bytes(_PUBLIC_BYTES), _PUBLIC_DIGITS))


def parse_secret(text: str) -> KeyText | None:
    """Return what a secret says about itself, None when it is malformed or its checksum is wrong."""
    return _parse(text, "sk", _SECRET_DIGITS)


def parse_public_id(text: str) -> KeyText | None:
    """Return what a public id says about itself, None when it is malformed or its checksum is wrong."""
    return _parse(text, "pk", _PUBLIC_DIGITS)


def digest(secret: str, pepper: bytes) -> bytes:
    """Return the 32 bytes by which a secret is stored and found: HMAC-SHA256 (RFC 2104) under a pepper."""
    return hmac.digest(pepper, secret.encode(), hashlib.sha256)


def last_four(secret: str) -> str:
    """Return the last characters of the random part, by which people tell keys apart."""
    return secret.rsplit("_", 2)[-2][-LAST_CHARACTERS:]


def _compose(part: str, kind: str, environment: str, random: str) -> str:
    body = f"gate{part}_{KIND_CODES[kind]}_{ENVIRONMENT_CODES[environment]}_{random}"
    return f"{body}_{_checksum(body)}"


def _parse(text: str, part: str, digits: int) -> KeyText | None:
    match = _PART.fullmatch(text)
    if match is None or match[1] != part or len(match[4]) != digits:
        return None
    body = text[: -_CHECKSUM_DIGITS - 1]
    if match[5] != _checksum(body):
        return None
    return KeyText(_KINDS[match[2]], _ENVIRONMENTS[match[3]])


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()).to_bytes(4, "big"), _CHECKSUM_DIGITS)


def _base62(data: bytes, digits: int) -> str:
    number = int.from_bytes(data, "big")
    text = []
    for _ in range(digits):
        number, digit = divmod(number, len(_ALPHABET))
        text.append(_ALPHABET[digit])
    return "".join(reversed(text))
