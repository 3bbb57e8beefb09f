"""Which of a name's addresses are connected to, and for how long that may take."""

import ipaddress
import threading
import time
from collections.abc import Sequence

import httpcore
import pytest

from outbound.exceptions import Refused
from outbound.network import CheckedBackend, Deadline, Resolve
from tests.outbound.servers import serving

LOOPBACK = [ipaddress.ip_network("127.0.0.1"), ipaddress.ip_network("::1")]


def backend(resolve: Resolve, *, secure: bool = True, seconds: float = 5) -> CheckedBackend:
    return CheckedBackend(deadline=Deadline(seconds), networks=LOOPBACK, secure=secure, resolve=resolve)


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["8.8.8.8", "10.0.0.1"],
        ["10.0.0.1", "8.8.8.8"],
        ["127.0.0.1", "127.0.0.2"],
        ["2606:4700::1111", "fd00::1"],
        ["8.8.8.8", "::ffff:169.254.169.254"],
        ["fe80::1%lo"],
        ["64:ff9b::7f00:1"],
    ],
)
def test_a_name_with_one_address_that_is_not_allowed_is_refused(addresses: list[str]) -> None:
    with pytest.raises(Refused) as caught:
        backend(lambda host: addresses).connect_tcp("mixed.example", 443)
    assert "mixed.example leads to an address that may not be fetched" in caught.value.detail
    assert not any(address in caught.value.detail for address in addresses)


def test_a_public_address_without_tls_is_refused() -> None:
    with pytest.raises(Refused, match="without TLS"):
        backend(lambda host: ["8.8.8.8"], secure=False).connect_tcp("public.example", 80)


def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to() -> None:
    """DNS rebinding: a second look-up would lead elsewhere."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    with (
        serving(lambda visit: visit.reply(b"here")) as server,
        httpcore.HTTPConnection(
            httpcore.Origin(b"http", b"rebinding.example", server.port),
            network_backend=backend(lambda host: next(answers), secure=False),
        ) as connection,
    ):
        reply = connection.request("GET", f"http://rebinding.example:{server.port}/")
        assert reply.content == b"here"
        assert server.visits[0].headers["host"] == f"rebinding.example:{server.port}"
    assert next(answers) == ["10.0.0.1"]


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    with serving(lambda visit: visit.reply()) as server:
        backend(lambda host: ["::1", "127.0.0.1"]).connect_tcp("two.example", server.port).close()


def test_a_name_server_that_does_not_answer_holds_nobody_up() -> None:
    answered = threading.Event()

    def resolve(host: str) -> Sequence[str]:
        answered.wait()
        return []

    start = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            backend(resolve, seconds=0.1).connect_tcp("slow.example", 443)
        assert time.monotonic() - start < 2
    finally:
        answered.set()


def test_a_name_without_addresses_is_an_error() -> None:
    with pytest.raises(OSError):  # noqa: PT011 - there is nothing to say about it
        backend(lambda host: []).connect_tcp("none.example", 443)


def test_no_unix_socket_is_connected_to() -> None:
    with pytest.raises(NotImplementedError):
        backend(lambda host: []).connect_unix_socket("/run/secret")
