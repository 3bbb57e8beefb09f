"""Signatures of secret-scanning programmes: ECDSA on P-256 with SHA-256 over the raw body (no models).

After GitHub's secret scanning partner programme, whose keys are published at
https://api.github.com/meta/public_keys/secret_scanning.
"""

import base64
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

PublicKeys = Mapping[str, ec.EllipticCurvePublicKey]


def parse_public_keys(text: str) -> PublicKeys:
    """Return the public keys of a document by their identifier.

    Args:
        text: JSON: ``{"public_keys": [{"key_identifier": "…", "key": "-----BEGIN PUBLIC KEY-----…"}]}``.

    Raises:
        ValueError: it is not such a document, holds no key, or one of another kind than P-256.
    """
    try:
        entries = [(str(one["key_identifier"]), str(one["key"])) for one in json.loads(text)["public_keys"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError('is no document of public keys: {"public_keys": [{"key_identifier", "key"}]}') from error
    if not entries:
        raise ValueError("holds no public key, so that no report could be signed")
    return {identifier: _public_key(identifier, pem) for identifier, pem in entries}


def read_public_keys(path: Path) -> PublicKeys:
    """Return the public keys of a file, read again after each change of it.

    Raises:
        OSError, ValueError: it cannot be read, or is no such document.
    """
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size)


def is_signed(body: bytes, *, identifier: str, signature: str, keys: PublicKeys) -> bool:
    """Return whether one of the keys signed a body.

    Args:
        body: exactly as it was sent.
        identifier: of the key that the sender names.
        signature: base64 of an ASN.1 ECDSA signature.
        keys: those that are trusted.
    """
    key = keys.get(identifier)
    if key is None:
        return False
    try:
        key.verify(base64.b64decode(signature, validate=True), body, ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return True


@lru_cache(maxsize=1)
def _read(path: Path, modified: int, size: int) -> PublicKeys:
    return parse_public_keys(path.read_text(encoding="utf-8"))


def _public_key(identifier: str, pem: str) -> ec.EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as error:
        raise ValueError(f"holds a malformed public key ({identifier[:80]})") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        problem = f"holds a key that is not of the curve P-256 ({identifier[:80]})"
        raise ValueError(problem)  # noqa: TRY004 - the document is wrong, whatever it holds
    return key
