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
from outbound.exchange import storable

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures by a private key only: never "none", and never HMAC, whose key could be a published one."""
LEEWAY = 60
"""Seconds by which clocks may differ."""
LONGEST = 65_536
LONGEST_NAME = 255
"""Of a subject (OpenID Connect Core section 2), and of whatever else names something in a token."""
_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


def key_name(token: str) -> str | None:
    """Return the `kid` that a token's header names, None without one.

    Raises:
        SignInRefused: it is no signed token.
    """
    kid = header_of(token).get("kid")
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
        claims: dict[str, Any] = storable(signed_claims(token, keys))
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
    if not isinstance(subject, str) or not subject.strip() or len(subject) > LONGEST_NAME:
        raise SignInRefused("The ID token does not say whose it is (sub).")
    return claims


def signed_claims(token: str, keys: dict[str, Any], *, what: str = "The ID token") -> dict[str, Any]:
    """Return the claims of a token that one of the keys signed; what they say is not checked.

    Args:
        token: in compact form.
        keys: the issuer's key set.
        what: what the token is called when it is refused.

    Raises:
        SignInRefused: none of them signed it.
    """
    header = header_of(token, what)
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise SignInRefused(f"{what} is signed by {_shown(algorithm)}, which is not accepted.")
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
        f"{what} is not signed by a key that the provider publishes"
        + (f" (kid {_shown(kid)})." if kid is not None else ".")
    )


def header_of(token: str, what: str = "The ID token") -> dict[str, Any]:
    """Return a token's header, of which nothing is proven.

    Raises:
        SignInRefused: it is no signed token.
    """
    if len(token) > LONGEST:
        raise SignInRefused(f"{what} is too long.")
    try:
        first = token.split(".", maxsplit=1)[0].encode("ascii")
        header = storable(json.loads(urlsafe_b64decode(first + b"=" * (-len(first) % 4))))
    except (ValueError, binascii.Error, RecursionError):
        header = None
    if not isinstance(header, dict) or token.count(".") != 2:  # noqa: PLR2004 - header, payload, signature
        raise SignInRefused(f"What the provider sent as {what.removeprefix('The ')} is no signed token.")
    return header


def is_one_of(client_id: str, audience: Any) -> bool:
    """Return whether a token's audience, one or several, names a client."""
    return client_id in audience if isinstance(audience, list) else client_id == audience


def is_number(moment: Any) -> bool:
    """Return whether a claim is a NumericDate (RFC 7519 section 2)."""
    return isinstance(moment, int | float) and not isinstance(moment, bool)


def _check_times(claims: dict[str, Any]) -> None:
    now = time.time()
    times: dict[str, Any] = {name: claims.get(name) for name in ("exp", "iat", "nbf")}
    for name, moment in times.items():
        if not is_number(moment) and (moment is not None or name != "nbf"):
            raise SignInRefused(f"The ID token does not say when it counts ({name}).")
    if times["exp"] + LEEWAY < now:
        raise SignInRefused("The ID token has expired.")
    if max(times["iat"], times["nbf"] or 0) - LEEWAY > now:
        raise SignInRefused("The ID token counts from a moment in the future. Compare the clocks of both servers.")


def _shown(value: Any) -> str:
    return f"“{str(value)[:120]}”"
