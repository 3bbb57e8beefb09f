"""Why LLM requests are refused: stable codes, and sentences that say what to do."""

from http import HTTPStatus

from .problems import Headers, Refused

DENIAL_HEADER = b"x-gatehouse-denial"
_SENTENCES: dict[str, tuple[HTTPStatus, str]] = {
    "malformed": (HTTPStatus.BAD_REQUEST, "The request cannot be read."),
    "caller_unknown": (
        HTTPStatus.FORBIDDEN,
        "Only the proxy's Envoy may ask here, from this machine or with the secret that PROXY_CHECK_SECRET names.",
    ),
    "token_invalid": (
        HTTPStatus.UNAUTHORIZED,
        "The request shows no valid token. Get one at the token endpoint; send it as “X-Gatehouse-LLM-Auth: <token>”.",
    ),
    "token_expired": (HTTPStatus.UNAUTHORIZED, "The token has expired. Get a new one at the token endpoint."),
    "token_revoked": (
        HTTPStatus.UNAUTHORIZED,
        "The token, or the key that it was issued for, is revoked or over. Get a new token with a key that is valid.",
    ),
    "key_invalid": (
        HTTPStatus.UNAUTHORIZED,
        "The API key is mistyped, revoked, expired, or of an owner who may no longer act. Send one that is valid.",
    ),
    "api_keys_not_accepted": (
        HTTPStatus.FORBIDDEN,
        "This organization takes tokens only. Exchange the key for one, or let an administrator allow API keys.",
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
        "There is no such project here, or the token or key is for another one. Name its own in “X-Gatehouse-Project”.",
    ),
    "network_not_allowed": (
        HTTPStatus.FORBIDDEN,
        "The key or the organization takes no requests from this address. Call from a network that is allowed.",
    ),
    "permission_missing": (
        HTTPStatus.FORBIDDEN,
        "This needs llm:invoke in the project: in the token's or key's scopes, and in its owner's role now.",
    ),
    "provider_unknown": (
        HTTPStatus.FORBIDDEN,
        "The proxy passes on the inference paths of its providers only. Check method, path and “X-Gatehouse-Provider”.",
    ),
    "credential_missing": (
        HTTPStatus.FORBIDDEN,
        "Neither project nor organization has a credential in use for this provider. An administrator adds one.",
    ),
    "model_not_allowed": (
        HTTPStatus.FORBIDDEN,
        "No credential here allows this model, or the token is for another one. Choose a model that is allowed.",
    ),
    "not_maskable": (
        HTTPStatus.FORBIDDEN,
        "The organization masks personal data in prompts, and no transformer runs that could. The operator runs one.",
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
