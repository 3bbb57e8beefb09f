"""Reading requests to the OAuth endpoints: parameters, and with which credential they come."""

import base64
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote_plus

from django.http import HttpRequest
from rest_framework.parsers import FormParser
from rest_framework.request import Request

from accounts.api.authentication import KeyCredential, SessionAuthentication, SessionCredential
from accounts.key_record import KeyRecord, Refusal
from accounts.services.key_authentication import KeyRefused, authenticate_key
from gateway.well_known import EXCHANGE
from isolation.context import current_origin

from .errors import OAuthError, unknown_client

FORM = "application/x-www-form-urlencoded"
LARGEST_BODY = 16_384
MOST_PARAMETERS = 50
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
JWT = "urn:ietf:params:oauth:token-type:jwt"
API_KEY = "urn:gatehouse:params:oauth:token-type:api-key"
SESSION = "urn:gatehouse:params:oauth:token-type:session"
_SEVERAL = frozenset({"audience", "resource"})  # RFC 8693 section 2.1
_KEY_HINT = "client_id is the public id of an API key, client_secret its secret."


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks.

    Attributes:
        credential: what was shown.
        key: the key's record, None for a session.
    """

    credential: KeyCredential | SessionCredential
    key: KeyRecord | None = None


def parameters_of(request: HttpRequest) -> dict[str, list[str]]:
    """Return the parameters of the body; only an audience may come more than once.

    Raises:
        OAuthError: the method is another one, or the body cannot be read.
    """
    if request.method != "POST":
        raise OAuthError(
            "invalid_request", "Send a POST.", status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"}
        )
    if request.META.get("QUERY_STRING"):
        raise OAuthError("invalid_request", "A secret in an address ends up in logs. Send the parameters in the body.")
    if request.content_type != FORM:
        raise OAuthError("invalid_request", f"Send the parameters as {FORM}.")
    body = request.body
    if len(body) > LARGEST_BODY:
        raise OAuthError("invalid_request", f"The body is larger than {LARGEST_BODY:,} bytes. Send less.")
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict")
    except ValueError:
        raise OAuthError(
            "invalid_request", f"The body is no form in UTF-8 with at most {MOST_PARAMETERS} parameters."
        ) from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in found and name not in _SEVERAL:
            raise OAuthError("invalid_request", "A parameter came twice. Send each once.")
        if "\x00" in value:
            raise OAuthError("invalid_request", "A parameter holds a NUL character. Leave it out.")
        if value:  # RFC 6749 section 3.2: without a value, as if it were not there
            found.setdefault(name, []).append(value)
    return found


def one(parameters: dict[str, list[str]], name: str) -> str:
    """Return a parameter, "" when it is not there."""
    return parameters.get(name, [""])[0]


def caller_of(request: HttpRequest, parameters: dict[str, list[str]]) -> Caller:
    """Return who asks for a token.

    Raises:
        OAuthError: the grant type is another one, or nobody is recognized.
        Problem: the session needs its CSRF token.
    """
    match one(parameters, "grant_type"):
        case "client_credentials":
            return client_of(request, parameters)
        case grant if grant == EXCHANGE:
            return _subject_of(request, parameters)
        case "":
            raise OAuthError("invalid_request", "The parameter grant_type is missing.")
        case _:
            raise OAuthError("unsupported_grant_type", f"The grant_type is client_credentials or {EXCHANGE}.")


def client_of(request: HttpRequest, parameters: dict[str, list[str]]) -> Caller:
    """Return the key by which a client authenticates (RFC 6749 section 2.3.1): in the header, or in the body.

    Raises:
        OAuthError: there is none, or it is not accepted.
    """
    header = request.headers.get("Authorization")
    if header is None:
        public_id, secret = one(parameters, "client_id"), one(parameters, "client_secret")
    elif "client_secret" in parameters:
        raise OAuthError("invalid_request", "Authenticate in one way: the Authorization header, or client_secret.")
    else:
        public_id, secret = _basic(header)
        if one(parameters, "client_id") not in {"", public_id}:
            raise OAuthError("invalid_request", "client_id is another one than in the Authorization header.")
    if not public_id or not secret:
        raise unknown_client(f"Authenticate by Basic, or by client_id and client_secret: {_KEY_HINT}")
    try:
        return _of_key(secret, public_id)
    except KeyRefused as refused:
        raise _refused(refused.code) from refused


def session_of(request: HttpRequest) -> SessionCredential | None:
    """Return the session that a request comes with, None without one.

    Raises:
        Problem: 403, the CSRF token is missing or wrong.
    """
    found = SessionAuthentication().authenticate(Request(request, parsers=[FormParser()]))
    return found[1] if found is not None else None


def _subject_of(request: HttpRequest, parameters: dict[str, list[str]]) -> Caller:
    """Return whose token is exchanged (RFC 8693 section 2.1)."""
    if "Authorization" in request.headers:
        raise OAuthError("invalid_request", "Show the key as subject_token, and leave the Authorization header out.")
    if "actor_token" in parameters or "actor_token_type" in parameters:
        raise OAuthError("invalid_request", "Nobody acts for somebody else here: leave actor_token out.")
    if one(parameters, "requested_token_type") not in {"", ACCESS_TOKEN, JWT}:
        raise OAuthError("invalid_request", f"The requested_token_type is {ACCESS_TOKEN} or {JWT}.")
    secret = one(parameters, "subject_token")
    match one(parameters, "subject_token_type"):
        case kind if kind in {ACCESS_TOKEN, API_KEY}:
            try:
                return _of_key(secret, None)
            except KeyRefused as refused:
                # RFC 8693 section 2.2.2: a subject token that is not accepted is an invalid request.
                raise OAuthError("invalid_request", _refused(refused.code, "subject_token").description) from refused
        case kind if kind == SESSION:
            session = session_of(request)
            if session is None:
                raise OAuthError("invalid_request", "There is no session: sign in to the console, in this browser.")
            return Caller(session)
        case _:
            raise OAuthError("invalid_request", f"The subject_token_type is {ACCESS_TOKEN}, {API_KEY} or {SESSION}.")


def _of_key(secret: str, public_id: str | None) -> Caller:
    """Return the caller behind a key.

    Raises:
        KeyRefused: it is not accepted.
        OAuthError: it is the platform's.
    """
    record = authenticate_key(secret=secret, public_id=public_id, ip=current_origin().ip)
    if record.is_platform:
        raise OAuthError(
            "unauthorized_client",
            "A platform key verifies other keys and calls no models. Use a key of an organization.",
        )
    return Caller(KeyCredential(record), record)


def _basic(header: str) -> tuple[str, str]:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        with suppress(ValueError):  # neither base64 nor ASCII
            public_id, colon, secret = base64.b64decode(value.strip(), validate=True).decode("ascii").partition(":")
            if colon:
                return unquote_plus(public_id), unquote_plus(secret)
    raise unknown_client(f"The Authorization header has to be Basic: {_KEY_HINT}")


def _refused(code: str, what: str = "client") -> OAuthError:
    """Return the refusal of a key; only who shows the right secret learns more than that."""
    match code:
        case Refusal.NETWORK:
            return OAuthError("unauthorized_client", f"This key is not accepted from {current_origin().ip}.")
        case Refusal.SUSPENDED:
            return OAuthError("unauthorized_client", "An operator of this installation has suspended the organization.")
        case _:
            text = "This API key is not accepted: it may be mistyped, revoked or expired."
            return unknown_client(f"{text} {_KEY_HINT}" if what == "client" else f"{text} The {what} is its secret.")


def streaming_of(parameters: dict[str, list[str]]) -> bool | None:
    """Return what the caller states about streaming.

    Raises:
        OAuthError: it is neither true nor false.
    """
    match one(parameters, "streaming"):
        case "":
            return None
        case "true" | "false" as text:
            return text == "true"
        case _:
            raise OAuthError("invalid_request", "streaming is true or false.")


def organization_reference(parameters: dict[str, list[str]], key: KeyRecord | None) -> str:
    """Return the organization that is meant, by id or identifier.

    Raises:
        OAuthError: a session names none.
    """
    named = one(parameters, "organization")
    if named:
        return named
    if key is None or key.organization_id is None:
        raise OAuthError("invalid_request", "A session names the organization in the parameter 'organization'.")
    return str(key.organization_id)
