"""What a provider says of itself (OpenID Connect Discovery 1.0), and the keys that it signs with (RFC 7517)."""

from typing import Any

from outbound.addresses import check_url
from outbound.client import get
from outbound.exceptions import Unusable

MOST_KEYS = 50
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_ADDRESSES = frozenset({*_ENDPOINTS, "userinfo_endpoint", "end_session_endpoint"})
_KEPT = (*_ADDRESSES, "token_endpoint_auth_methods_supported")
_KEPT_FLAGS = ("authorization_response_iss_parameter_supported",)
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def discover(issuer: str) -> dict[str, Any]:
    """Return what counts of a provider's metadata.

    Args:
        issuer: its address; the metadata has to name exactly this one (section 4.3).

    Raises:
        OutboundError: it cannot be fetched, is no metadata, or names another issuer or addresses that are refused.
    """
    found = get(f"{issuer.removesuffix('/')}/.well-known/openid-configuration").json()
    if not isinstance(found, dict):
        raise Unusable("What stands at the issuer's address is no OpenID configuration.")
    named = found.get("issuer")
    if named != issuer:
        shown = f"“{named[:200]}”" if isinstance(named, str) else "nothing"
        raise Unusable(f"The provider calls itself {shown}. Enter exactly that as the issuer, if it is the right one.")
    kept = {name: found[name] for name in _KEPT if found.get(name)}
    if missing := [name for name in _ENDPOINTS if name not in kept]:
        raise Unusable(f"The provider's configuration has no {missing[0]}.")
    for name in _ADDRESSES & kept.keys():
        if not isinstance(kept[name], str):
            raise Unusable(f"The provider's {name} is no address.")
        kept[name] = check_url(kept[name])
    return kept | {name: found.get(name) is True for name in _KEPT_FLAGS}


def fetch_keys(jwks_uri: str) -> dict[str, Any]:
    """Return a provider's public keys for signatures, without anything private or symmetric that it published.

    Raises:
        OutboundError: they cannot be fetched, or there is none.
    """
    found = get(jwks_uri).json()
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or len(keys) > MOST_KEYS:
        raise Unusable(f"The provider's key set is none, or has more than {MOST_KEYS} keys.")
    usable = [key for key in keys if isinstance(key, dict) and _is_usable(key)]
    if not usable:
        raise Unusable("The provider publishes no public key that signs.")
    return {"keys": usable}


def _is_usable(key: dict[str, Any]) -> bool:
    asymmetric = key.get("kty") in ("RSA", "EC", "OKP")  # whatever it is, it need not be hashable
    return asymmetric and key.get("use", "sig") == "sig" and not _PRIVATE & key.keys()
