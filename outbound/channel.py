"""A TLS connection to a host and port, for protocols that are not HTTP and acknowledge nothing (no models)."""

import fcntl
import select
import ssl
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpcore
from django.conf import settings

from outbound.addresses import check_url
from outbound.exceptions import Unreachable
from outbound.exchange import explained
from outbound.network import CheckedBackend, Deadline

_PIECE = 65_536
_NAP = 0.05


class Channel:
    """An open connection; it goes to public addresses and OUTBOUND_ALLOWED_NETWORKS only.

    Each step ends after OUTBOUND_TIMEOUT seconds.

    Args:
        host: a name or an IP address.
        port: 443, or one from 1024 to 65535.
        tls: how TLS is spoken.

    Raises:
        Refused: the host leads where it must not, or host or port is none.
        Unreachable: no name, connection or valid certificate, or not in time.
    """

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext) -> None:
        check_url(address(host, port))
        self._host = host
        self._deadline = Deadline(settings.OUTBOUND_TIMEOUT)
        backend = CheckedBackend(deadline=self._deadline, networks=settings.OUTBOUND_ALLOWED_NETWORKS, secure=True)
        with explained(host, self._deadline):
            self._stream = backend.connect_tcp(host, port).start_tls(tls, host)
        self._socket: ssl.SSLSocket = self._stream.get_extra_info("socket")

    def write(self, data: bytes) -> None:
        """Send all of it; that says nothing about whether it arrives.

        Raises:
            Unreachable: the connection is broken, or the other side takes no more.
        """
        with self._step():
            self._stream.write(data)

    def stay(self, seconds: float) -> None:
        """Wait until the other machine has taken everything, and then for some seconds: the connection has to last.

        Raises:
            Unreachable: it was closed, broke, or the other machine takes no more.
        """
        with self._step():
            while self._unsent():
                self._listen(_NAP)
                self._deadline.left()
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                self._listen(left)

    def finish(self) -> None:
        """End the connection (RFC 5425, 4.4), and wait until the other side, having read everything, ends it too.

        Raises:
            Unreachable: it did not; what was sent may be unread.
        """
        with self._step():
            self._socket.settimeout(self._deadline.left())
            # Many close without a word; who leaves something unread resets the connection instead.
            with suppress(ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
                self._socket.unwrap()
        self.close()

    def close(self) -> None:
        """Close the connection at once."""
        self._stream.close()

    @contextmanager
    def _step(self) -> Iterator[None]:
        self._deadline.restart()
        try:
            with explained(self._host, self._deadline, passing=(ssl.SSLError,)):
                yield
        except ssl.SSLError as error:
            said = (error.reason or "").rpartition("ALERT_")[2].replace("_", " ").lower() or "without a reason"
            raise Unreachable(
                f"{self._host} ended the TLS connection: {said}. Check the client certificate, and its own log."
            ) from None
        except httpcore.WriteError:
            raise Unreachable(
                f"{self._host} closed the connection. Its own log says why, such as a client certificate that it wants."
            ) from None

    def _unsent(self) -> int:
        """Return the bytes that the other machine has not acknowledged."""
        (count,) = struct.unpack("i", fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0" * 4))
        return int(count)

    def _listen(self, seconds: float) -> None:
        """Wait; what comes meanwhile is of no interest, unless it is the end."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(max(1, int(seconds * 1000))):
            return
        self._socket.settimeout(0)
        try:
            if not self._socket.recv(_PIECE):
                raise httpcore.WriteError
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass  # TLS itself: a ticket, new keys


def address(host: str, port: int) -> str:
    """Return host and port as a URL, by which they can be checked."""
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
