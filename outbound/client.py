"""Fetches URLs that an organization typed in: OIDC discovery, key sets, tokens, SAML metadata (no models)."""

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

import httpcore
from django.conf import settings

from outbound.addresses import check_location, check_url
from outbound.certificates import tls_context
from outbound.exceptions import Refused, Unusable
from outbound.exchange import REDIRECTS, Reply, checked_headers, explained, received_body, received_headers
from outbound.network import CheckedBackend, Deadline

_MEBIBYTE = 1_048_576
_FOR_ANYBODY = frozenset({"accept"})


def get(url: str, *, headers: Mapping[str, str] = {}, max_bytes: int = _MEBIBYTE, redirects: int = 3) -> Reply:
    """Fetch a URL.

    Waits at most OUTBOUND_TIMEOUT seconds for all of it. Connects to public addresses and OUTBOUND_ALLOWED_NETWORKS
    only, without regard to proxies in the environment.

    Args:
        url: the URL.
        headers: to send with it; to another origin (scheme, host, port) only Accept is passed on.
        max_bytes: the largest body.
        redirects: how many to follow; each target is checked as the URL itself, and none leads from https to http.

    Raises:
        Refused: the URL, a header or where one of them leads is not allowed.
        Unreachable: no name, connection or valid certificate, or no whole answer in time.
        Unusable: the answer is too large, compressed, malformed, or one redirect too many.
    """
    deadline = Deadline(settings.OUTBOUND_TIMEOUT)
    target, sent = check_url(url), checked_headers(headers)
    for _ in range(redirects + 1):
        reply = _exchange("GET", target, sent, None, max_bytes, deadline)
        location = reply.headers.get("location")
        if reply.status not in REDIRECTS or location is None:
            return reply
        following = check_location(target, location)
        if target.startswith("https:") and not following.startswith("https:"):
            raise Refused(f"{_host(target)} redirects from https:// to http://. Ask whoever runs it for another URL.")
        if _origin(following) != _origin(target):
            sent = {name: value for name, value in sent.items() if name in _FOR_ANYBODY}
        target = following
    raise Unusable(f"{_host(target)} redirects more than {redirects} times. Use the URL that it leads to in the end.")


def post(url: str, *, form: Mapping[str, str], headers: Mapping[str, str] = {}, max_bytes: int = _MEBIBYTE) -> Reply:
    """Send a form (application/x-www-form-urlencoded); a redirect is returned and not followed.

    Waits and connects as `get` does.

    Args:
        url: the URL.
        form: the fields.
        headers: to send with it.
        max_bytes: the largest body of the answer.

    Raises:
        Refused: the URL, a header or where it leads is not allowed.
        Unreachable: no name, connection or valid certificate, or no whole answer in time.
        Unusable: the answer is too large, compressed or malformed.
    """
    sent = checked_headers(headers) | {"content-type": "application/x-www-form-urlencoded"}
    deadline = Deadline(settings.OUTBOUND_TIMEOUT)
    return _exchange("POST", check_url(url), sent, urlencode(form).encode(), max_bytes, deadline)


def _exchange(
    method: str, url: str, headers: dict[str, str], content: bytes | None, max_bytes: int, deadline: Deadline
) -> Reply:
    """Send one request over a connection of its own, and read the answer."""
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    address = httpcore.URL(scheme=parts.scheme, host=host, port=parts.port, target=target)
    ours = {
        "host": parts.netloc,
        "user-agent": "Gatehouse",
        "accept-encoding": "identity",  # what is compressed could grow without end
        "connection": "close",
    }
    connection = httpcore.HTTPConnection(
        address.origin,
        ssl_context=tls_context(settings.OUTBOUND_CA_FILE) if secure else None,
        network_backend=CheckedBackend(deadline=deadline, networks=settings.OUTBOUND_ALLOWED_NETWORKS, secure=secure),
    )
    with (
        explained(host, deadline),
        connection,
        connection.stream(method, address, headers=[*(headers | ours).items()], content=content) as response,
    ):
        received = received_headers(response)
        return Reply(response.status, received, received_body(response, received, host, max_bytes), url)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
