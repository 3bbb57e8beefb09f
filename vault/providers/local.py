"""A key-encryption key that this process holds: AES-256-GCM."""

import json
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault.configuration import LocalKey
from vault.exceptions import WrongKey
from vault.hidden import Hidden

NONCE_BYTES = 12


class LocalProvider:
    """Wraps with a key of the environment or of a file.

    Args:
        number: the key's number, for messages.
        key: its material.
    """

    def __init__(self, number: int, key: LocalKey) -> None:
        self._number = number
        self._cipher = AESGCM(key.material.expose())

    def wrap(self, key: Hidden, context: Mapping[str, str]) -> bytes:
        """Return the nonce and the key, encrypted and bound to the context."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key.expose(), _bound(context))

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> Hidden:
        """Return the key.

        Raises:
            WrongKey: it was wrapped under another key or context.
        """
        try:
            return Hidden(self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _bound(context)))
        except (InvalidTag, ValueError):
            raise WrongKey(self._number) from None


def _bound(context: Mapping[str, str]) -> bytes:
    return json.dumps(dict(context), sort_keys=True, separators=(",", ":")).encode()
