"""The authorization code flow (OpenID Connect Core 1.0 section 3.1), with PKCE (RFC 7636) and `iss` (RFC 9207)."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from django.utils import timezone

from accounts.sso.attempt import Attempt
from accounts.sso.checks import Checklist
from accounts.sso.exceptions import SignInRefused
from accounts.sso.signed_in import SignedIn
from outbound.client import get, post

from .discovery import fetch_keys
from .id_token import LONGEST_NAME, checked_claims, key_name
from .registration import Registration

KEYS_COUNT_FOR = timedelta(hours=1)
"""How long fetched keys are used without asking again."""
KEYS_AGAIN_AFTER = timedelta(seconds=30)
"""An unknown key is looked for no sooner than this after the last time."""
_OK = 200


def authorization_url(
    registration: Registration, attempt: Attempt, *, login_hint: str = "", again: bool = False
) -> str:
    """Return where somebody signs in.

    Args:
        registration: the client.
        attempt: what the browser keeps.
        login_hint: the e-mail address that was typed, "" for none.
        again: the provider shall ask for proof also when they are signed in there.
    """
    asked = {
        "response_type": "code",
        "client_id": registration.client_id,
        "redirect_uri": registration.redirect_uri,
        "scope": registration.scopes,
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": attempt.challenge,
        "code_challenge_method": "S256",
    }
    if login_hint:
        asked["login_hint"] = login_hint
    if again:
        asked |= {"prompt": "login", "max_age": "0"}
    endpoint = registration.metadata["authorization_endpoint"]
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"


def signed_in(
    registration: Registration, attempt: Attempt, answer: dict[str, list[str]], checklist: Checklist
) -> tuple[SignedIn, Registration]:
    """Return who came back, after every check, and the registration with the keys that were used.

    Args:
        registration: the client.
        attempt: what the browser kept.
        answer: the parameters of the redirect.
        checklist: gets each check.

    Raises:
        SignInRefused: something does not hold.
    """
    with checklist.step("The provider answered with a code"):
        code = _code(registration, answer)
    with checklist.step("The code was exchanged for tokens"):
        tokens = _exchange(registration, attempt, code)
    with checklist.step("The provider's keys are known"):
        registration = with_current_keys(registration, key_name(tokens["id_token"]))
    with checklist.step("The ID token is signed, for this client, and of this sign-in"):
        claims = checked_claims(
            tokens["id_token"],
            keys=registration.keys,
            issuer=registration.issuer,
            client_id=registration.client_id,
            nonce=attempt.nonce,
        )
    if "userinfo_endpoint" in registration.metadata and tokens.get("access_token"):
        with checklist.step("What the provider adds is about the same person (userinfo)"):
            claims = _userinfo(registration, tokens["access_token"], claims["sub"]) | claims
    said = SignedIn(
        claims["sub"],
        claims,
        _assurance(claims),
        authenticated_at=_authenticated_at(claims),
        sid=_session_name(claims),
    )
    return said, registration


def with_current_keys(registration: Registration, kid: str | None) -> Registration:
    """Return the registration with keys that are fresh, and fetched again when one is missing.

    Raises:
        OutboundError: there are none yet, and they cannot be fetched.
    """
    now = timezone.now()
    age = now - registration.keys_at if registration.keys_at else None
    knows = kid is None or any(key.get("kid") == kid for key in registration.keys.get("keys", []))
    if age is not None and (age < KEYS_AGAIN_AFTER or (knows and age < KEYS_COUNT_FOR)):
        return registration
    return replace(registration, keys=fetch_keys(registration.metadata["jwks_uri"]), keys_at=now)


def _code(registration: Registration, answer: dict[str, list[str]]) -> str:
    if repeated := [name for name, values in answer.items() if len(values) > 1]:
        raise SignInRefused(f"The provider's answer repeats {repeated[0][:40]} (RFC 6749 section 3.1).")
    given = {name: values[0] for name, values in answer.items()}
    announced = registration.metadata.get("authorization_response_iss_parameter_supported")
    if given.get("iss", None if announced else registration.issuer) != registration.issuer:
        raise SignInRefused("The answer comes from another provider (iss, RFC 9207).")
    if "error" in given:
        said = given.get("error_description") or given["error"]
        raise SignInRefused(
            f"The provider refused: {given['error'][:60]}: {said[:300]}",
            "Your identity provider did not let you in. Ask there whether this application is assigned to you.",
        )
    if not given.get("code"):
        raise SignInRefused("The provider's answer has no code.")
    return given["code"]


def _exchange(registration: Registration, attempt: Attempt, code: str) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": registration.redirect_uri,
        "code_verifier": attempt.verifier,
    }
    headers = {"Accept": "application/json"}
    if registration.client_secret is None:
        form["client_id"] = registration.client_id
    elif _takes_basic(registration.metadata):
        pair = f"{quote(registration.client_id, safe='')}:{quote(registration.client_secret, safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": registration.client_id, "client_secret": registration.client_secret}
    reply = post(registration.metadata["token_endpoint"], form=form, headers=headers)
    if reply.status != _OK:
        raise SignInRefused(f"The token endpoint answered {reply.status}: {_error_of(reply)}")
    tokens = reply.json()
    if not isinstance(tokens, dict) or not isinstance(tokens.get("id_token"), str):
        raise SignInRefused("The token endpoint sent no ID token. Is “openid” among the scopes of this client?")
    if not isinstance(tokens.get("access_token", ""), str):
        raise SignInRefused("The token endpoint sent an access token that is none.")
    return tokens


def _assurance(claims: dict[str, Any]) -> tuple[str, ...]:
    """Return `amr` and `acr` (OpenID Connect Core section 2)."""
    methods = claims.get("amr")
    said = [*(methods if isinstance(methods, list) else []), claims.get("acr")]
    return tuple(value for value in said if isinstance(value, str) and value)


def _session_name(claims: dict[str, Any]) -> str:
    """Return `sid` (OpenID Connect Front-Channel Logout 1.0 section 3), "" without one that is usable."""
    sid = claims.get("sid")
    return sid if isinstance(sid, str) and len(sid) <= LONGEST_NAME else ""


def _authenticated_at(claims: dict[str, Any]) -> datetime | None:
    """Return `auth_time` (OpenID Connect Core section 2); None without one that is a moment."""
    moment = claims.get("auth_time")
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        return None
    try:
        return datetime.fromtimestamp(moment, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _takes_basic(metadata: dict[str, Any]) -> bool:
    """Return whether the client authenticates with HTTP Basic, the default (OpenID Connect Discovery section 3)."""
    methods = metadata.get("token_endpoint_auth_methods_supported")
    return not isinstance(methods, list) or "client_secret_basic" in methods


def _userinfo(registration: Registration, access_token: str, subject: str) -> dict[str, Any]:
    reply = get(registration.metadata["userinfo_endpoint"], headers={"Authorization": f"Bearer {access_token}"})
    if reply.status != _OK:
        raise SignInRefused(f"The userinfo endpoint answered {reply.status}.")
    found = reply.json()
    if not isinstance(found, dict) or found.get("sub") != subject:
        raise SignInRefused("The userinfo endpoint speaks of somebody else than the ID token (sub).")
    return found


def _error_of(reply: Any) -> str:
    """Return what RFC 6749 section 5.2 has for an error, cut."""
    try:
        said = reply.json()
    except Exception:  # noqa: BLE001 - whatever it is, it is no error message
        return "no reason given."
    if not isinstance(said, dict):
        return "no reason given."
    return f"{str(said.get('error', ''))[:60]} {str(said.get('error_description', ''))[:300]}".strip()
