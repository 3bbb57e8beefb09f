"""Where redirects may lead, and what goes with them."""

import ipaddress
from typing import Any

import pytest

from outbound.client import get, post
from outbound.exceptions import Refused, Unusable
from tests.outbound.authority import Authority
from tests.outbound.servers import Visit, documents, serving

SECRETS = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Api-Key": "k", "Accept": "application/json"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["/there?x=1", "there?x=1#part", "?x=1", "http://127.0.0.1:{port}/there?x=1"])
def test_a_redirect_is_followed(status: int, location: str) -> None:
    def answer(visit: Visit) -> None:
        if "x=1" in visit.target:
            visit.reply(b"there")
        else:
            visit.redirect(location.format(port=server.port), status)

    with serving(answer) as server:
        reply = get(server.url("/there"), headers=SECRETS)
        assert (reply.status, reply.body, reply.url) == (200, b"there", server.url("/there?x=1"))
        assert server.visits[1].headers["authorization"] == "Bearer x"


@pytest.mark.parametrize("status", [300, 304, 305])
def test_other_answers_of_the_300s_are_replies(status: int) -> None:
    with serving(lambda visit: visit.redirect("/there", status)) as server:
        assert get(server.url()).status == status


def test_a_redirect_to_nowhere_is_a_reply() -> None:
    with serving(lambda visit: visit.reply(status="302 Found")) as server:
        assert get(server.url()).status == 302


def test_the_body_of_a_redirect_stays_unread() -> None:
    def answer(visit: Visit) -> None:
        visit.send(b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Encoding: gzip\r\n\r\n")
        visit.flood(b"x" * 65_536)

    with serving(documents({"/": answer, "/there": lambda visit: visit.reply(b"there")})) as server:
        assert get(server.url()).body == b"there"


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.2/",
        "https://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/latest/meta-data/",
        "//192.168.0.1/",
        "https://[::ffff:169.254.169.254]/",
        "https://2130706434/",
        "http://0x7f.2/",
        "http://8.8.8.8/",
        "https://user:password@127.0.0.1/",
        "https://127.0.0.1:22/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "data:,x",
        "https://[::1",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\xe9",
        "http://127.0.0.1/\tb",
        f"/{'x' * 3000}",
        "",
    ],
)
def test_a_redirect_to_what_is_not_allowed_is_refused(location: str) -> None:
    with serving(lambda visit: visit.redirect(location)) as server:
        with pytest.raises(Refused):
            get(server.url())
        assert len(server.visits) == 1


def test_a_redirect_to_a_name_with_an_address_that_is_not_allowed_is_refused(settings: Any) -> None:
    """The first server is reached by its number, and 127.0.0.1 is taken back while it answers."""

    def answer(visit: Visit) -> None:
        settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("10.0.0.0/8")]
        visit.redirect(target.url(host="localhost"))

    with serving(lambda visit: visit.reply()) as target, serving(answer) as server:
        with pytest.raises(Refused, match="localhost leads to an address that may not be fetched from here"):
            get(server.url())
        assert target.visits == []


def test_a_redirect_from_https_to_http_is_refused(settings: Any, authority: Authority) -> None:
    settings.OUTBOUND_CA_FILE = authority.file
    with (
        serving(lambda visit: visit.reply()) as plain,
        serving(lambda visit: visit.redirect(plain.url()), authority.server("127.0.0.1")) as server,
    ):
        with pytest.raises(Refused, match=r"127\.0\.0\.1 redirects from https:// to http://"):
            get(server.url())
        assert plain.visits == []


def test_a_redirect_from_http_to_https_is_followed(settings: Any, authority: Authority) -> None:
    settings.OUTBOUND_CA_FILE = authority.file
    with (
        serving(lambda visit: visit.reply(b"sealed"), authority.server("127.0.0.1")) as sealed,
        serving(lambda visit: visit.redirect(sealed.url())) as server,
    ):
        assert get(server.url()).body == b"sealed"


def test_credentials_go_to_no_other_origin_and_not_back_again() -> None:
    with (
        serving(lambda visit: visit.redirect(first.url("/end"))) as second,
        serving(
            documents({"/": lambda visit: visit.redirect(second.url()), "/end": lambda visit: visit.reply(b"end")})
        ) as first,
    ):
        assert get(first.url(), headers=SECRETS).body == b"end"
        assert SECRETS.items() <= {name.title(): value for name, value in first.visits[0].headers.items()}.items()
        for visit in (second.visits[0], first.visits[1]):
            assert visit.headers.keys() & {"authorization", "cookie", "x-api-key"} == set()
            assert visit.headers["accept"] == "application/json"


def test_another_name_of_the_same_server_is_another_origin() -> None:
    def answer(visit: Visit) -> None:
        if visit.target == "/":
            visit.redirect(server.url("/there", host="localhost"))
        else:
            visit.reply()

    with serving(answer) as server:
        get(server.url(), headers=SECRETS)
        assert "authorization" not in server.visits[1].headers


@pytest.mark.parametrize("redirects", [0, 1, 3])
def test_redirects_in_a_circle_come_to_an_end(redirects: int) -> None:
    with serving(lambda visit: visit.redirect("/")) as server:
        with pytest.raises(Unusable, match=rf"redirects more than {redirects} times"):
            get(server.url(), redirects=redirects)
        assert len(server.visits) == redirects + 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_form_is_sent_to_nobody_else(status: int) -> None:
    with serving(lambda visit: visit.redirect("/there", status)) as server:
        reply = post(server.url(), form={"client_secret": "x"})
        assert (reply.status, reply.headers["location"], reply.body) == (status, "/there", b"")
        assert len(server.visits) == 1
