"""Reading what is asked about an LLM request: who shows what, and what it is after."""

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from accounts.key_format import KeyKind, parse_secret
from gateway.claims import Claims

from .choosing import Wish
from .denials import denied
from .requests import CREDENTIAL_BYTES

Scope = MutableMapping[str, Any]

PREFIX = "/check/"
TOKEN_HEADER = b"x-gatehouse-llm-auth"
LANGSMITH_HEADER = b"x-langsmith-llm-auth"
PROVIDER_HEADER, MODEL_HEADER, PROJECT_HEADER = b"x-gatehouse-provider", b"x-gatehouse-model", b"x-gatehouse-project"
SECRET_HEADER = b"x-gatehouse-check-secret"
VERSION_HEADER = b"anthropic-version"
SHOWN = (TOKEN_HEADER, LANGSMITH_HEADER, b"authorization", b"x-api-key")
STATED = (PROVIDER_HEADER, MODEL_HEADER, PROJECT_HEADER)
SINGLE = frozenset({*SHOWN, *STATED, SECRET_HEADER, b"x-request-id", VERSION_HEADER})
"""What may come once."""
_SECRET_PARAMETERS = frozenset(
    {
        *(b"access_token", b"api-key", b"api_key", b"apikey", b"key", b"subscription-key", b"token"),
        *(b"x-amz-credential", b"x-amz-security-token", b"x-amz-signature"),
    }
)
_KEY_PREFIX = b"gatesk_"


def path_of(scope: Scope) -> str:
    """Return the client's path as it came, still encoded.

    Raises:
        Refused: a secret stands in the query, which would take it to the provider and into logs.
    """
    query: bytes = scope["query_string"]
    if query:
        parts = query.replace(b";", b"&").split(b"&")
        if not _SECRET_PARAMETERS.isdisjoint(unquote_to_bytes(part.partition(b"=")[0]).lower() for part in parts):
            raise denied(
                "malformed",
                "A key in an address ends up in logs, and would reach the provider. Send credentials in headers.",
            )
    path: bytes = scope["raw_path"]
    return path[len(PREFIX) - 1 :].decode("latin-1")


def token_of(headers: dict[bytes, bytes]) -> tuple[str, bool]:
    """Return the token that a request shows, or "", and whether it came under LangSmith's name alone.

    Raises:
        Refused: two different ones came.
    """
    ours, theirs = (_bare(headers.get(name, b"")) for name in (TOKEN_HEADER, LANGSMITH_HEADER))
    if ours and theirs and ours != theirs:
        raise denied("malformed", "Two different tokens came. Send one, in X-Gatehouse-LLM-Auth.")
    return ours or theirs, not ours


def key_of(headers: dict[bytes, bytes]) -> str:
    """Return the API key that a request shows.

    Raises:
        Refused: it shows none, none of ours, or two.
    """
    scheme, _, bearer = headers.get(b"authorization", b"").partition(b" ")
    given = {headers.get(b"x-api-key", b"").strip()}
    if scheme.lower() == b"bearer":
        given.add(bearer.strip())
    keys = [key for key in given if key.startswith(_KEY_PREFIX)]
    if not keys:
        raise denied("token_invalid")
    if len(keys) > 1:
        raise denied("malformed", "Two different API keys came. Send one.")
    key = keys[0].decode("latin-1")
    parsed = parse_secret(key) if len(key) <= CREDENTIAL_BYTES else None
    if parsed is None or parsed.kind in {KeyKind.PLATFORM, KeyKind.SCIM}:
        raise denied("key_invalid")
    return key


def _bare(value: bytes) -> str:
    """Return a token without the word before it."""
    scheme, space, rest = value.strip().partition(b" ")
    return (rest.strip() if space and scheme.lower() == b"bearer" else value.strip()).decode("latin-1")


def wish_of(method: str, path: str, headers: dict[bytes, bytes], claims: Claims | None) -> Wish:
    """Return what a request is after; what the token states goes before what headers do."""
    stated_provider = headers.get(PROVIDER_HEADER, b"").decode("latin-1")
    stated_model = headers.get(MODEL_HEADER, b"").decode("latin-1")
    if claims is None:
        return Wish(method, path, stated_provider, stated_model)
    return Wish(
        method,
        path,
        claims.model_provider or stated_provider,
        claims.model_name or stated_model,
        is_bound=bool(claims.model_name),
    )
