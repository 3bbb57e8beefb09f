"""Where a request comes from: its id, the client's address by the trusted-proxy rule, its door."""

import hashlib
import re
import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from isolation import addresses
from isolation.context import Origin, Via, originating

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_DOORS = {"/api/": Via.API, "/healthz/": Via.API, "/scim/": Via.SCIM, "/sso/": Via.SSO}
# Identity providers name their requests in headers of their own.
_REQUEST_ID_HEADERS = ("X-Request-ID", "client-request-id", "x-ms-client-request-id", "X-Okta-Request-Id")


class OriginMiddleware:
    """Sets `request.origin` and the current origin, and answers with ``X-Request-ID``.

    ``X-Forwarded-For`` counts only as far as each hop is one of TRUSTED_PROXIES; anybody else's header is ignored.
    So is their ``X-Forwarded-Proto``, by which Django would take plain HTTP for HTTPS.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Run the request with its origin."""
        if not _from_proxy(request):
            request.META.pop("HTTP_X_FORWARDED_PROTO", None)
        origin = Origin(
            via=next((via for prefix, via in _DOORS.items() if request.path_info.startswith(prefix)), Via.CONSOLE),
            request_id=_request_id(request),
            ip=client_address(request),
            user_agent=request.headers.get("User-Agent", "")[:400],
            session=_session_digest(request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")),
        )
        request.origin = origin  # type: ignore[attr-defined]
        with originating(origin):
            response = self.get_response(request)
        response["X-Request-ID"] = origin.request_id
        return response


def client_address(request: HttpRequest) -> str | None:
    """Return the client's IP address by the trusted-proxy rule, or None when there is none (a unix socket)."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    address = addresses.client_address(_peer(request), forwarded, settings.TRUSTED_PROXIES)
    return str(address) if address is not None else None


def _from_proxy(request: HttpRequest) -> bool:
    """Return whether the peer's forwarded headers are believed; a unix socket has no address and is a proxy's."""
    peer = _peer(request)
    return peer is None or addresses.is_in(peer, settings.TRUSTED_PROXIES)


def _peer(request: HttpRequest) -> addresses.Address | None:
    return addresses.peer_address(request.META.get("REMOTE_ADDR"))


def _request_id(request: HttpRequest) -> str:
    given = (request.headers.get(name, "") for name in _REQUEST_ID_HEADERS)
    return next((one for one in given if _REQUEST_ID.fullmatch(one)), None) or uuid.uuid4().hex


def _session_digest(session_key: str) -> str:
    return hashlib.sha256(session_key.encode()).hexdigest()[:16] if session_key else ""
