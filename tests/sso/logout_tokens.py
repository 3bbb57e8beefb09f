"""Logout tokens (OpenID Connect Back-Channel Logout 1.0 section 2.4) as a provider sends them, and as none does."""

import secrets
import time
from typing import Any

from django.test import Client
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.sso.forgery import IdToken, id_token
from tests.sso.hostile import Hostile, overridden
from tests.sso.stage import CLIENT_ID, CLIENT_SECRET, Sso

EVENT = "http://schemas.openid.net/event/backchannel-logout"


def claims_of(idp: Hostile, **changes: Any) -> dict[str, Any]:
    """Return the claims of a logout token for whoever signs in at the provider, with other values."""
    now = int(time.time())
    right = {
        "iss": idp.issuer,
        "aud": CLIENT_ID,
        "iat": now,
        "exp": now + 120,
        "jti": secrets.token_urlsafe(8),
        "sub": idp.claims["sub"],
        "events": {EVENT: {}},
    }
    return overridden(right, changes)


def logout_token(
    idp: Hostile, *, typ: Any = "logout+jwt", key: RSAKey | None = None, kind: IdToken | None = None, **changes: Any
) -> str:
    """Return a logout token.

    Args:
        idp: whose.
        typ: what its header says it is; tests.sso.hostile.REMOVED: nothing.
        key: what signs it instead of the provider's key.
        kind: how it is forged instead; without a `typ` then.
        changes: claims.
    """
    claims = claims_of(idp, **changes)
    if kind is not None:
        made = id_token(kind, claims, idp.keys, client_secret=CLIENT_SECRET, jku=f"{idp.issuer}/foreign-jwks")
        assert made is not None
        return made
    header = overridden({"alg": "RS256", "kid": idp.keys.rsa.kid, "typ": typ}, {})
    return jwt.encode(header, claims, key or idp.keys.rsa, algorithms=["RS256"])


def tell(sso: Sso, token: str | None = None, **changes: Any) -> Any:
    """Send a logout token to a connection's address; return the answer."""
    sent = {"logout_token": token if token is not None else logout_token(sso.idp, **changes)}
    return Client(enforce_csrf_checks=True).post(f"/sso/{sso.connection.pk}/backchannel-logout/", sent)
