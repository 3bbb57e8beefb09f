"""Whatever a client sends: a sentence and a 4xx, never a 5xx, never a valid key by mistake."""

import json
import re
import socket

import pytest

from accounts.services.key_rules import IssuedKey
from tests.gateway.process import FORM, Gateway, basic
from tests.gateway.stage import Keys

ADDRESS = "/api/v1/introspect"
JSON = {"Content-Type": "application/json"}


def assert_refused(reply, status: int) -> None:
    assert reply.status == status, reply.body
    document = reply.json
    assert reply.headers["content-type"] == "application/problem+json"
    assert document["status"] == status
    assert document["type"] == f"urn:gatehouse:problem:{document['code']}"
    assert document["detail"].endswith(".")
    assert document["request_id"] == reply.headers["x-request-id"]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (FORM, b"", 400),
        (FORM, b"token_type_hint=access_token", 400),
        (FORM, b"token=a&project=b&project=b", 400),
        (FORM, b"token=a&client_ip=127.0.0.1&client_ip=127.0.0.1", 400),
        (FORM, b"token=%FF", 400),
        (FORM, b"\xff\xfe", 400),
        (FORM, b"&" * 60_000, 400),
        (FORM, b"x" * 65_537, 413),
        (FORM, b"x" * 1_000_000, 413),
        (JSON, b"", 400),
        (JSON, b"[]", 400),
        (JSON, b"null", 400),
        (JSON, b"{}", 400),
        (JSON, b'{"token": 1}', 400),
        (JSON, b'{"tokens": "a"}', 400),
        (JSON, b'{"tokens": []}', 400),
        (JSON, b'{"tokens": [null]}', 400),
        (JSON, b'{"token": "a", "tokens": ["a"]}', 400),
        (JSON, b'{"token": "a", "token": "b"}', 400),
        (JSON, b'{"token": "a", "project": 1}', 400),
        (JSON, b'{"token": "a", "client_ip": ["127.0.0.1"]}', 400),
        (JSON, b'{"token": NaN}', 400),
        (JSON, b'{"token": ' + b"9" * 5_000 + b"}", 400),
        (JSON, b"[" * 60_000, 400),
        (JSON, b'{"token": "\xff"}', 400),
        ({}, b"token=a", 415),
        ({"Content-Type": "text/plain"}, b"token=a", 415),
        ({"Content-Type": "\xff"}, b"token=a", 415),
        ({"Content-Type": "application/x-www-form-urlencoded; charset=utf-16"}, b"token=a", 415),
        (FORM | {"Content-Encoding": "gzip"}, b"token=a", 415),
    ],
)
def test_what_cannot_be_read_is_refused(
    gateway: Gateway, platform: IssuedKey, headers: dict[str, str], body: bytes, status: int
) -> None:
    for _ in range(2):
        reply = gateway.send("POST", ADDRESS, body, headers | {"Authorization": basic(platform)})
        assert_refused(reply, status)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"token": "\ud800"}),
        json.dumps({"token": "\x00"}),
        json.dumps({"token": "x" * 60_000}),
        json.dumps({"token": "a", "project": "\ud800\x00"}),
        json.dumps({"token": "a", "project": None, "client_ip": None, "unknown": {"a": [1e400]}}).replace(
            "Infinity", "1e400"
        ),
    ],
)
def test_what_can_be_read_and_is_no_key_is_not_valid(gateway: Gateway, platform: IssuedKey, body: str) -> None:
    reply = gateway.send("POST", ADDRESS, body.encode(), JSON | {"Authorization": basic(platform)})
    assert not reply.is_active


def test_addresses_and_methods(gateway: Gateway, platform: IssuedKey, keys: Keys) -> None:
    headers = FORM | {"Authorization": basic(platform)}
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH", "NONSENSE"):
        reply = gateway.send(method, ADDRESS, b"", headers)
        assert_refused(reply, 405)
        assert reply.headers["allow"] == "POST"
    for path in ("/", "/api/v1/introspect/", "/api/v1//introspect", "/api/v1/introspect%00", "/%ff", "/x" * 3000):
        assert_refused(gateway.send("POST", path, b"token=a", headers), 404)
    assert_refused(gateway.send("POST", f"{ADDRESS}?token={keys.project().secret}", b"token=a", headers), 400)
    assert gateway.get("/healthz/live").json == {"status": "ok"}
    assert gateway.send("HEAD", "/healthz/ready").status == 200
    assert_refused(gateway.send("POST", "/healthz/live"), 405)


def status_of(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    assert found, answer[:200]
    return int(found[1])


def test_headers_that_came_twice_or_are_huge(gateway: Gateway, platform: IssuedKey, keys: Keys) -> None:
    body = b"token=" + keys.project().secret.encode()
    own = b"Authorization: " + basic(platform).encode()
    kind = b"Content-Type: application/x-www-form-urlencoded"
    start = b"POST /api/v1/introspect HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    length = b"Content-Length: %d" % len(body)
    good = b"\r\n".join([kind, length, own])
    assert status_of(gateway.raw(start + good + b"\r\n\r\n" + body)) == 200
    for extra in (
        own,
        b"Authorization: Bearer x",
        b"authorization: ",
        kind,
        b"Content-Type: application/json",
        b"X-Request-ID: one-is-enough\r\nX-Request-ID: one-is-enough",
        b"X-Big: " + b"x" * 2_000_000,
        b"X-Nul: a\x00b",
        b"X Space: a",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Content-Length: 99999999999999999999999999",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: nonsense",
        b"\r\n".join(b"X-%d: y" % number for number in range(5_000)),
    ):
        answer = gateway.raw(start + good + b"\r\n" + extra + b"\r\n\r\n" + body, wait=5)
        # The server itself ends some of these without a word.
        assert not answer or 400 <= status_of(answer) < 500, (extra[:80], answer[:200])
        assert b'"active":true' not in answer, extra[:80]
    huge = start + kind + b"\r\n" + length + b"\r\nAuthorization: Bearer " + b"x" * 100_000 + b"\r\n\r\n" + body
    assert status_of(gateway.raw(huge)) == 401


def test_bodies_in_chunks(gateway: Gateway, platform: IssuedKey, keys: Keys) -> None:
    head = (
        b"POST /api/v1/introspect HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n"
        b"Authorization: " + basic(platform).encode() + b"\r\n\r\n"
    )
    body = b"token=" + keys.project().secret.encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    for _ in range(2):
        answer = gateway.raw(head + chunks)
        assert status_of(answer) == 200
        assert b'"active":true' in answer
    flood = gateway.raw(head + b"10000\r\n" + b"x" * 65_536 + b"\r\n10000\r\n" + b"x" * 65_536 + b"\r\n0\r\n\r\n")
    assert status_of(flood) == 413
    for wrong in (b"zz\r\n", b"5\r\nab", b"-1\r\n\r\n", b"fffffffffffffffff\r\n"):
        answer = gateway.raw(head + wrong, wait=1)
        assert not answer or 400 <= status_of(answer) < 500


def test_a_client_that_goes_away_harms_nobody(gateway: Gateway, platform: IssuedKey, keys: Keys) -> None:
    half = b"POST /api/v1/introspect HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    for _ in range(20):
        assert gateway.raw(half + b"Content-Length: 90\r\n\r\ntoken=", wait=0.02) == b""
    assert gateway.ask(basic(platform), keys.project().secret).is_active


def test_a_body_in_parts_is_looked_at_as_a_whole(gateway: Gateway, platform: IssuedKey, keys: Keys) -> None:
    """Nothing is remembered about a first part: what follows it may be anything."""
    good, other = keys.project().secret.encode(), keys.project().secret.encode()

    def in_parts(*parts: bytes) -> bytes:
        head = (
            b"POST /api/v1/introspect HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n"
            b"Authorization: " + basic(platform).encode() + b"\r\n"
            b"Content-Length: %d\r\n\r\n" % len(b"".join(parts))
        )
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for part in (head, *parts):
                connection.sendall(part)
                # The next part must come after this one was read; the server's answer to another says when.
                assert gateway.get("/healthz/live").status == 200
                assert gateway.get("/healthz/live").status == 200
            received = b""
            while data := connection.recv(65536):
                received += data
        return received.partition(b"\r\n\r\n")[2]

    for _ in range(3):
        assert gateway.ask(basic(platform), good.decode()).is_active
        assert b'"active":true' in in_parts(b"token=", good)
        assert in_parts(b"token=" + good, b"x") == b'{"active":false}'
        assert in_parts(b"token=", b"nonsense") == b'{"active":false}'
        assert json.loads(in_parts(b"token=", other))["client_id"] != json.loads(in_parts(b"token=", good))["client_id"]
        assert json.loads(in_parts(b"token=" + good, b"&project=none-such")) == {"active": False}


@pytest.mark.soak
def test_a_body_that_does_not_come_is_given_up(gateway: Gateway, platform: IssuedKey) -> None:
    head = (
        b"POST /api/v1/introspect HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Authorization: " + basic(platform).encode() + b"\r\n"
    )
    for length in (
        b"Content-Length: 90\r\n\r\n",
        b"Content-Length: 90\r\n\r\ntoken=",
        b"Transfer-Encoding: chunked\r\n\r\n",
    ):
        assert status_of(gateway.raw(head + length)) == 408
