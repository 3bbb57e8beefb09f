"""Fetches URLs that an organization typed in: OIDC discovery, key sets, tokens, SAML metadata (no models)."""

import json
import math
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpcore
from django.conf import settings

from outbound.addresses import check_location, check_url
from outbound.certificates import tls_context
from outbound.exceptions import Refused, Unreachable, Unusable
from outbound.network import CheckedBackend, Deadline

_MEBIBYTE = 1_048_576
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOR_ANYBODY = frozenset({"accept"})
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# RFC 9110, 5.1 and 5.5.
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-zA-Z]+")
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered, whatever its status.

    Attributes:
        status: the status code.
        headers: names in lower case; several of one name are joined by ", ".
        body: its bytes; none of a redirect.
        url: whose answer it is, after redirects.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self) -> Any:
        """Return the body, read as JSON (RFC 8259), whatever its content type.

        Raises:
            Unusable: it is none; NaN and infinite numbers are none either, nor are texts that cannot be kept.
        """
        try:
            return storable(json.loads(self.body, parse_constant=_finite, parse_float=_finite))
        except (ValueError, RecursionError):
            host = urlsplit(self.url).hostname
            raise Unusable(
                f"{host} answered with something that is not JSON (status {self.status}). Check the URL."
            ) from None


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
    target, sent = check_url(url), _checked(headers)
    for _ in range(redirects + 1):
        reply = _exchange("GET", target, sent, None, max_bytes, deadline)
        location = reply.headers.get("location")
        if reply.status not in _REDIRECTS or location is None:
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
    sent = _checked(headers) | {"content-type": "application/x-www-form-urlencoded"}
    deadline = Deadline(settings.OUTBOUND_TIMEOUT)
    return _exchange("POST", check_url(url), sent, urlencode(form).encode(), max_bytes, deadline)


def storable(value: Any) -> Any:
    """Return a value read from JSON, whose texts can be kept and shown.

    Raises:
        ValueError: there is NUL in one, or half of a surrogate pair (RFC 7493 section 2.1), which UTF-8 cannot have.
        RecursionError: it is nested too deeply.
    """
    if _NUL.search(json.dumps(value, ensure_ascii=False).encode()):
        raise ValueError("NUL")
    return value


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
        _explained(host, deadline),
        connection,
        connection.stream(method, address, headers=[*(headers | ours).items()], content=content) as response,
    ):
        received = _received(response)
        return Reply(response.status, received, _body(response, received, host, max_bytes), url)


def _received(response: httpcore.Response) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _body(response: httpcore.Response, headers: Mapping[str, str], host: str, max_bytes: int) -> bytes:
    """Return the body, read no further than is allowed; a redirect's is of no use and stays unread."""
    if response.status in _REDIRECTS:
        return b""
    if headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
        raise Unusable(f"{host} compresses its answer although it was asked not to. Ask whoever runs it.")
    body = bytearray()
    for piece in response.iter_stream():
        body += piece
        if len(body) > max_bytes:
            raise Unusable(f"{host} answered with more than {max_bytes:,} bytes. Check the URL.")
    return bytes(body)


@contextmanager
def _explained(host: str, deadline: Deadline) -> Iterator[None]:
    """Say in words what went wrong; what a server said is not repeated."""
    try:
        yield
    except TimeoutError:
        raise Unreachable(
            f"{host} did not answer in full within {deadline.seconds} seconds. Try again; if it stays so, ask whoever "
            "runs it."
        ) from None
    except socket.gaierror:
        raise Unreachable(f"The name {host} does not resolve to an address. Check how it is spelled.") from None
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(
            f"The certificate of {host} is not valid: {error.verify_message.rstrip('.')}. Ask whoever runs it."
        ) from None
    except ssl.SSLError:
        raise Unreachable(f"No TLS connection to {host} could be made. Check host and port.") from None
    except OSError as error:
        why = f" ({error.strerror})" if error.strerror else ""
        raise Unreachable(f"The connection to {host} failed{why}. Check host and port.") from None
    except httpcore.RemoteProtocolError:
        raise Unusable(f"{host} answered with something that is not HTTP, or broke off. Check host and port.") from None


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with names in lower case; a line break in one would begin another."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise Refused(
                f"The value for the header {name!r} cannot be sent: only printable ASCII characters without blanks "
                "around them can."
            )
    return {name.lower(): value for name, value in headers.items()}


def _finite(text: str) -> float:
    """Return a number of JSON, which has no infinite ones."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
