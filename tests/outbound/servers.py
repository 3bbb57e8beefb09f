"""Servers on loopback that answer byte by byte as a test wants it, with TLS or without."""

import contextlib
import re
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Answer = Callable[["Visit"], None]

TLS_HANDSHAKE = b"\x16\x03"


class Visit:
    """One request, and the connection on which it came.

    Attributes:
        method: such as "GET".
        target: path and query.
        headers: names in lower case.
        body: what came with it.
    """

    def __init__(self, connection: Any, stop: threading.Event) -> None:
        self.connection = connection
        self.stop = stop
        head, _, self.body = _until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")
        request, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = request.split(" ")
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        while len(self.body) < int(self.headers.get("content-length", 0)):
            self.body += connection.recv(65_536)

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def reply(self, body: bytes = b"", *headers: str, status: str = "200 OK") -> None:
        """Send a whole answer."""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def redirect(self, location: str, status: int = 302) -> None:
        self.reply(b"elsewhere", f"Location: {location}", status=f"{status} Moved")

    def drip(self, data: bytes) -> None:
        """Send something every twentieth of a second until the other side has had enough."""
        while not self.stop.wait(0.05):
            self.send(data)

    def flood(self, data: bytes) -> None:
        """Send something as fast as it is taken, until the other side has had enough."""
        while not self.stop.is_set():
            self.send(data)


def _until(connection: Any, end: bytes) -> bytes:
    data = b""
    while end not in data:
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionError
        data += piece
        if data.startswith(TLS_HANDSHAKE):
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            raise ConnectionError
    return data


class Server:
    """A running server.

    Attributes:
        visits: the requests so far.
        port: where it listens, on 127.0.0.1.
    """

    def __init__(self, port: int, scheme: str) -> None:
        self.port = port
        self.scheme = scheme
        self.visits: list[Visit] = []

    def url(self, path: str = "/", *, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextmanager
def serving(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Yield a server that gives each request to a function.

    Args:
        answer: answers; what it leaves unsaid stays so, the connection is closed after it.
        context: speaks TLS; None for none.
    """
    stop = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                connection = context.wrap_socket(self.request, server_side=True) if context else self.request
                with connection:
                    visit = Visit(connection, stop)
                    server.visits.append(visit)
                    answer(visit)

    with _Listener(("127.0.0.1", 0), Handler) as listener:
        server = Server(listener.server_address[1], "https" if context else "http")
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            stop.set()
            listener.shutdown()
            thread.join()


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = False  # closing it waits for its handlers
    block_on_close = True


def documents(pages: dict[str, Answer]) -> Answer:
    """Return what answers by the target of the request."""

    def answer(visit: Visit) -> None:
        pages[re.sub(r"\?.*", "", visit.target)](visit)

    return answer
