"""Bodies in parts: what is remembered is about whole bodies, and whole bodies are remembered."""

import asyncio
import socket
from typing import Any

from accounts.services.key_rules import IssuedKey
from gateway.hotpath.app import Gateway as Application
from gateway.hotpath.config import Config
from tests.gateway.process import FORM, Gateway, basic, database_url
from tests.gateway.stage import Keys


def test_a_length_beside_chunks_says_nothing(gateway: Gateway, platform: IssuedKey, keys: Keys) -> None:
    """A length that fits the first chunk must not make it the whole body."""
    good = f"token={keys.project().secret}".encode()
    head = (
        f"POST /api/v1/introspect HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: {basic(platform)}\r\n"
        f"Content-Type: {FORM['Content-Type']}\r\nContent-Length: {len(good)}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    assert gateway.send("POST", "/api/v1/introspect", good, FORM | {"Authorization": basic(platform)}).is_active
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(head.encode() + b"%x\r\n%b\r\n" % (len(good), good))
        assert gateway.get("/healthz/live").status == 200
        assert gateway.get("/healthz/live").status == 200
        connection.sendall(b"1\r\nx\r\n0\r\n\r\n")
        received = b""
        while data := connection.recv(65536):
            received += data
    assert b'"active":true' not in received


def test_a_whole_body_takes_the_short_way_the_second_time(platform: IssuedKey, keys: Keys) -> None:
    """It comes as granian hands it over: with a promise of more, which is an empty part."""
    body = f"token={keys.project().secret}".encode()
    sent = {b"authorization": basic(platform).encode(), b"content-type": FORM["Content-Type"].encode()}
    sent[b"content-length"] = str(len(body)).encode()
    scope = {"type": "http", "method": "POST", "path": "/api/v1/introspect", "query_string": b""}

    async def ask(application: Application) -> tuple[int, bytes]:
        """Return how many parts were asked for, and the answer."""
        parts = [{"type": "http.request", "body": body, "more_body": True}]
        parts.append({"type": "http.request", "body": b"", "more_body": False})
        asked: list[Any] = []
        answered: list[Any] = []

        async def receive() -> Any:
            asked.append(parts[len(asked)])
            return asked[-1]

        async def send(message: Any) -> None:
            answered.append(message)

        await application(scope | {"headers": [*sent.items()], "client": ("127.0.0.1", 1)}, receive, send)
        return len(asked), answered[-1]["body"]

    async def both() -> list[tuple[int, bytes]]:
        application = Application(Config(conninfo=database_url()))
        await application._start_up()
        try:
            return [await ask(application) for _ in range(2)]
        finally:
            await application._shut_down()

    (first, answer), (second, again) = asyncio.run(both())
    assert (first, second) == (2, 1)
    assert answer == again
    assert b'"active":true' in answer
