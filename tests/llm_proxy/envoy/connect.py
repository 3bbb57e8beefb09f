"""An HTTP proxy that opens tunnels (RFC 9110 section 9.3.6), to where a test says."""

import contextlib
import socket
import threading
from collections.abc import Mapping
from typing import Self


class ConnectProxy:
    """Takes CONNECT on loopback.

    Args:
        places: the port that stands for each host and port.

    Attributes:
        asked: what it was to reach.
    """

    def __init__(self, places: Mapping[str, int]) -> None:
        self.asked: list[str] = []
        self._places = places
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._open, args=(connection,), daemon=True).start()

    def _open(self, connection: socket.socket) -> None:
        head = b""
        with connection:
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            method, where, _ = head.split(b"\r\n")[0].decode().split(" ")
            assert method == "CONNECT"
            self.asked.append(where)
            if where not in self._places:
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self._places[where])) as onwards:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=_pump, args=(onwards, connection), daemon=True)
                back.start()
                _pump(connection, onwards)
                back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
