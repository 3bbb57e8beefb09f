"""The private signing keys that the environment gives, parsed and checked; no key shows in a repr or in a complaint."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vault.hidden import Hidden

from .claims import x_of

SEED_BYTES = 32
MOST_KEYS = 10
_KID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A key of ``GATEHOUSE_SIGNING_JWKS``.

    Attributes:
        kid: its key ID.
        x: the public part, base64url.
        seed: the private part.
    """

    kid: str
    x: str
    seed: Hidden

    def private(self) -> Ed25519PrivateKey:
        """Return what signs."""
        return Ed25519PrivateKey.from_private_bytes(self.seed.expose())


def parse_signing_jwks(text: str) -> tuple[GivenKey, ...]:
    """Return the keys of a private JWK Set (RFC 7517), in its order: the first one signs, all of them are published.

    Args:
        text: ``{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "…", "x": "…", "d": "…"}]}``.

    Raises:
        ValueError: it is no such set; the sentence quotes nothing of it.
    """
    try:
        entries = json.loads(text)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError('is no JWK Set: {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid", "x", "d"}]}') from None
    if not isinstance(entries, list) or not 1 <= len(entries) <= MOST_KEYS:
        raise ValueError(f"needs one to {MOST_KEYS} keys; the first one signs")
    keys = tuple(_key(number, entry) for number, entry in enumerate(entries, start=1))
    if len({key.kid for key in keys}) < len(keys) or len({key.x for key in keys}) < len(keys):
        raise ValueError("names a key twice")
    return keys


def check_issuer(url: str) -> str:
    """Return the issuer that tokens name (RFC 8414 section 2), without a slash at its end.

    Raises:
        ValueError: it is no such URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is no URL; use https://portal.example.com") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or "@" in url:
        raise ValueError("is no URL without query and fragment; use https://portal.example.com")
    return url.rstrip("/")


def thumbprint(x: str) -> str:
    """Return the JWK thumbprint of a public key (RFC 7638), by which keys without a key ID are called."""
    text = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": x}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _key(number: int, entry: Any) -> GivenKey:
    which = f"key {number}"
    if not isinstance(entry, dict) or (entry.get("kty"), entry.get("crv")) != ("OKP", "Ed25519"):
        raise ValueError(f"{which} is no Ed25519 key; it needs kty OKP and crv Ed25519")
    if entry.get("alg", "EdDSA") != "EdDSA" or entry.get("use", "sig") != "sig":
        raise ValueError(f"{which} is for something else than signing; leave use and alg out, or say sig and EdDSA")
    seed = _bytes(entry.get("d"))
    if seed is None or len(seed) != SEED_BYTES:
        raise ValueError(f"{which} has no private part; d has to be {SEED_BYTES} bytes in base64url")
    x = x_of(Ed25519PrivateKey.from_private_bytes(seed).public_key())
    if entry.get("x") != x:
        raise ValueError(f"the public part of {which}, x, does not belong to its private part")
    kid = entry.get("kid", thumbprint(x))
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise ValueError(f"the key ID of {which} has to be 1 to 64 letters, digits, dots, dashes and underscores")
    return GivenKey(kid, x, Hidden(seed))


def _bytes(text: Any) -> bytes | None:
    if not isinstance(text, str):
        return None
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
