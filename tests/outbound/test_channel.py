"""A channel: what it says about a connection that ends is what happened."""

import ipaddress
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outbound.channel import Channel
from outbound.exceptions import Refused, Unreachable
from outbound.session import tls_of
from tests.outbound.authority import Authority


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.1")]
    settings.OUTBOUND_TIMEOUT = 2


@pytest.fixture
def connected(tmp_path: Path) -> Any:
    """Return what opens a channel to a server that does something with its side of the connection."""
    authority = Authority(tmp_path)
    context = authority.server("127.0.0.1")
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []
    channels: list[Channel] = []

    def connect(serve: Callable[[Any], object]) -> Channel:
        def accept() -> None:
            plain, _address = listener.accept()
            with context.wrap_socket(plain, server_side=True) as connection:
                serve(connection)

        threads.append(threading.Thread(target=accept, daemon=True))
        threads[-1].start()
        channels.append(Channel("127.0.0.1", listener.getsockname()[1], tls=tls_of(authority.file.read_text())))
        return channels[-1]

    yield connect

    for channel in channels:
        channel.close()
    for thread in threads:
        thread.join()
    listener.close()


def test_a_server_that_has_read_everything_ends_it(connected: Any) -> None:
    received: list[bytes] = []

    def serve(connection: Any) -> None:
        while data := connection.recv(65_536):
            received.append(data)

    channel = connected(serve)
    channel.write(b"x" * 1_000_000)
    channel.stay(0.1)
    channel.finish()
    assert len(b"".join(received)) == 1_000_000


def test_a_server_that_leaves_is_noticed(connected: Any) -> None:
    channel = connected(lambda connection: connection.recv(10))
    channel.write(b"0123456789")
    with pytest.raises(Unreachable, match="closed the connection"):
        channel.stay(2)


def test_a_server_that_breaks_off_is_noticed(connected: Any) -> None:
    def serve(connection: Any) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    channel = connected(serve)
    with pytest.raises(Unreachable, match=r"failed|closed"):
        channel.stay(2)


def test_what_is_left_unread_is_not_the_end(connected: Any) -> None:
    over = threading.Event()
    channel = connected(lambda _connection: over.wait(10))
    channel.write(b"nobody reads this")
    channel.stay(0.1)
    try:
        with pytest.raises(Unreachable, match="within 2 seconds"):
            channel.finish()
    finally:
        over.set()


def test_it_reaches_no_private_network(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    with pytest.raises(Refused, match="may not be fetched from here"):
        Channel("localhost", 6_514, tls=tls_of())
    with pytest.raises(Refused, match=r"127\.0\.0\.1 is not an address"):
        Channel("127.0.0.1", 6_514, tls=tls_of())


def test_another_authority_is_not_believed(connected: Any, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    context = Authority(tmp_path / "other").server("127.0.0.1")
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        plain, _address = listener.accept()
        with pytest.raises(OSError, match=r".*"):
            context.wrap_socket(plain, server_side=True)
        plain.close()

    thread = threading.Thread(target=accept)
    thread.start()
    with pytest.raises(Unreachable, match=r"certificate of 127\.0\.0\.1 is not valid"):
        Channel("127.0.0.1", listener.getsockname()[1], tls=tls_of((tmp_path / "authority.pem").read_text()))
    thread.join()
    listener.close()
