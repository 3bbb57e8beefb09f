"""Where a request comes from: forwarded headers count as far as trusted proxies carried them."""

import ipaddress
import re

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from isolation.context import UNKNOWN_ORIGIN, Origin, Via, current_origin
from portal.middleware.origin import OriginMiddleware, client_address

PROXY, INNER_PROXY, CLIENT = "10.0.0.1", "10.0.0.2", "203.0.113.7"


@pytest.fixture
def proxied(settings: Settings) -> Settings:
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32")]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    return settings


def request(peer: str, path: str = "/", **headers: str) -> HttpRequest:
    return RequestFactory().get(path, REMOTE_ADDR=peer, headers={n.replace("_", "-"): v for n, v in headers.items()})


def seen(plain: HttpRequest) -> tuple[Origin, HttpResponse]:
    """Return the origin that a view meets, and the response that leaves."""
    met: list[Origin] = []

    def view(request: HttpRequest) -> HttpResponse:
        met.append(current_origin())
        return HttpResponse()

    response = OriginMiddleware(view)(plain)
    assert current_origin() is UNKNOWN_ORIGIN
    return met[0], response


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        pytest.param(CLIENT, "", CLIENT, id="no proxy"),
        pytest.param(CLIENT, "198.51.100.1", CLIENT, id="a stranger's header is ignored"),
        pytest.param(CLIENT, PROXY, CLIENT, id="a stranger who names a proxy"),
        pytest.param(PROXY, CLIENT, CLIENT, id="one proxy"),
        pytest.param(PROXY, f"{CLIENT}, {INNER_PROXY}", CLIENT, id="two proxies"),
        pytest.param(PROXY, f"198.51.100.1, {CLIENT}", CLIENT, id="what the client wrote itself is not walked to"),
        pytest.param(PROXY, f"198.51.100.1, {CLIENT}, {INNER_PROXY}", CLIENT, id="nor behind two proxies"),
        pytest.param(PROXY, f"{CLIENT}, unknown", PROXY, id="the walk ends at what is no address"),
        pytest.param(PROXY, "", PROXY, id="the proxy itself"),
        pytest.param(PROXY, INNER_PROXY, INNER_PROXY, id="nothing but proxies"),
        pytest.param("2001:db8::1", "2001:db9::7", "2001:db9::7", id="IPv6"),
        pytest.param("", CLIENT, CLIENT, id="a proxy at a unix socket"),
        pytest.param("", "", None, id="a unix socket without a proxy"),
        pytest.param(f"::ffff:{CLIENT}", "", CLIENT, id="IPv4 over an IPv6 socket"),
        pytest.param(f"::ffff:{PROXY}", f"::ffff:{CLIENT}", CLIENT, id="a proxy over an IPv6 socket"),
        pytest.param("fe80::1%eth0", CLIENT, "fe80::1", id="a neighbour is no unix socket"),
        pytest.param(PROXY, "fe80::1%eth0", PROXY, id="a name of somebody's interface is no address"),
    ],
)
def test_the_clients_address(proxied: Settings, peer: str, forwarded: str, client: str | None) -> None:
    headers = {"X_Forwarded_For": forwarded} if forwarded else {}
    assert client_address(request(peer, **headers)) == client


def test_no_proxy_is_trusted_unless_somebody_names_one(settings: Settings) -> None:
    assert settings.TRUSTED_PROXIES == []
    assert client_address(request("127.0.0.1", X_Forwarded_For=CLIENT)) == "127.0.0.1"


@pytest.mark.parametrize(("peer", "secure"), [(PROXY, True), ("", True), (CLIENT, False)])
def test_only_a_proxy_says_that_the_client_came_by_https(proxied: Settings, peer: str, secure: bool) -> None:
    asked = request(peer, X_Forwarded_Proto="https")
    seen(asked)
    assert asked.is_secure() is secure


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "with space and more", "line\nbreak-in-it", "at-its-end\n"])
def test_a_request_without_a_usable_id_gets_one(given: str) -> None:
    origin, response = seen(request(CLIENT, X_Request_ID=given))
    assert re.fullmatch("[0-9a-f]{32}", origin.request_id)
    assert response["X-Request-ID"] == origin.request_id


def test_a_proxys_request_id_is_kept() -> None:
    origin, response = seen(request(CLIENT, X_Request_ID="req-2026.11_22"))
    assert origin.request_id == response["X-Request-ID"] == "req-2026.11_22"


@pytest.mark.parametrize(("path", "via"), [("/o/acme/", Via.CONSOLE), ("/", Via.CONSOLE), ("/api/v1/me", Via.API)])
def test_the_door(path: str, via: Via) -> None:
    assert seen(request(CLIENT, path))[0].via is via


def test_the_session_is_a_digest_and_the_agent_is_cut(settings: Settings) -> None:
    plain = request(CLIENT, User_Agent="x" * 1000)
    plain.COOKIES[settings.SESSION_COOKIE_NAME] = "the-key-itself"
    origin, _ = seen(plain)
    assert re.fullmatch("[0-9a-f]{16}", origin.session)
    assert len(origin.user_agent) == 400
