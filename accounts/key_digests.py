"""How secrets become digests under the keyring's peppers (no models)."""

from vault.keyring import keyring

from .key_format import digest


def active_digest(secret: str) -> tuple[bytes, int]:
    """Return the digest under which a new secret is stored, and the number of its pepper."""
    ring = keyring()
    return digest(secret, ring.pepper(ring.active_pepper)), ring.active_pepper


def possible_digests(secret: str) -> list[bytes]:
    """Return the digests under which a secret may be stored: one for each pepper of the keyring."""
    ring = keyring()
    return [digest(secret, ring.pepper(number)) for number in ring.pepper_numbers]
