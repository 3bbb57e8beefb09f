"""Why LLM requests are refused: stable codes, and sentences that say what to do."""

from http import HTTPStatus

from .problems import Headers, Refused

DENIAL_HEADER = b"x-gatehouse-denial"
_SENTENCES: dict[str, tuple[HTTPStatus, str]] = {
    "malformed": (HTTPStatus.BAD_REQUEST, "The request cannot be read."),
    "token_invalid": (
        HTTPStatus.UNAUTHORIZED,
        "The request shows no valid token. Get one from the token endpoint and send it as “X-Gatehouse-LLM-Auth: <token>”.",
    ),
    "token_expired": (HTTPStatus.UNAUTHORIZED, "The token has expired. Get a new one from the token endpoint."),
    "token_revoked": (
        HTTPStatus.UNAUTHORIZED,
        "The token was revoked, or the key that it was issued for is revoked or has expired. Get a new token with a key "
        "that is valid.",
    ),
    "key_invalid": (
        HTTPStatus.UNAUTHORIZED,
        "The API key is not valid: mistyped, revoked, expired, or of an owner who may no longer act. Send a valid one as "
        "“Authorization: Bearer gatesk_…”.",
    ),
    "api_keys_not_accepted": (
        HTTPStatus.FORBIDDEN,
        "This organization takes tokens only. Exchange the API key for one at the token endpoint, or let an administrator "
        "allow API keys in the settings of the LLM auth proxy.",
    ),
    "proxy_disabled": (
        HTTPStatus.FORBIDDEN,
        "The LLM auth proxy is turned off for this organization. An administrator turns it on in its settings.",
    ),
    "organization_suspended": (
        HTTPStatus.FORBIDDEN,
        "The organization is suspended or being deleted. Ask whoever operates this installation.",
    ),
    "project_suspended": (
        HTTPStatus.FORBIDDEN,
        "The project is being deleted. Use another one, or let an owner keep it.",
    ),
    "project_unknown": (
        HTTPStatus.FORBIDDEN,
        "The organization has no such project, or the token or key is for another one. Name the project that it is for in "
        "“X-Gatehouse-Project”, by identifier or id.",
    ),
    "network_not_allowed": (
        HTTPStatus.FORBIDDEN,
        "The key or the organization does not accept requests from this address. Call from an allowed network, or let an "
        "administrator add this one.",
    ),
    "permission_missing": (
        HTTPStatus.FORBIDDEN,
        "This needs the permission llm:invoke in the project: in the token's or key's scopes, and in its owner's role now.",
    ),
    "provider_unknown": (
        HTTPStatus.FORBIDDEN,
        "The proxy does not pass this on: it takes the inference paths of its providers' APIs, nothing else. Check method "
        "and path, and that “X-Gatehouse-Provider” or the token names the provider that they belong to.",
    ),
    "credential_missing": (
        HTTPStatus.FORBIDDEN,
        "Neither the project nor the organization has a credential in use for this request's provider. An administrator "
        "adds one.",
    ),
    "model_not_allowed": (
        HTTPStatus.FORBIDDEN,
        "No credential here may be used with this model, or the token is limited to another one. Choose an allowed model, "
        "or let an administrator allow it.",
    ),
    "unavailable": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database does not answer, so nobody can say whether this request is allowed. Send it again.",
    ),
}
CODES = frozenset(_SENTENCES)
"""The codes that are made here; counting, guessing and credentials have theirs beside."""


def denied(code: str, detail: str = "") -> Refused:
    """Return the refusal of an LLM request.

    Args:
        code: one of `CODES`.
        detail: sentences in place of the usual ones.
    """
    status, sentence = _SENTENCES[code]
    headers: Headers = []
    if status == HTTPStatus.UNAUTHORIZED:
        # RFC 6750 section 3: who shows nothing learns only how to.
        headers.append((b"www-authenticate", b'Bearer realm="gatehouse", error="invalid_token"'))
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    return Refused(status, code, detail or sentence, headers=headers)
