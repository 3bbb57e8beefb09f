"""What a provider is shown: from the credential's secret, an OAuth 2.0 server, HashiCorp Vault or AWS (no models).

Everything here blocks, and is called from threads with time limits. It speaks to addresses that organizations typed in,
so that all of it goes through `outbound`. No error repeats what a server said: it may repeat a secret.
"""

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus, urlencode, urlsplit

from outbound.exceptions import OutboundError
from outbound.exchange import Reply
from outbound.session import Session

SECONDS = 5.0
"""For one request to a server that gives credentials."""
ANTHROPIC_VERSION = "2023-06-01"
"""What is sent as ``anthropic-version`` when a client names none."""
SHORTEST, LONGEST = 30, 86_400
"""Seconds for which what was obtained may count."""
LEASE_SECONDS = 300
"""How long what an external store gave counts, where neither the credential nor the store says it."""

_OK = 200
_FORM = "application/x-www-form-urlencoded"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_ACCOUNT = ("client_email", "private_key", "private_key_id", "token_uri")
_HEADER_VALUE = re.compile(r"[!-~]{1,8192}")
_LARGEST_ANSWER = 262_144


class CannotObtain(Exception):  # noqa: N818 - reads as the statement it is
    """Nothing can be shown to the provider now; the message says why, in whole sentences and without secrets."""


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
            case "vault":
                value, seconds = _from_vault(options, secret)
            case "aws_secrets_manager":
                value, seconds = _from_aws(options, secret)
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
    reply = _ask("POST", url, urlencode(form).encode(), {**headers, "content-type": _FORM})
    answer = _document(reply, "The token endpoint")
    token = answer.get("access_token")
    if not isinstance(token, str) or str(answer.get("token_type", "bearer")).lower() != "bearer":
        raise CannotObtain(f"The token endpoint at {_host(url)} gave no bearer token. Check its address.")
    return token, _life(answer.get("expires_in"), default=LEASE_SECONDS)


# --- HashiCorp Vault -------------------------------------------------------------------------------


def _from_vault(options: Mapping[str, Any], secret: str) -> tuple[str, float]:
    """Return a field of a secret in a key-value engine, and for how long it counts."""
    address = str(options.get("address", "")).rstrip("/")
    headers = {"x-vault-request": "true"}
    if options.get("namespace"):
        headers["x-vault-namespace"] = str(options["namespace"])
    longest: float = LONGEST
    token = secret
    if options.get("auth") == "approle":
        body = json.dumps({"role_id": str(options.get("role_id", "")), "secret_id": secret}).encode()
        reply = _ask("POST", f"{address}/v1/auth/{_path(options.get('auth_mount') or 'approle')}/login", body, headers)
        login = _document(reply, "Vault").get("auth")
        token = str(login.get("client_token") or "") if isinstance(login, dict) else ""
        if not token:
            raise CannotObtain(f"Vault at {_host(address)} gave no token for this role.")
        longest = _life(login.get("lease_duration"), default=LONGEST) if isinstance(login, dict) else longest
    mount, path = _path(options.get("mount") or "secret"), _path(options.get("path", ""))
    is_first = str(options.get("kv_version", "2")) == "1"
    url = f"{address}/v1/{mount}/{path}" if is_first else f"{address}/v1/{mount}/data/{path}"
    answer = _document(_ask("GET", url, b"", {**headers, "x-vault-token": token}), "Vault")
    data = answer.get("data")
    if not is_first:
        data = data.get("data") if isinstance(data, dict) else None
    name = str(options.get("field") or "value")
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, str) or not value:
        raise CannotObtain(f"The secret in Vault at {_host(address)} has no text under “{name}”.")
    return value, min(longest, _lease(options, answer.get("lease_duration")))


# --- AWS Secrets Manager ---------------------------------------------------------------------------


def _from_aws(options: Mapping[str, Any], secret: str) -> tuple[str, float]:
    """Return a secret, or a field of one that is a JSON object, and for how long it counts.

    botocore signs; what is sent goes through `outbound`. It is given keys and looks for none: this machine's own are
    nobody else's.
    """
    from botocore.auth import SigV4Auth  # noqa: PLC0415 - only where it is used
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - the same
    from botocore.credentials import Credentials  # noqa: PLC0415 - the same

    region = str(options.get("store_region", ""))
    url = secrets_manager(region, str(options.get("endpoint", "")))
    body = json.dumps({"SecretId": str(options.get("secret_id", ""))}).encode()
    request = AWSRequest(
        method="POST",
        url=url,
        data=body,
        headers={"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager.GetSecretValue"},
    )
    keys = Credentials(str(options.get("access_key_id", "")), secret)
    SigV4Auth(keys, "secretsmanager", region).add_auth(request)
    headers = {name: str(value) for name, value in request.headers.items()}
    answer = _document(_ask("POST", url, body, headers), "AWS Secrets Manager")
    value = answer.get("SecretString")
    name = str(options.get("field") or "")
    if name and isinstance(value, str):
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            parsed = None
        value = parsed.get(name) if isinstance(parsed, dict) else None
    if not isinstance(value, str) or not value:
        what = f"no text under “{name}”" if name else "no text"
        raise CannotObtain(f"The secret in AWS Secrets Manager has {what}.")
    return value, _lease(options, None)


def secrets_manager(region: str, endpoint: str) -> str:
    """Return the address of AWS Secrets Manager in a region, or another one that was given."""
    if endpoint:
        return f"{endpoint.rstrip('/')}/"
    ending = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://secretsmanager.{region}.{ending}/"


# --- What they share -------------------------------------------------------------------------------


def _ask(method: str, url: str, content: bytes, headers: Mapping[str, str]) -> Reply:
    with Session(url, timeout=SECONDS) as session:
        asked = {"accept": "application/json", **headers}
        return session.request(method, url, content=content, headers=asked, max_bytes=_LARGEST_ANSWER)


def _document(reply: Reply, who: str) -> dict[str, Any]:
    """Return an answer that is a JSON object with status 200."""
    if reply.status != _OK:
        advice = "Try again later." if reply.status >= 500 or reply.status == 429 else "Check what it is asked with."  # noqa: PLR2004 - statuses
        raise CannotObtain(f"{who} at {_host(reply.url)} answered with status {reply.status}. {advice}")
    answer = reply.json()
    if not isinstance(answer, dict):
        raise CannotObtain(f"{who} at {_host(reply.url)} answered with something else than a JSON object.")
    return answer


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _path(text: Any) -> str:
    """Return a path of Vault's, whose parts cannot lead elsewhere."""
    return "/".join(quote(part, safe="") for part in str(text).strip("/").split("/"))


def _life(told: Any, *, default: float) -> float:
    """Return the seconds that a server states, within reason."""
    try:
        life = float(told)
    except (TypeError, ValueError):
        return default
    return min(max(life, 0.0), LONGEST) if life == life else default  # noqa: PLR0124 - NaN is not itself


def _lease(options: Mapping[str, Any], told: Any) -> float:
    """Return for how long what a store gave counts: as the credential says, and no longer than the store does."""
    own = _life(options.get("lease_seconds"), default=LEASE_SECONDS)
    given = _life(told, default=0.0)
    return min(own, given) if given > 0 else own
