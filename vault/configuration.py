"""What the keyring's variables say, parsed and checked; no key material shows in a repr or in a complaint."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

from .exceptions import MalformedKeyring
from .hidden import Hidden

KEY_BYTES = 32
LARGEST_NUMBER = 32_767  # fits a smallint and two bytes
# Marks what the first start outside production made: recognizable wherever it is copied to.
DEVELOPMENT = "development."
TRANSIT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
KMS_NAME = re.compile(r"(?:arn:aws[a-z-]*:kms:\S+|alias/[A-Za-z0-9/_-]+|[A-Za-z0-9-]+)")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LocalKey:
    """A key whose bytes the process holds.

    Attributes:
        material: 32 bytes.
        development: made by the first start outside production; production refuses it.
    """

    material: Hidden
    development: bool = False


@dataclass(frozen=True, slots=True)
class TransitKey:
    """A key of HashiCorp Vault's (or OpenBao's) transit engine, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class KmsKey:
    """A symmetric key of AWS KMS, by its id, ARN or alias."""

    key_id: str


KeyEncryptionKey = LocalKey | TransitKey | KmsKey


@dataclass(frozen=True, slots=True)
class TransitAccess:
    """How the transit engine is reached.

    Attributes:
        address: ``https://vault.example.com:8200``.
        token: returns the token of now; a file that an agent renews is read again.
        mount: where the engine is mounted.
        namespace: Vault Enterprise's namespace, or "".
        ca: a file with the certificates to trust, or "" for the system's.
        timeout: seconds for one request.
    """

    address: str
    token: Callable[[], str] = field(repr=False)
    mount: str = "transit"
    namespace: str = ""
    ca: str = ""
    timeout: int = 5


@dataclass(frozen=True, slots=True)
class KmsAccess:
    """How AWS KMS is reached; the credentials come from where boto3 finds them.

    Attributes:
        region: such as ``eu-central-1``; "" leaves it to boto3.
        endpoint: another address than AWS's own, or "".
        timeout: seconds for one request.
    """

    region: str = ""
    endpoint: str = ""
    timeout: int = 5


@dataclass(frozen=True, slots=True)
class KeyringConfiguration:
    """Everything that a keyring is made of.

    Attributes:
        keys: the key-encryption keys by number.
        peppers: the HMAC peppers by number.
        active_key: wraps new data keys.
        active_pepper: digests new secrets.
        transit: needed when a key is a `TransitKey`.
        kms: needed when a key is a `KmsKey`.
        cache_seconds: how long an unwrapped data key stays in memory.
    """

    keys: Mapping[int, KeyEncryptionKey]
    peppers: Mapping[int, LocalKey]
    active_key: int
    active_pepper: int
    transit: TransitAccess | None = None
    kms: KmsAccess | None = None
    cache_seconds: int = 300


def parse_keys(text: str) -> dict[int, KeyEncryptionKey]:
    """Return the key-encryption keys of ``1:<base64>,2:transit:<name>,3:kms:<key id>``.

    Raises:
        MalformedKeyring: a part is not of that form; the message shows no material.
    """
    return _numbered(text, _key_encryption_key)


def parse_peppers(text: str) -> dict[int, LocalKey]:
    """Return the peppers of ``1:<base64>,2:<base64>``: always bytes, verification runs at memory speed.

    Raises:
        MalformedKeyring: a part is not of that form; the message shows no material.
    """
    return _numbered(text, _material)


def active_number(numbers: Iterable[int], chosen: int) -> int:
    """Return the number to use for what is new: `chosen`, or the highest one when that is 0.

    Raises:
        MalformedKeyring: the chosen one is not there.
    """
    there = sorted(numbers)
    if not chosen:
        return there[-1]
    if chosen not in there:
        raise MalformedKeyring(f"number {chosen} is not in the keyring, which has {', '.join(map(str, there))}")
    return chosen


def refuse_development_keys(keys: Mapping[int, KeyEncryptionKey]) -> None:
    """Refuse keys that a start outside production made up.

    Raises:
        MalformedKeyring: one is there.
    """
    for number, key in keys.items():
        if isinstance(key, LocalKey) and key.development:
            raise MalformedKeyring(
                f"number {number} was made for development: make one for production with `openssl rand -base64 32`"
            )


def check_address(address: str, *, allow_http: bool) -> str:
    """Return the address of a transit engine without a trailing slash.

    Raises:
        MalformedKeyring: no URL with a host, credentials in it, or plain HTTP where that is not allowed.
    """
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise MalformedKeyring("is not an address; use https://vault.example.com:8200")
    if parts.username or parts.password:
        raise MalformedKeyring("carries a password; the token has a variable of its own")
    if parts.scheme == "http" and not allow_http:
        raise MalformedKeyring("is plain HTTP: data keys would travel readable. Use https://, or allow it expressly")
    return address.rstrip("/")


def _numbered(text: str, parse: Callable[[str], T]) -> dict[int, T]:
    found: dict[int, T] = {}
    for position, item in enumerate((part.strip() for part in text.split(",") if part.strip()), start=1):
        digits, colon, rest = item.partition(":")
        # The item itself is never repeated: what stands there may be the key.
        if not (colon and digits.isascii() and digits.isdecimal() and len(digits) <= len(str(LARGEST_NUMBER))):
            raise MalformedKeyring(f"item {position} does not begin with a number and a colon, such as 1:<base64>")
        number = int(digits)
        if not 1 <= number <= LARGEST_NUMBER:
            raise MalformedKeyring(f"number {number} is out of range; use numbers from 1 to {LARGEST_NUMBER}")
        if number in found:
            raise MalformedKeyring(f"number {number} is there twice; every key keeps a number of its own")
        try:
            found[number] = parse(rest.strip())
        except MalformedKeyring as error:
            raise MalformedKeyring(f"number {number} {error}") from None
    if not found:
        raise MalformedKeyring("names no key; use 1:<base64 of 32 bytes>")
    return found


def _key_encryption_key(rest: str) -> KeyEncryptionKey:
    kind, colon, name = rest.partition(":")
    if not colon:
        return _material(rest)
    if kind == "transit" and TRANSIT_NAME.fullmatch(name):
        return TransitKey(name)
    if kind == "kms" and KMS_NAME.fullmatch(name):
        return KmsKey(name)
    raise MalformedKeyring("is neither base64 nor transit:<key name> nor kms:<key id, ARN or alias/name>")


def _material(rest: str) -> LocalKey:
    encoded = rest.removeprefix(DEVELOPMENT)
    try:
        material = Hidden(base64.b64decode(encoded.encode("ascii"), validate=True))
    except (binascii.Error, ValueError):
        raise MalformedKeyring("is not base64; make one with `openssl rand -base64 32`") from None
    if len(material.expose()) != KEY_BYTES:
        raise MalformedKeyring(f"has {len(material.expose())} bytes instead of {KEY_BYTES}")
    if len(set(material.expose())) == 1:
        raise MalformedKeyring("is one byte repeated; make one with `openssl rand -base64 32`")
    return LocalKey(material, development=encoded != rest)
