"""Encrypted assertions (xmlenc-core1): the content by AES, its key by RSA-OAEP.

Whatever fails, fails with the same words: who sends broken ciphertexts learns nothing of what is in them.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from accounts.sso.exceptions import SignInRefused

from .names import NAMESPACES, XENC, XENC11, ds
from .xml import read

OAEP_MGF1: Final = f"{XENC}rsa-oaep-mgf1p"
OAEP: Final = f"{XENC11}rsa-oaep"
_GCM: Final = {f"{XENC11}aes128-gcm": 16, f"{XENC11}aes192-gcm": 24, f"{XENC11}aes256-gcm": 32}
_CBC: Final = {f"{XENC}aes128-cbc": 16, f"{XENC}aes192-cbc": 24, f"{XENC}aes256-cbc": 32}
_HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "http://www.w3.org/2000/09/xmldsig#sha1": hashes.SHA1,  # of OAEP, which needs no collision resistance (RFC 8017)
    "http://www.w3.org/2001/04/xmlenc#sha256": hashes.SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#sha384": hashes.SHA384,
    "http://www.w3.org/2001/04/xmlenc#sha512": hashes.SHA512,
}
_MASKS: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    f"{XENC11}mgf1sha1": hashes.SHA1,
    f"{XENC11}mgf1sha256": hashes.SHA256,
    f"{XENC11}mgf1sha384": hashes.SHA384,
    f"{XENC11}mgf1sha512": hashes.SHA512,
}
_BLOCK = 16
_NONCE = 12
_FAILED = "The assertion cannot be decrypted by a key of this connection. Give the provider the current certificate."


def decrypted(encrypted: Any, private_keys: Sequence[str]) -> Any:
    """Return the root of what an EncryptedAssertion or EncryptedID holds.

    Args:
        encrypted: the element.
        private_keys: ours, in PEM; while keys change there are two.

    Raises:
        SignInRefused: none of them opens it, or it is encrypted in a way that is not accepted.
    """
    (data, *more) = encrypted.findall("xenc:EncryptedData", NAMESPACES) or [None]
    keys = encrypted.xpath(
        "./xenc:EncryptedKey | ./xenc:EncryptedData/ds:KeyInfo/xenc:EncryptedKey", namespaces=NAMESPACES
    )
    if data is None or more or not keys or len(keys) > len(private_keys) + 3:
        raise SignInRefused("The encrypted assertion has no content, or no key that it is encrypted with.")
    method = _algorithm(data)
    length = (_GCM | _CBC).get(method)
    if length is None:
        raise SignInRefused(f"The assertion is encrypted by {method[:120]}, which is not accepted.")
    content = _value(data)
    paddings = [(_padding(key), _value(key)) for key in keys]
    for pem in private_keys:
        private_key = serialization.load_pem_private_key(pem.encode(), password=None)
        assert isinstance(private_key, rsa.RSAPrivateKey)  # noqa: S101 - made by us
        for scheme, wrapped in paddings:
            plain = _opened(private_key, scheme, wrapped, content, length, gcm=method in _GCM)
            if plain is not None:
                return _inside(encrypted, plain)
    raise SignInRefused(_FAILED)


def _inside(place: Any, plain: bytes) -> Any:
    """Return the element that was encrypted; it may use prefixes that are declared around it (xmlenc-core1 4.4)."""
    holder = etree.tostring(etree.Element("holder", nsmap=place.nsmap)).removesuffix(b"/>")
    content = plain[plain.find(b"?>") + 2 :] if plain.startswith(b"<?xml") else plain
    found = read(holder + b">" + content + b"</holder>")
    if len(found) != 1 or (found.text or "").strip() or (found[0].tail or "").strip():
        raise SignInRefused("What was encrypted is not one element.")
    return found[0]


def _opened(
    private_key: rsa.RSAPrivateKey, scheme: padding.OAEP, wrapped: bytes, content: bytes, length: int, *, gcm: bool
) -> bytes | None:
    try:
        key = private_key.decrypt(wrapped, scheme)
        if len(key) != length:
            return None
        if gcm:
            return AESGCM(key).decrypt(content[:_NONCE], content[_NONCE:], None)
        decryptor = Cipher(algorithms.AES(key), modes.CBC(content[:_BLOCK])).decryptor()
        plain = decryptor.update(content[_BLOCK:]) + decryptor.finalize()
    except (ValueError, InvalidTag):
        return None
    # xmlenc-core1 section 5.2: the last byte says how many are padding.
    count = plain[-1] if plain else 0
    return plain[:-count] if 0 < count <= _BLOCK else None


def _algorithm(element: Any) -> str:
    method = element.find("xenc:EncryptionMethod", NAMESPACES)
    return str(method.get("Algorithm")) if method is not None else "nothing"


def _padding(key: Any) -> padding.OAEP:
    method = key.find("xenc:EncryptionMethod", NAMESPACES)
    algorithm = _algorithm(key)
    if algorithm not in {OAEP_MGF1, OAEP}:
        raise SignInRefused(f"The assertion's key is encrypted by {algorithm[:120]}; only RSA-OAEP is accepted.")
    digest = method.find(ds("DigestMethod"))
    mask = method.find(f"{{{XENC11}}}MGF")
    digest_name = digest.get("Algorithm") if digest is not None else next(iter(_HASHES))
    mask_name = mask.get("Algorithm") if mask is not None and algorithm == OAEP else next(iter(_MASKS))
    label = method.find("xenc:OAEPparams", NAMESPACES)
    if digest_name not in _HASHES or mask_name not in _MASKS or label is not None:
        raise SignInRefused("The assertion's key is encrypted by RSA-OAEP with parameters that are not accepted.")
    return padding.OAEP(mgf=padding.MGF1(_MASKS[mask_name]()), algorithm=_HASHES[digest_name](), label=None)


def _value(element: Any) -> bytes:
    text = element.findtext("xenc:CipherData/xenc:CipherValue", "", NAMESPACES)
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error):
        raise SignInRefused(_FAILED) from None
