"""What every exchange over HTTP needs: its answer, checked headers, bounded bodies, errors in words (no models)."""

import json
import math
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpcore

from outbound.exceptions import Refused, Unreachable, Unusable
from outbound.network import Deadline

REDIRECTS = frozenset({301, 302, 303, 307, 308})
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


def storable(value: Any) -> Any:
    """Return a value read from JSON, whose texts can be kept and shown.

    Raises:
        ValueError: there is NUL in one, or half of a surrogate pair (RFC 7493 section 2.1), which UTF-8 cannot have.
        RecursionError: it is nested too deeply.
    """
    if _NUL.search(json.dumps(value, ensure_ascii=False).encode()):
        raise ValueError("NUL")
    return value


def received_headers(response: httpcore.Response) -> dict[str, str]:
    """Return a response's headers; names in lower case, several of one name joined by ", "."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def received_body(response: httpcore.Response, headers: Mapping[str, str], host: str, max_bytes: int) -> bytes:
    """Return the body, read no further than is allowed; a redirect's is of no use and stays unread."""
    if response.status in REDIRECTS:
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
def explained(host: str, deadline: Deadline, *, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Say in words what went wrong; what a server said is not repeated.

    Args:
        host: whose answer it is.
        deadline: of the exchange.
        passing: what the caller deals with itself.

    Raises:
        Unreachable: no name, connection or valid certificate, or not in time.
        Unusable: it was no HTTP.
    """
    try:
        yield
    except passing:
        raise
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


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
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
