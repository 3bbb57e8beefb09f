"""Checks a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.6) and returns what it says."""

import time
from dataclasses import dataclass
from typing import Any

from accounts.sso.exceptions import SignInRefused
from outbound.exchange import storable

from .id_token import LEEWAY, LONGEST_NAME, header_of, is_number, is_one_of, signed_claims

EVENT = "http://schemas.openid.net/event/backchannel-logout"
OLDEST = 10 * 60
"""Seconds after which a logout token is too old, whatever its end says: it is sent when somebody signs out."""
_WHAT = "The logout token"
_TYPES = frozenset({"", "jwt", "logout+jwt", "application/logout+jwt"})


@dataclass(frozen=True, slots=True)
class LogoutToken:
    """Who signed out at the provider.

    Attributes:
        jti: the token's own name; it serves once.
        subject: who; "" when only the session is named.
        sid: which of their sessions; "" for all of them.
    """

    jti: str
    subject: str
    sid: str


def checked_logout(token: str, *, keys: dict[str, Any], issuer: str, client_id: str) -> LogoutToken:
    """Return what a logout token says that holds. Whether it was used before is not known here.

    Args:
        token: in compact form.
        keys: the issuer's key set.
        issuer: who has to have issued it.
        client_id: for whom.

    Raises:
        SignInRefused: it does not hold.
    """
    kind = header_of(token, _WHAT).get("typ", "")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise SignInRefused(f"{_WHAT} is a token of another kind (typ).")
    try:
        claims: dict[str, Any] = storable(signed_claims(token, keys, what=_WHAT))
    except (ValueError, RecursionError):
        raise SignInRefused(f"{_WHAT} has texts that are none, or is nested too deeply.") from None
    if claims.get("iss") != issuer:
        raise SignInRefused(f"{_WHAT} comes from another issuer.")
    if not is_one_of(client_id, claims.get("aud")):
        raise SignInRefused(f"{_WHAT} is for another client.")
    _check_times(claims)
    if "nonce" in claims:  # an ID token is none
        raise SignInRefused(f"{_WHAT} has a nonce, which none may have.")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise SignInRefused(f"{_WHAT} does not say that somebody signed out (events).")
    found = LogoutToken(*(_name(claims, name) for name in ("jti", "sub", "sid")))
    if not found.jti:
        raise SignInRefused(f"{_WHAT} has no name of its own (jti).")
    if not found.subject and not found.sid:
        raise SignInRefused(f"{_WHAT} does not say who signed out (sub or sid).")
    return found


def _check_times(claims: dict[str, Any]) -> None:
    now = time.time()
    issued: Any = claims.get("iat")
    ends: Any = claims.get("exp", now)
    if not is_number(issued) or not is_number(ends):
        raise SignInRefused(f"{_WHAT} does not say when it was made (iat).")
    if issued - LEEWAY > now:
        raise SignInRefused(f"{_WHAT} comes from the future. Compare the clocks of both servers.")
    if issued + OLDEST < now or ends + LEEWAY < now:
        raise SignInRefused(f"{_WHAT} is too old.")


def _name(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str) or len(value) > LONGEST_NAME or (name in claims and not value.strip()):
        raise SignInRefused(f"{_WHAT} has no usable {name}.")
    return value
