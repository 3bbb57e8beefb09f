"""The installation's signing keys: Ed25519, wrapped by the keyring, each signed by the one before it."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connections
from django.utils import timezone

from audit import notes
from audit.notes import KeyStatement, installation_name
from audit.recorder import record
from audit.sealing.actions import KEY_CREATED, KEY_ROTATED
from isolation.actor import Actor
from isolation.exceptions import DomainError
from isolation.scope import APP
from vault.hidden import Hidden
from vault.keyring import keyring

from .database import sealer_cursor

_ACTIVE = """
SELECT number, public_key, wrapped, wrapped_by, installation
FROM audit_signingkey, audit_sealer WHERE retired_at IS NULL
"""
_INSERT = """
INSERT INTO audit_signingkey (number, public_key, statement, wrapped, wrapped_by, created_at)
VALUES (%s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs now.

    Attributes:
        number: 1 for the first one.
        private: signs.
        public: its 32 bytes.
    """

    number: int
    private: Ed25519PrivateKey
    public: bytes


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as everybody may see it.

    Attributes:
        number: 1 for the first one.
        public: its 32 bytes.
        statement: the signed note that tells of it.
        created_at, retired_at: when it signed.
    """

    number: int
    public: bytes
    statement: str
    created_at: datetime
    retired_at: datetime | None


_unwrapped: dict[bytes, Ed25519PrivateKey] = {}


def active_key(cursor: Any) -> SigningKey | None:
    """Return the key that signs, None before the first one; wrapped anew when the keyring's active key changed.

    Args:
        cursor: of `sealer_cursor`.

    Raises:
        VaultError: it cannot be unwrapped.
    """
    cursor.execute(_ACTIVE)
    row = cursor.fetchone()
    if row is None:
        return None
    number, public, wrapped, wrapped_by, installation = row
    private = _private(bytes(wrapped), wrapped_by, _context(number, installation))
    if wrapped_by != keyring().active_key:
        again, by = _wrapped(private, _context(number, installation))
        cursor.execute(
            "UPDATE audit_signingkey SET wrapped = %s, wrapped_by = %s WHERE number = %s", [again, by, number]
        )
    return SigningKey(number, private, b64decode(public))


def ensure_key(actor: Actor) -> None:
    """Make the first key, if there is none; the installation's log tells of it.

    Raises:
        VaultError: the keyring cannot wrap it.
    """
    with sealer_cursor() as cursor:
        if active_key(cursor) is None:
            _add(cursor, previous=None, actor=actor, reason="")


def rotate_key(*, actor: Actor, reason: str) -> int:
    """Let a new key sign from now on; the old one signs it and is destroyed. The installation's log tells of it.

    Returns:
        The new key's number.

    Raises:
        DomainError: no reason was given, or there is no key yet.
        VaultError: the keyring cannot open the old key, or wrap the new one.
    """
    if not reason.strip():
        raise DomainError("Say why the key changes: the log keeps it.", field="reason", code="reason_missing")
    with sealer_cursor() as cursor:
        previous = active_key(cursor)
        if previous is None:
            raise DomainError("Nothing has been sealed yet: there is no key to change.", code="no_key")
        cursor.execute(
            "UPDATE audit_signingkey SET retired_at = %s, wrapped = NULL, wrapped_by = NULL WHERE number = %s",
            [timezone.now(), previous.number],
        )
        return _add(cursor, previous=previous, actor=actor, reason=reason)


def key_history(cursor: Any) -> list[KeyRow]:
    """Return every key, oldest first; any role may ask."""
    cursor.execute("SELECT number, public_key, statement, created_at, retired_at FROM audit_signingkey ORDER BY number")
    return [KeyRow(row[0], b64decode(row[1]), *row[2:]) for row in cursor.fetchall()]


def public_keys(cursor: Any) -> dict[int, bytes]:
    """Return the public keys by number."""
    return {row.number: row.public for row in key_history(cursor)}


def wrapping_keys() -> Mapping[int, int]:
    """Return how many signing keys each key-encryption key wraps."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT wrapped_by, count(*) FROM audit_signingkey WHERE wrapped_by IS NOT NULL GROUP BY 1")
        return dict(cursor.fetchall())


def _add(cursor: Any, *, previous: SigningKey | None, actor: Actor, reason: str) -> int:
    cursor.execute("SELECT installation FROM audit_sealer")
    (installation,) = cursor.fetchone()
    private, now = Ed25519PrivateKey.generate(), timezone.now().replace(microsecond=0)
    number = previous.number + 1 if previous else 1
    public = private.public_key().public_bytes_raw()
    name = installation_name(installation)
    text = KeyStatement(name, number, public, now).text()
    statement = notes.sign(text, name, previous.private if previous else private)
    wrapped, wrapped_by = _wrapped(private, _context(number, installation))
    # Refused here when somebody else adds the same number; only then the event is written, in a transaction of its own.
    cursor.execute(_INSERT, [number, b64encode(public).decode(), statement, wrapped, wrapped_by, now])
    record(
        KEY_ROTATED if previous else KEY_CREATED,
        actor=actor,
        target_type="signing key",
        target_id=str(number),
        target_label=f"Signing key {number}",
        before={"public_key": b64encode(previous.public).decode()} if previous else {},
        after={"public_key": b64encode(public).decode()},
        reason=reason,
    )
    return number


def _context(number: int, installation: UUID) -> dict[str, str]:
    return {"purpose": "audit signing key", "number": str(number), "installation": str(installation)}


def _wrapped(private: Ed25519PrivateKey, context: Mapping[str, str]) -> tuple[bytes, int]:
    number = keyring().active_key
    return keyring().provider(number).wrap(Hidden(private.private_bytes_raw()), context), number


def _private(wrapped: bytes, wrapped_by: int, context: Mapping[str, str]) -> Ed25519PrivateKey:
    if wrapped not in _unwrapped:
        seed = keyring().provider(wrapped_by).unwrap(wrapped, context)
        _unwrapped.clear()
        _unwrapped[wrapped] = Ed25519PrivateKey.from_private_bytes(seed.expose())
    return _unwrapped[wrapped]
