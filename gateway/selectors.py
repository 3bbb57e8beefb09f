"""What is read of the LLM auth proxy."""

from .claims import jwk
from .models import SigningKey


def published_keys() -> list[dict[str, str]]:
    """Return the public keys by which tokens are checked, as JWKs; the one that signs comes first."""
    rows = SigningKey.objects.published().order_by("retired_at", "signs_from", "kid")
    keys = sorted(rows, key=lambda key: (key.state != "signing", key.state != "next", key.kid))
    return [jwk(key.kid, key.public) for key in keys]
