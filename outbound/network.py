"""Connections that go to checked addresses only, and end at one deadline (no models)."""

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import Any

import httpcore

from outbound.addresses import Address, Network, may_connect
from outbound.exceptions import Refused

Resolve = Callable[[str], Sequence[str]]


class Deadline:
    """The moment at which an exchange has to be over, redirects included.

    Args:
        seconds: how long from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def restart(self) -> None:
        """Begin to count again: for the next exchange over the same connection."""
        self._end = time.monotonic() + self.seconds

    def left(self) -> float:
        """Return the seconds that are left, more than zero.

        Raises:
            TimeoutError: none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def system_addresses(host: str) -> list[str]:
    """Return the IP addresses of a host name, as the system knows them.

    Raises:
        OSError: it knows none (socket.gaierror).
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class Stream(httpcore.NetworkStream):
    """A connection each of whose steps ends at the deadline; the time-outs that httpcore hands over are not needed.

    Args:
        connection: the socket, which this stream closes.
        deadline: when it has to be over.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._socket = connection
        self._deadline = deadline
        self._silent = True

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come, b"" at the end.

        Raises:
            ConnectionError: the end came first.
            OSError: broken, or too late (TimeoutError).
        """
        self._socket.settimeout(self._deadline.left())
        data = self._socket.recv(max_bytes)
        if not data and self._silent:
            raise ConnectionAbortedError(0, "closed without an answer")
        self._silent = False
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it.

        Raises:
            httpcore.WriteError: the other side takes no more; its answer may be there already.
            TimeoutError: too late.
        """
        unsent = memoryview(buffer)
        while unsent:
            self._socket.settimeout(self._deadline.left())
            try:
                unsent = unsent[self._socket.send(unsent) :]
            except ConnectionError as error:
                raise httpcore.WriteError from error

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        """Return the socket when asked for "socket", for what no stream offers."""
        return self._socket if info == "socket" else None

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "Stream":
        """Return the same connection with TLS.

        Raises:
            OSError: the certificate does not hold, no TLS was spoken (ssl.SSLError), or too late (TimeoutError).
        """
        try:
            self._socket.settimeout(self._deadline.left())
            return Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname), self._deadline)
        except BaseException:
            self._socket.close()
            raise


class CheckedBackend(httpcore.NetworkBackend):
    """Resolves names itself and connects to what it has checked: a name that changes its mind changes nothing.

    Args:
        deadline: when everything has to be over.
        networks: what may be connected to besides public addresses.
        secure: whether TLS will be spoken; without it only these networks are left.
        resolve: gives the IP addresses of a host name; asked once for each connection.
    """

    def __init__(
        self, *, deadline: Deadline, networks: Iterable[Network], secure: bool, resolve: Resolve = system_addresses
    ) -> None:
        self._deadline = deadline
        self._networks = tuple(networks)
        self._secure = secure
        self._resolve = resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> Stream:
        """Return a connection to one of the host's addresses, all of which have to be allowed.

        Raises:
            Refused: one of them is not.
            OSError: no address, or none that answers in time.
        """
        addresses = self._checked(host)
        failure: OSError = socket.gaierror()
        for tried, address in enumerate(addresses):
            # An address that swallows packets leaves time for the next one.
            share = self._deadline.left() / (len(addresses) - tried)
            try:
                connection = socket.create_connection((str(address), port), share)
            except OSError as error:
                failure = error
            else:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return Stream(connection, self._deadline)
        raise failure

    def _checked(self, host: str) -> list[Address]:
        # A zone (fe80::1%eth0) names an interface of this machine, and no address of the Internet has one.
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in self._answer(host)]
        if not all(may_connect(address, self._networks, secure=self._secure) for address in addresses):
            how = "" if self._secure else " without TLS"
            raise Refused(
                f"{host} leads to an address that may not be fetched from here{how}. Use a host that the Internet "
                f"reaches{'' if self._secure else ', and https://'}."
            )
        return addresses

    def _answer(self, host: str) -> Sequence[str]:
        """Return what the name resolves to; a look-up cannot be ended, so that it is left behind in its thread."""
        answer: Future[Sequence[str]] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._resolve(host))
            except OSError as error:
                answer.set_exception(error)

        Thread(target=ask, name="outbound-resolve", daemon=True).start()
        return answer.result(self._deadline.left())
