"""What proxies and clients read of the issuer: its keys (RFC 7517) and its metadata (RFC 8414); open to everybody."""

import hashlib
import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from tenants.permissions import P

from .selectors import published_keys
from .services.signing_keys import settle_signing_keys

TOKEN_PATH = "/api/v1/oauth2/token"  # noqa: S105 - an address
REVOCATION_PATH = "/api/v1/oauth2/revoke"
JWKS_PATH = "/.well-known/jwks.json"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@require_safe
def jwks(request: HttpRequest) -> HttpResponse:
    """Answer the published keys; they may be kept for JWKS_CACHE_SECONDS."""
    keys = published_keys()
    if not keys:
        settle_signing_keys(at_start=True)
        keys = published_keys()
    return _answer(request, {"keys": keys}, "application/jwk-set+json")


@require_safe
def metadata(request: HttpRequest) -> HttpResponse:
    """Answer where the endpoints are, and what they take."""
    document = {
        "issuer": settings.JWT_ISSUER,
        "token_endpoint": f"{settings.PUBLIC_URL}{TOKEN_PATH}",
        "revocation_endpoint": f"{settings.PUBLIC_URL}{REVOCATION_PATH}",
        "jwks_uri": f"{settings.PUBLIC_URL}{JWKS_PATH}",
        "grant_types_supported": ["client_credentials", EXCHANGE],
        "response_types_supported": [],
        "scopes_supported": [str(name) for name in P],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }
    return _answer(request, document, "application/json")


def _answer(request: HttpRequest, document: dict[str, Any], media_type: str) -> HttpResponse:
    content = json.dumps(document, separators=(",", ":")).encode()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": f"public, max-age={settings.JWKS_CACHE_SECONDS}",
        "Access-Control-Allow-Origin": "*",  # public, and the same for everybody
    }
    response = HttpResponse(content, content_type=media_type, headers=headers)
    conditional = get_conditional_response(request, etag=etag, response=response)
    return conditional if isinstance(conditional, HttpResponse) else response
