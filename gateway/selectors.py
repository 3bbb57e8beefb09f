"""What is read of the LLM auth proxy."""

import time

from django.conf import settings

from .claims import Claims, check, jwk, public_key
from .models import SigningKey


def published_keys() -> list[dict[str, str]]:
    """Return the public keys by which tokens are checked, as JWKs; the one that signs comes first."""
    rows = SigningKey.objects.published().order_by("retired_at", "signs_from", "kid")
    keys = sorted(rows, key=lambda key: (key.state != "signing", key.state != "next", key.kid))
    return [jwk(key.kid, key.public) for key in keys]


def claims_of(token: str) -> Claims:
    """Return what a token of ours says.

    Raises:
        TokenRefused: it is not valid, or not any more.
    """
    keys = {key.kid: public_key(key.public) for key in SigningKey.objects.published()}
    return check(token, keys=keys, issuer=settings.JWT_ISSUER, now=time.time())
