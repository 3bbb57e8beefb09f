"""The token endpoint (RFC 6749 section 4.4, client credentials): what Entra ID's gallery asks for."""

import base64
from http import HTTPStatus
from urllib.parse import unquote_plus

from django.http import HttpRequest, HttpResponse, JsonResponse

from accounts.services.scim_authentication import ACCESS_TOKEN_LIFE, TokenRefused, make_access_token
from isolation.context import current_origin

from .errors import ScimError
from .limits import count_address

_FORM = "application/x-www-form-urlencoded"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def token(request: HttpRequest) -> HttpResponse:
    """Return an access token for the public id and the secret of a SCIM token."""
    if request.method != "POST":
        return _refused("invalid_request", "Send a POST.", HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "POST"})
    if request.content_type != _FORM:
        return _refused("invalid_request", f"Send the parameters as {_FORM}.")
    try:
        count_address()
    except ScimError as limited:
        return _refused("temporarily_unavailable", limited.detail, limited.status, limited.headers)
    if request.POST.get("grant_type") != "client_credentials":
        return _refused("unsupported_grant_type", "The grant_type is client_credentials.")
    client_id, client_secret = _credentials(request)
    try:
        access_token = make_access_token(client_id=client_id, client_secret=client_secret, ip=current_origin().ip)
    except TokenRefused:
        return _refused(
            "invalid_client",
            "The client is unknown: client_id is the public id of a SCIM token, client_secret its secret.",
            HTTPStatus.UNAUTHORIZED,
            {"WWW-Authenticate": 'Basic realm="Gatehouse SCIM"'},
        )
    return JsonResponse(
        {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": int(ACCESS_TOKEN_LIFE.total_seconds()),
            "scope": "scim",
        },
        headers=_NO_STORE,
    )


def _credentials(request: HttpRequest) -> tuple[str, str]:
    """Return (client id, client secret), from the header or the body (RFC 6749 section 2.3.1); "" for what lacks."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(value, validate=True).decode("ascii").partition(":")
        except ValueError:
            return "", ""
        return unquote_plus(client_id), unquote_plus(secret)
    return request.POST.get("client_id", ""), request.POST.get("client_secret", "")


def _refused(
    error: str, description: str, status: int = HTTPStatus.BAD_REQUEST, headers: dict[str, str] | None = None
) -> HttpResponse:
    body = {"error": error, "error_description": description}
    return JsonResponse(body, status=status, headers={**_NO_STORE, **(headers or {})})
