"""A connection to one server that is kept for many requests: what batches of audit events are sent over (no models)."""

import os
import ssl
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import certifi
import httpcore
from django.conf import settings

from outbound.addresses import check_url
from outbound.exceptions import Refused
from outbound.exchange import Reply, checked_headers, explained, received_body, received_headers
from outbound.network import CheckedBackend, Deadline

_LARGEST_ANSWER = 1_048_576
_BROKEN = (ConnectionError, httpcore.RemoteProtocolError, httpcore.ConnectionNotAvailable)


class Session:
    """Sends requests to addresses of one origin (scheme, host, port), and follows no redirect.

    It connects as `outbound.client` does: to public addresses and OUTBOUND_ALLOWED_NETWORKS only.

    Args:
        url: an address of the origin.
        authorities: certificates in PEM to trust instead of the usual ones; "" for the usual ones.
        certificate: a client certificate in PEM, with those that lead to its authority; "" for none.
        key: its private key in PEM.
        proxy: an http(s) URL of a proxy through which an https origin is reached (CONNECT); "" for none.
        timeout: seconds for a request with its answer; None for OUTBOUND_TIMEOUT.

    Raises:
        Refused: the URL or the proxy is not allowed.
        ValueError: certificate or key cannot be used; the message says which.
    """

    def __init__(
        self,
        url: str,
        *,
        authorities: str = "",
        certificate: str = "",
        key: str = "",
        proxy: str = "",
        timeout: float | None = None,
    ) -> None:
        self._url = check_url(url)
        parts = urlsplit(self._url)
        self._host, self._netloc = parts.hostname or "", parts.netloc
        self._origin = httpcore.Origin(
            parts.scheme.encode(), self._host.encode(), parts.port or {"https": 443, "http": 80}[parts.scheme]
        )
        self._proxy = check_url(proxy) if proxy else ""
        if self._proxy and parts.scheme != "https":
            raise Refused("Through a proxy only https:// addresses are reached. Write the address with https://.")
        self._tls = tls_of(authorities, certificate, key) if parts.scheme == "https" else None
        self._deadline = Deadline(timeout or settings.OUTBOUND_TIMEOUT)
        self._connection: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def request(
        self,
        method: str,
        url: str = "",
        *,
        content: bytes = b"",
        headers: Mapping[str, str] = {},
        max_bytes: int = _LARGEST_ANSWER,
    ) -> Reply:
        """Send a request and return the answer, whatever its status.

        A kept connection that the server has closed meanwhile is replaced once: the server may see a request twice.

        Args:
            method: such as POST.
            url: an address of this origin; "" for the one that the session was made with.
            content: the body.
            headers: to send with it.
            max_bytes: the largest body of the answer.

        Raises:
            Refused: the URL is not of this origin, a header cannot be sent, or the host leads where it must not.
            Unreachable: no name, connection or valid certificate, or no whole answer in time.
            Unusable: the answer is too large, compressed or malformed.
        """
        address = check_url(url) if url else self._url
        parts = urlsplit(address)
        if (parts.scheme, parts.netloc) != (urlsplit(self._url).scheme, self._netloc):
            raise Refused(f"{parts.hostname} is another server than {self._host}. Use one address for both.")
        sent = checked_headers(headers) | {
            "host": self._netloc,
            "user-agent": "Gatehouse",
            "accept-encoding": "identity",
            "content-length": str(len(content)),
        }
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        if self._connection is not None:
            try:
                return self._exchange(method, target, sent, content, address, max_bytes, passing=_BROKEN)
            except _BROKEN:
                pass  # closed while it was not used
        return self._exchange(method, target, sent, content, address, max_bytes)

    def _exchange(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        content: bytes,
        address: str,
        max_bytes: int,
        passing: tuple[type[Exception], ...] = (),
    ) -> Reply:
        self._deadline.restart()
        if self._connection is None:
            self._connection = self._connect()
        url = httpcore.URL(
            scheme=self._origin.scheme, host=self._origin.host, port=self._origin.port, target=target.encode()
        )
        try:
            with (
                explained(self._host, self._deadline, passing=passing),
                self._connection.stream(method, url, headers=[*headers.items()], content=content) as response,
            ):
                received = received_headers(response)
                return Reply(
                    response.status, received, received_body(response, received, self._host, max_bytes), address
                )
        except BaseException:
            self.close()
            raise

    def _connect(self) -> Any:
        secure = self._tls is not None
        if self._proxy:
            return httpcore.HTTPProxy(
                self._proxy,
                ssl_context=self._tls,
                max_connections=1,
                network_backend=self._backend(secure=self._proxy.startswith("https:")),
            )
        return httpcore.HTTPConnection(
            self._origin, ssl_context=self._tls, network_backend=self._backend(secure=secure), keepalive_expiry=50
        )

    def _backend(self, *, secure: bool) -> CheckedBackend:
        return CheckedBackend(deadline=self._deadline, networks=settings.OUTBOUND_ALLOWED_NETWORKS, secure=secure)


def tls_of(authorities: str = "", certificate: str = "", key: str = "") -> ssl.SSLContext:
    """Return how TLS is spoken: TLS 1.2 or newer, certificate and host name verified.

    Args:
        authorities: certificates in PEM to trust instead of the usual ones; "" for the usual ones.
        certificate: a client certificate in PEM, with those that lead to its authority; "" for none.
        key: its private key in PEM.

    Raises:
        ValueError: one of them cannot be used; the message says which.
    """
    if authorities:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(cadata=authorities)
        except (ssl.SSLError, ValueError):
            raise ValueError(
                "The certificates of authorities are not in PEM form. Paste them with their BEGIN lines."
            ) from None
    else:
        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
        if settings.OUTBOUND_CA_FILE is not None:
            context.load_verify_locations(settings.OUTBOUND_CA_FILE)
    if certificate or key:
        # OpenSSL takes them from files only.
        with _file(certificate) as certificate_file, _file(key) as key_file:
            try:
                context.load_cert_chain(certificate_file, key_file, password=_no_password)
            except (ssl.SSLError, ValueError, OSError):
                raise ValueError(
                    "The client certificate and its private key do not fit together, or are not in PEM form. Paste "
                    "both with their BEGIN lines; the key without a passphrase."
                ) from None
    return context


def _no_password() -> str:
    raise ValueError("the key has a passphrase")


@contextmanager
def _file(text: str) -> Any:
    """Hold a text in a file that nobody else reads."""
    descriptor, path = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        yield path
    finally:
        Path(path).unlink()
