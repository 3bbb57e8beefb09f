"""What a provider is shown: the credential's secret, or what an OAuth 2.0 server, HashiCorp Vault or AWS gives for it.

No models. Everything here blocks, and is called from threads with time limits.
"""

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

from outbound.exceptions import OutboundError

from .aws_keys import bedrock_token, from_secrets_manager
from .credential_servers import LEASE_SECONDS, CannotObtain, ask_for_document, host_of, life
from .vault_store import from_vault

__all__ = ["CannotObtain", "Obtained", "obtained", "service_account", "signed"]

_FORM = "application/x-www-form-urlencoded"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_ACCOUNT = ("client_email", "private_key", "private_key_id", "token_uri")
_HEADER_VALUE = re.compile(r"[!-~]{1,8192}")


@dataclass(frozen=True, slots=True)
class Obtained:
    """What goes to the provider.

    Attributes:
        header: the name of its header, in lower case.
        value: the header's value.
        seconds: for how long it is good from when it was asked for; None: as long as the credential is the same.
    """

    header: str
    value: str = field(repr=False)
    seconds: float | None = None


def obtained(provider: str, kind: str, options: Mapping[str, Any], secret: str) -> Obtained:
    """Return what a provider is shown.

    Args:
        provider: one of `gateway.models.Provider`.
        kind: one of `gateway.models.CredentialKind`.
        options: of the credential, as `gateway.credential_options` describes them.
        secret: the credential's own.

    Raises:
        CannotObtain: a server refuses, does not answer, or gives nothing that can be used.
    """
    seconds: float | None
    try:
        match kind:
            case "api_key":
                value, seconds = secret, None
            case "oauth_client":
                token, life = _client_token(options, secret)
                return _bearer(token, life)
            case "aws_keys":
                value, seconds = bedrock_token(options, secret)
            case "vault":
                value, seconds = from_vault(options, secret)
            case "aws_secrets_manager":
                value, seconds = from_secrets_manager(options, secret)
            case _:
                raise CannotObtain("This version does not know this kind of credential.")
        if provider == "vertex" and (account := service_account(value)) is not None:
            token, life = _service_account_token(account)
            return _bearer(token, life if seconds is None else min(life, seconds))
    except OutboundError as error:
        raise CannotObtain(error.detail) from None
    return _shown(provider, value.strip(), seconds)


def service_account(text: str) -> dict[str, str] | None:
    """Return what the JSON key of a Google service account says; None when it is none."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict) or given.get("type") != "service_account":
        return None
    if not all(isinstance(given.get(name), str) and given[name] for name in _ACCOUNT):
        return None
    return {name: given[name] for name in _ACCOUNT}


def signed(account: Mapping[str, str]) -> str:
    """Return what a service account shows to get a token (RFC 7523 section 3).

    Raises:
        ValueError: its private key cannot be read.
    """
    from joserfc import jwk, jwt  # noqa: PLC0415 - only where it is used
    from joserfc.errors import JoseError  # noqa: PLC0415 - the same

    now = int(time.time())
    claims = {
        "iss": account["client_email"],
        "scope": _GOOGLE_SCOPE,
        "aud": account["token_uri"],
        "iat": now,
        "exp": now + 3600,
    }
    try:
        key = jwk.RSAKey.import_key(account["private_key"])
        return jwt.encode({"alg": "RS256", "kid": account["private_key_id"]}, claims, key)
    except (JoseError, ValueError, TypeError):
        raise ValueError("The private key cannot be read.") from None


def _shown(provider: str, value: str, seconds: float | None) -> Obtained:
    if not _HEADER_VALUE.fullmatch(value):
        raise CannotObtain("What was found there cannot be sent as a header: it is empty, too long, or has blanks.")
    match provider:
        case "anthropic":
            return Obtained("x-api-key", value, seconds)
        case "azure_openai":
            return Obtained("api-key", value, seconds)
        case _:
            return _bearer(value, seconds)


def _bearer(token: str, seconds: float | None) -> Obtained:
    if not _HEADER_VALUE.fullmatch(token):
        raise CannotObtain("What was found there cannot be sent as a header: it is empty, too long, or has blanks.")
    return Obtained("authorization", f"Bearer {token}", seconds)


# --- OAuth 2.0 -------------------------------------------------------------------------------------


def _client_token(options: Mapping[str, Any], secret: str) -> tuple[str, float]:
    """Return an access token and its life (RFC 6749 section 4.4)."""
    form = {"grant_type": "client_credentials"}
    form |= {name: str(options[name]) for name in ("scope", "audience") if options.get(name)}
    headers = {}
    client_id = str(options.get("client_id", ""))
    if options.get("auth") == "post":
        form |= {"client_id": client_id, "client_secret": secret}
    else:
        # Section 2.3.1: both parts are encoded as form values first.
        pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return _token(str(options.get("token_url", "")), form, headers)


def _service_account_token(account: Mapping[str, str]) -> tuple[str, float]:
    """Return an access token and its life (RFC 7523 section 2.1)."""
    try:
        assertion = signed(account)
    except ValueError as error:
        raise CannotObtain(f"The service account's key cannot be used. {error}") from None
    return _token(account["token_uri"], {"grant_type": _JWT_BEARER, "assertion": assertion}, {})


def _token(url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str, float]:
    asked = {**headers, "content-type": _FORM}
    answer = ask_for_document("POST", url, urlencode(form).encode(), asked, who="The token endpoint")
    token = answer.get("access_token")
    if not isinstance(token, str) or str(answer.get("token_type", "bearer")).lower() != "bearer":
        raise CannotObtain(f"The token endpoint at {host_of(url)} gave no bearer token. Check its address.")
    return token, life(answer.get("expires_in"), default=LEASE_SECONDS)
