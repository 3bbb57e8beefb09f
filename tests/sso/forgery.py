"""ID tokens as a provider signs them, and as nobody should accept them."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache, partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey, RSAKey

HUGE = 2 * 1024 * 1024
P256_BYTES = 32


class IdToken(Enum):
    """What the token endpoint gives as the ID token; the first two are correct."""

    RS256 = auto()
    ES256 = auto()
    ALG_NONE = auto()
    """alg none, no signature."""
    HS256_CLIENT_SECRET = auto()
    """A MAC under the client secret, which no discovery document of ours offers."""
    HS256_PUBLIC_KEY = auto()
    """A MAC under the PEM of the public key: who takes the algorithm from the token takes the key for a secret."""
    OTHER_KEY = auto()
    """The kid of the provider's key, signed with another one."""
    UNKNOWN_KID = auto()
    """Another key with a kid of its own, which the JWKS has not."""
    NO_KID = auto()
    """Rightly signed, without a kid, though the JWKS has several keys (OpenID Connect Core 1.0, section 10.1)."""
    EMBEDDED_JWK = auto()
    """Another key, which the header brings along: one for ES256, as joserfc takes a header of 512 bytes at most."""
    JKU = auto()
    """Another key, which the header says where to fetch."""
    CRIT = auto()
    """Rightly signed, with a critical extension that nobody knows (RFC 7515, section 4.1.11)."""
    ES256_GARBAGE = auto()
    """ES256 with random bytes of the right length as the signature."""
    MISSING = auto()
    """No id_token in the answer."""
    NOT_A_JWT = auto()
    """Text."""
    HUGE = auto()
    """Rightly signed, 2 MB."""


def rsa_key() -> RSAKey:
    """Return a new key for RS256, with its thumbprint as kid (RFC 7638)."""
    return RSAKey.generate_key(2048, {"alg": "RS256", "use": "sig"}, auto_kid=True)


def ec_key() -> ECKey:
    """Return a new key for ES256, with its thumbprint as kid (RFC 7638)."""
    return ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}, auto_kid=True)


@cache
def key_of_this_process(name: str) -> RSAKey:
    """Return the key of this name: it takes a while to find one, and these need not differ among providers."""
    return rsa_key()


@dataclass(frozen=True)
class SigningKeys:
    """The keys of a provider, and two that are not its own."""

    rsa: RSAKey = field(default_factory=rsa_key)
    ec: ECKey = field(
        default_factory=lambda: ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}, auto_kid=True)
    )
    spare: RSAKey = field(default_factory=lambda: key_of_this_process("spare"))
    foreign: RSAKey = field(default_factory=lambda: key_of_this_process("foreign"))
    foreign_ec: ECKey = field(default_factory=ec_key)

    def own(self) -> list[RSAKey | ECKey]:
        """Return what the JWKS publishes: two keys for RS256, so that a token without a kid is ambiguous."""
        return [self.spare, self.rsa, self.ec]


def id_token(
    kind: IdToken, claims: Mapping[str, Any], keys: SigningKeys, *, client_secret: str, jku: str
) -> str | None:
    """Return an ID token of these claims.

    Args:
        kind: how it is signed.
        claims: its payload.
        keys: the provider's.
        client_secret: the secret of the client that it is for.
        jku: where the foreign key is published.

    Returns:
        A compact JWS (RFC 7515, section 7.1) or what stands in its place; None where there is none.
    """
    if kind is IdToken.MISSING:
        return None
    if kind is IdToken.NOT_A_JWT:
        return "this is no token"
    if kind is IdToken.HUGE:
        claims = {**claims, "padding": "x" * HUGE}
    own, foreign = {"alg": "RS256", "kid": keys.rsa.kid}, {"alg": "RS256", "kid": keys.foreign.kid}
    es256 = {"alg": "ES256", "kid": keys.ec.kid}
    embedded = {name: keys.foreign_ec.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}
    by_rsa, by_foreign = partial(_rs256, keys.rsa), partial(_rs256, keys.foreign)
    kinds: dict[IdToken, tuple[dict[str, Any], Callable[[bytes], bytes]]] = {
        IdToken.RS256: (own, by_rsa),
        IdToken.HUGE: (own, by_rsa),
        IdToken.ES256: (es256, partial(_es256, keys.ec)),
        IdToken.ALG_NONE: ({"alg": "none"}, lambda _: b""),
        IdToken.HS256_CLIENT_SECRET: ({"alg": "HS256"}, partial(_hs256, client_secret.encode())),
        IdToken.HS256_PUBLIC_KEY: (own | {"alg": "HS256"}, partial(_hs256, keys.rsa.as_pem(private=False))),
        IdToken.OTHER_KEY: (own, by_foreign),
        IdToken.UNKNOWN_KID: (foreign, by_foreign),
        IdToken.NO_KID: ({"alg": "RS256"}, by_rsa),
        IdToken.EMBEDDED_JWK: ({"alg": "ES256", "jwk": embedded}, partial(_es256, keys.foreign_ec)),
        IdToken.JKU: (foreign | {"jku": jku}, by_foreign),
        IdToken.CRIT: (own | {"crit": ["urn:example:unknown"], "urn:example:unknown": True}, by_rsa),
        IdToken.ES256_GARBAGE: (es256, lambda _: secrets.token_bytes(2 * P256_BYTES)),
    }
    header, sign = kinds[kind]
    text = f"{_base64url_json(header)}.{_base64url_json(claims)}"
    return f"{text}.{base64url(sign(text.encode()))}"


def half_hash(value: str) -> str:
    """Return at_hash or c_hash of a token under SHA-256 (OpenID Connect Core 1.0, section 3.1.3.6)."""
    return base64url(hashlib.sha256(value.encode()).digest()[:16])


def base64url(octets: bytes) -> str:
    """Return base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _base64url_json(value: Mapping[str, Any]) -> str:
    return base64url(json.dumps(value).encode())


def _rs256(key: RSAKey, text: bytes) -> bytes:
    assert key.private_key
    return key.private_key.sign(text, padding.PKCS1v15(), SHA256())


def _es256(key: ECKey, text: bytes) -> bytes:
    """Return r and s, each of 32 bytes (RFC 7518, section 3.4)."""
    assert key.private_key
    r, s = utils.decode_dss_signature(key.private_key.sign(text, ec.ECDSA(SHA256())))
    return r.to_bytes(P256_BYTES, "big") + s.to_bytes(P256_BYTES, "big")


def _hs256(secret: bytes, text: bytes) -> bytes:
    return hmac.digest(secret, text, "sha256")
