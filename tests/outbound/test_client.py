"""What is sent, what comes back, and what a hostile server gets."""

import gzip
import socket
import threading
import time

import pytest

from outbound.client import get, post
from outbound.exceptions import Refused, Unreachable, Unusable
from outbound.exchange import Reply
from tests.outbound.servers import Answer, Visit, serving

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def test_get() -> None:
    def answer(visit: Visit) -> None:
        visit.reply(b'{"keys": []}', "Content-Type: application/json", "X-Many: a", "x-many: b")

    with serving(answer) as server:
        reply = get(server.url("/keys?x=%20"), headers={"Accept": "application/json", "Authorization": "Bearer x"})
        assert reply == Reply(
            200,
            {"content-length": "12", "content-type": "application/json", "x-many": "a, b"},
            b'{"keys": []}',
            server.url("/keys?x=%20"),
        )
        assert reply.json() == {"keys": []}
        visit = server.visits[0]
        assert (visit.method, visit.target) == ("GET", "/keys?x=%20")
        assert visit.headers == {
            "accept": "application/json",
            "authorization": "Bearer x",
            "host": f"127.0.0.1:{server.port}",
            "user-agent": "Gatehouse",
            "accept-encoding": "identity",
            "connection": "close",
        }


def test_a_url_without_a_path_asks_for_the_root() -> None:
    with serving(lambda visit: visit.reply()) as server:
        get(server.url(""))
        get(server.url("?a=b"))
        assert [visit.target for visit in server.visits] == ["/", "/?a=b"]


def test_post() -> None:
    with serving(lambda visit: visit.reply(b"{}")) as server:
        reply = post(server.url("/token"), form={"code": "a&b=c", "name": "ü"}, headers={"authorization": "Basic x"})
        assert (reply.status, reply.json()) == (200, {})
        visit = server.visits[0]
        assert (visit.method, visit.target, visit.body) == ("POST", "/token", b"code=a%26b%3Dc&name=%C3%BC")
        assert visit.headers["content-type"] == "application/x-www-form-urlencoded"
        assert visit.headers["authorization"] == "Basic x"


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_errors_are_replies(status: int) -> None:
    with serving(lambda visit: visit.reply(b'{"error": "x"}', status=f"{status} Error")) as server:
        assert get(server.url()).status == status
        assert post(server.url(), form={}).json() == {"error": "x"}


def test_an_answer_that_comes_before_the_whole_form_was_taken_is_read() -> None:
    """As servers give it that find a request too large."""

    def refuse() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1_000)
            connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nearly")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse)
        thread.start()
        reply = post(f"http://127.0.0.1:{listener.getsockname()[1]}/", form={"a": "x" * 16_000_000})
        thread.join()
    assert (reply.status, reply.body) == (413, b"early")


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda visit: visit.reply(b"direct")) as server, serving(lambda visit: visit.reply()) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        assert get(server.url()).body == b"direct"
        assert proxy.visits == []


@pytest.mark.usefixtures("public_only")
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_loopback_is_refused_unless_it_is_allowed(scheme: str, host: str) -> None:
    with serving(lambda visit: visit.reply()) as server:
        for fetch in (get, lambda url: post(url, form={})):
            with pytest.raises(Refused) as caught:
                fetch(f"{scheme}://{host}:{server.port}/")
            assert "127.0.0.1" not in caught.value.detail or host == "127.0.0.1"
        assert server.visits == []


@pytest.mark.parametrize("url", ["https://a:b@127.0.0.1/", "http://127.0.0.1/\x00", "http://127.0.0.1/\r\nX: y"])
def test_a_url_is_checked(url: str) -> None:
    for fetch in (get, lambda url: post(url, form={})):
        with pytest.raises(Refused):
            fetch(url)


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", "a\r\nY: b"), ("x", "a\nb"), ("x", "a\x00"), ("x", "ü"), ("x", " a"), ("x: y\r\nz", "a"), ("", "a")],
)
def test_a_header_that_would_begin_another_is_refused(name: str, value: str) -> None:
    with pytest.raises(Refused) as caught:
        get("http://127.0.0.1:8000/", headers={name: value})
    assert repr(name) in caught.value.detail


def test_headers_of_the_client_are_not_replaced() -> None:
    with serving(lambda visit: visit.reply()) as server:
        get(server.url(), headers={"HOST": "evil.example", "Accept-Encoding": "gzip", "User-Agent": "x"})
        sent = server.visits[0].headers
        assert (sent["host"], sent["accept-encoding"]) == (f"127.0.0.1:{server.port}", "identity")
        assert sent["user-agent"] == "Gatehouse"


# --- How much is read ---


def test_a_body_of_the_largest_size_is_read_and_one_byte_more_is_not() -> None:
    with serving(lambda visit: visit.reply(b"x" * int(visit.target[1:]))) as server:
        assert len(get(server.url("/1000"), max_bytes=1000).body) == 1000
        with pytest.raises(Unusable, match=r"more than 1,000 bytes"):
            get(server.url("/1001"), max_bytes=1000)


def endless_body(visit: Visit) -> None:
    visit.send(HEAD + b"\r\n")
    visit.flood(b"x" * 65_536)


def endless_chunks(visit: Visit) -> None:
    visit.send(CHUNKED)
    visit.flood(b"10000\r\n" + b"x" * 65_536 + b"\r\n")


def endless_chunk_head(visit: Visit) -> None:
    visit.send(CHUNKED)
    visit.flood(b"0" * 65_536)


def endless_trailer(visit: Visit) -> None:
    visit.send(CHUNKED + b"0\r\n")
    visit.flood(b"X-Trailer: " + b"x" * 100 + b"\r\n")


def endless_header(visit: Visit) -> None:
    visit.send(HEAD + b"X-Long: ")
    visit.flood(b"x" * 65_536)


def endless_headers(visit: Visit) -> None:
    visit.send(HEAD)
    visit.flood(b"X-Header: " + b"x" * 100 + b"\r\n")


def huge_headers(visit: Visit) -> None:
    visit.send(HEAD + b"".join(b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(1000)) + b"\r\n")


def gzip_bomb(visit: Visit) -> None:
    visit.reply(gzip.compress(bytes(10_000_000)), "Content-Encoding: gzip")


def compressed_in_transfer(visit: Visit) -> None:
    visit.send(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")


def twice_compressed(visit: Visit) -> None:
    visit.reply(b"x", "Content-Encoding: identity", "Content-Encoding: br")


def broken_off(visit: Visit) -> None:
    visit.send(HEAD + b"Content-Length: 10\r\n\r\nfive.")


def two_lengths(visit: Visit) -> None:
    visit.send(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx")


def no_http(visit: Visit) -> None:
    visit.send(b"220 mail.example ESMTP\r\n\r\n")


def null_in_header(visit: Visit) -> None:
    visit.send(HEAD + b"X: a\x00b\r\n\r\n")


def unasked_upgrade(visit: Visit) -> None:
    visit.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")


UNUSABLE = [endless_body, endless_chunks, endless_chunk_head, endless_trailer, endless_header, endless_headers]
UNUSABLE += [huge_headers, gzip_bomb, compressed_in_transfer, twice_compressed, broken_off, two_lengths, no_http]
UNUSABLE += [null_in_header, unasked_upgrade]


@pytest.mark.parametrize("answer", UNUSABLE)
def test_an_answer_that_cannot_be_used(answer: Answer) -> None:
    with serving(answer) as server, pytest.raises(Unusable) as caught:
        get(server.url())
    assert caught.value.detail.startswith("127.0.0.1 ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"NaN",
        b'{"a": Infinity}',
        b"-Infinity",
        b"1e999",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"1" * 5000,
        b'"\\u0000"',
        b'{"\\ud800": 1}',
    ],
)
def test_a_body_that_is_not_json(body: bytes) -> None:
    with pytest.raises(Unusable, match=r"idp\.example answered with something that is not JSON \(status 200\)"):
        Reply(200, {}, body, "https://idp.example/x").json()


def test_json_may_speak_of_escapes() -> None:
    assert Reply(200, {}, rb'["\\u0000", "\ud83d\ude00"]', "https://idp.example/").json() == [r"\u0000", "\U0001f600"]


def test_json_has_fractions() -> None:
    assert Reply(200, {}, b'{"a": 1.5, "a": -2e3}', "https://idp.example/").json() == {"a": -2000.0}


# --- How long it takes ---


def silent(visit: Visit) -> None:
    visit.stop.wait()


def dripping_headers(visit: Visit) -> None:
    visit.send(HEAD)
    visit.drip(b"X: y\r\n")


def dripping_body(visit: Visit) -> None:
    visit.send(HEAD + b"Content-Length: 1000\r\n\r\n")
    visit.drip(b"x")


def dripping_chunks(visit: Visit) -> None:
    visit.send(CHUNKED)
    visit.drip(b"1\r\nx\r\n")


def informing(visit: Visit) -> None:
    visit.drip(b"HTTP/1.1 103 Early Hints\r\n\r\n")


def informing_fast(visit: Visit) -> None:
    visit.flood(b"HTTP/1.1 103 Early Hints\r\n\r\n")


def redirecting_slowly(visit: Visit) -> None:
    visit.stop.wait(0.12)
    visit.redirect("/again")


SLOW = [silent, dripping_headers, dripping_body, dripping_chunks, informing, informing_fast, redirecting_slowly]


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("answer", SLOW)
def test_an_exchange_ends_at_its_deadline(answer: Answer) -> None:
    with serving(answer) as server:
        start = time.monotonic()
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1 did not answer in full within 0\.3 seconds"):
            get(server.url(), redirects=20)
        assert time.monotonic() - start < 2


@pytest.mark.usefixtures("hurry")
def test_a_server_that_does_not_read_ends_at_the_deadline() -> None:
    """The connection is made by the system, which answers for a server that never accepts it."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        start = time.monotonic()
        with pytest.raises(Unreachable, match="did not answer in full"):
            post(f"http://127.0.0.1:{deaf.getsockname()[1]}/", form={"a": "x" * 16_000_000})
        assert time.monotonic() - start < 3


# --- Nobody there ---


def test_a_server_that_closes_at_once() -> None:
    with serving(lambda visit: None) as server, pytest.raises(Unreachable, match=r"closed without an answer"):
        get(server.url())


def test_nobody_listens() -> None:
    with serving(lambda visit: None) as server:
        url = server.url()
    with pytest.raises(Unreachable, match=r"The connection to 127\.0\.0\.1 failed \(Connection refused\)"):
        get(url)


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(Unreachable, match=r"nobody\.invalid"):
        get("https://nobody.invalid/")
