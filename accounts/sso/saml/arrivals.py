"""Messages that a browser brings: out of a form or a query, with the signature of the latter (saml-bindings-2.0-os)."""

import base64
import binascii
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote_plus

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from django.http import HttpRequest

from accounts.sso.exceptions import SignInRefused

from .certificates import Certificate
from .names import SIGNATURES
from .xml import LARGEST

_LONGEST_STATE = 2_000
_HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_SIGNED = ("RelayState", "SigAlg")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that came.

    Attributes:
        content: its XML, unread.
        relay_state: what came with it, "" for nothing.
        query: the signed part of the query and what its signature is; None for a form.
    """

    content: bytes
    relay_state: str
    query: "QuerySignature | None" = None


@dataclass(frozen=True, slots=True)
class QuerySignature:
    """The signature of a message in a query.

    Attributes:
        octets: what is signed, as it was sent.
        algorithm: SigAlg.
        signature: Signature, decoded.
    """

    octets: bytes
    algorithm: str
    signature: bytes


def posted(request: HttpRequest, field: str) -> Arrival:
    """Return the message of a form.

    Raises:
        SignInRefused: there is none, or it is too large or not in base64.
    """
    values = request.POST.getlist(field)
    if len(values) != 1 or len(request.POST.getlist("RelayState")) > 1:
        raise _malformed(f"The form has no {field}, or several.")
    if len(values[0]) > LARGEST * 4 // 3 + 4:
        raise _malformed(f"The message is larger than {LARGEST // 1024} KiB.")
    return Arrival(_base64(values[0], field), request.POST.get("RelayState", "")[:_LONGEST_STATE])


def queried(request: HttpRequest, field: str) -> Arrival:
    """Return the message of a query, which is compressed.

    Raises:
        SignInRefused: there is none, or it is none, or too large when it is unpacked.
    """
    raw: dict[str, str] = {}
    for part in request.META.get("QUERY_STRING", "").split("&"):
        name, _, value = part.partition("=")
        if name in raw:
            raise _malformed(f"The query repeats {name[:40]}.")
        raw[name] = value
    if field not in raw:
        raise _malformed(f"The query has no {field}.")
    deflated = _base64(unquote_plus(raw[field]), field)
    unpacking = zlib.decompressobj(wbits=-15)
    try:
        content = unpacking.decompress(deflated, LARGEST)
    except zlib.error:
        raise _malformed(f"The {field} is not compressed as the standard says.") from None
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise _malformed(f"The message is larger than {LARGEST // 1024} KiB, or breaks off.")
    relay_state = unquote_plus(raw.get("RelayState", ""))[:_LONGEST_STATE]
    if "Signature" not in raw or "SigAlg" not in raw:
        return Arrival(content, relay_state)
    octets = "&".join(f"{name}={raw[name]}" for name in (field, *_SIGNED) if name in raw)
    signature = _base64(unquote_plus(raw["Signature"]), "Signature")
    return Arrival(content, relay_state, QuerySignature(octets.encode(), unquote_plus(raw["SigAlg"]), signature))


def check_query(query: QuerySignature, certificates: Sequence[Certificate]) -> None:
    """Refuse a query that none of the keys signed.

    Raises:
        SignInRefused: none did, or by an algorithm that is not accepted.
    """
    if query.algorithm not in SIGNATURES:
        raise SignInRefused(f"The message is signed by {query.algorithm[:120]}, which is not accepted.")
    kind, digest = SIGNATURES[query.algorithm]
    if not any(_holds(query, one, _HASHES[digest]()) for one in certificates if one.kind == kind):
        raise SignInRefused("The message is not signed by a key of the identity provider's metadata.")


def _holds(query: QuerySignature, certificate: Certificate, digest: hashes.HashAlgorithm) -> bool:
    key = x509.load_pem_x509_certificate(certificate.pem.encode()).public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(query.signature, query.octets, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            half = len(query.signature) // 2
            r, s = (int.from_bytes(part, "big") for part in (query.signature[:half], query.signature[half:]))
            key.verify(utils.encode_dss_signature(r, s), query.octets, ec.ECDSA(digest))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _base64(text: str, field: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()).encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise _malformed(f"The {field} is not written in base64.") from None


def _malformed(reason: str) -> SignInRefused:
    return SignInRefused(reason, status=HTTPStatus.BAD_REQUEST)
