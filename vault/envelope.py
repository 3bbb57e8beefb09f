"""The format of a ciphertext: AES-256-GCM, bound to the one place in which it may stand.

    1 byte    format version, 1
    16 bytes  id of the data key
    12 bytes  nonce, random: a data key is good for 2**32 of them (NIST SP 800-38D, 8.3)
    rest      the encrypted UTF-8 text and GCM's tag of 16 bytes

The associated data holds everything that is known without opening: version, data key, organization, table, column, row.
"""

import secrets
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .exceptions import CannotDecrypt
from .hidden import Hidden

VERSION = 1
ID_BYTES, NONCE_BYTES, TAG_BYTES = 16, 12, 16
HEADER_BYTES = 1 + ID_BYTES
SHORTEST = HEADER_BYTES + NONCE_BYTES + TAG_BYTES


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ciphertext stands.

    Attributes:
        organization_id: the tenant.
        table: the database's name of the table.
        column: the database's name of the column.
        row: the primary key as text.
    """

    organization_id: UUID
    table: str
    column: str
    row: str

    def bound_to(self, header: bytes) -> bytes:
        """Return the associated data: each part with its length before it, so that no two places look the same."""
        parts = (header, self.organization_id.bytes, self.table.encode(), self.column.encode(), self.row.encode())
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def seal(key: Hidden, data_key: UUID, place: Place, text: Hidden) -> bytes:
    """Return the ciphertext of a UTF-8 text.

    Args:
        key: the data key's 32 bytes.
        data_key: its id.
        place: where the ciphertext will stand.
        text: what to hide.
    """
    header = bytes([VERSION]) + data_key.bytes
    nonce = secrets.token_bytes(NONCE_BYTES)
    return header + nonce + AESGCM(key.expose()).encrypt(nonce, text.expose(), place.bound_to(header))


def data_key_of(ciphertext: bytes) -> UUID:
    """Return the id of the data key that a ciphertext names.

    Raises:
        CannotDecrypt: it is no ciphertext of a known format.
    """
    if len(ciphertext) < SHORTEST or ciphertext[0] != VERSION:
        raise CannotDecrypt
    return UUID(bytes=ciphertext[1:HEADER_BYTES])


def unseal(key: Hidden, place: Place, ciphertext: bytes) -> Hidden:
    """Return the text.

    Raises:
        CannotDecrypt: altered, of another place, or of another key.
    """
    data_key = data_key_of(ciphertext)
    header, nonce = ciphertext[:HEADER_BYTES], ciphertext[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES]
    try:
        sealed = ciphertext[HEADER_BYTES + NONCE_BYTES :]
        return Hidden(AESGCM(key.expose()).decrypt(nonce, sealed, place.bound_to(header)))
    except InvalidTag:
        raise CannotDecrypt(data_key) from None
