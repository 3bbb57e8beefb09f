"""What is stored of a session's key."""

import hashlib


def digest_of(session_key: str) -> bytes:
    """Return the digest by which a session is found; its key has 165 random bits, so that no slow hash is needed."""
    return hashlib.sha256(session_key.encode()).digest()
