"""Checks an ID token (OpenID Connect Core 1.0 section 3.1.3.7) and returns its claims."""

import binascii
import hmac
import json
import time
from base64 import urlsafe_b64decode
from typing import Any

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from accounts.sso.exceptions import SignInRefused
from outbound.client import storable

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures by a private key only: never "none", and never HMAC, whose key could be a published one."""
LEEWAY = 60
"""Seconds by which clocks may differ."""
LONGEST = 65_536
_LONGEST_SUBJECT = 255
_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


def key_name(token: str) -> str | None:
    """Return the `kid` that a token's header names, None without one.

    Raises:
        SignInRefused: it is no signed token.
    """
    kid = _header(token).get("kid")
    return kid if isinstance(kid, str) else None


def checked_claims(token: str, *, keys: dict[str, Any], issuer: str, client_id: str, nonce: str) -> dict[str, Any]:
    """Return the claims of an ID token that holds.

    Args:
        token: in compact form.
        keys: the issuer's key set.
        issuer: who has to have issued it.
        client_id: for whom.
        nonce: what the request for this sign-in carried.

    Raises:
        SignInRefused: it does not hold.
    """
    try:
        claims: dict[str, Any] = storable(_signed_claims(token, keys))
    except (ValueError, RecursionError):
        raise SignInRefused("The ID token has texts that are none, or is nested too deeply.") from None
    if claims.get("iss") != issuer:
        raise SignInRefused(f"The ID token comes from another issuer: {_shown(claims.get('iss'))}.")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences:
        raise SignInRefused(f"The ID token is for another client: {_shown(audience)}.")
    if len(audiences) > 1 and "azp" not in claims:
        raise SignInRefused("The ID token is for several clients and does not say for which one it was made (azp).")
    if claims.get("azp", client_id) != client_id:
        raise SignInRefused(f"The ID token was made for another client: {_shown(claims['azp'])}.")
    _check_times(claims)
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise SignInRefused("The ID token does not belong to this sign-in (nonce).")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.strip() or len(subject) > _LONGEST_SUBJECT:
        raise SignInRefused("The ID token does not say whose it is (sub).")
    return claims


def _signed_claims(token: str, keys: dict[str, Any]) -> dict[str, Any]:
    header = _header(token)
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise SignInRefused(f"The ID token is signed by {_shown(algorithm)}, which is not accepted.")
    kid = header.get("kid")
    candidates = [
        key
        for key in keys.get("keys", [])
        if key.get("kty") == _KINDS[algorithm[:2]] and (kid is None or key.get("kid") == kid)
    ]
    for candidate in candidates:
        try:
            found = jwt.decode(token, jwk.import_key(candidate), algorithms=[algorithm])
        except (JoseError, ValueError, TypeError, LookupError):  # LookupError: a curve that nobody knows
            continue
        return found.claims
    raise SignInRefused(
        "The ID token is not signed by a key that the provider publishes"
        + (f" (kid {_shown(kid)})." if kid is not None else ".")
    )


def _header(token: str) -> dict[str, Any]:
    if len(token) > LONGEST:
        raise SignInRefused("The ID token is too long.")
    try:
        first = token.split(".", maxsplit=1)[0].encode("ascii")
        header = storable(json.loads(urlsafe_b64decode(first + b"=" * (-len(first) % 4))))
    except (ValueError, binascii.Error, RecursionError):
        header = None
    if not isinstance(header, dict) or token.count(".") != 2:  # noqa: PLR2004 - header, payload, signature
        raise SignInRefused("What the provider sent as ID token is no signed token.")
    return header


def _check_times(claims: dict[str, Any]) -> None:
    now = time.time()
    times: dict[str, Any] = {name: claims.get(name) for name in ("exp", "iat", "nbf")}
    for name, moment in times.items():
        if isinstance(moment, bool) or not isinstance(moment, int | float | None) or (moment is None and name != "nbf"):
            raise SignInRefused(f"The ID token does not say when it counts ({name}).")
    if times["exp"] + LEEWAY < now:
        raise SignInRefused("The ID token has expired.")
    if max(times["iat"], times["nbf"] or 0) - LEEWAY > now:
        raise SignInRefused("The ID token counts from a moment in the future. Compare the clocks of both servers.")


def _shown(value: Any) -> str:
    return f"“{str(value)[:120]}”"
