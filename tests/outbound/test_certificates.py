"""TLS: whose certificates hold, and for which names."""

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from outbound.certificates import check_authorities, tls_context
from outbound.client import get, post
from outbound.exceptions import Unreachable
from tests.outbound.authority import Authority
from tests.outbound.servers import Visit, serving


def answer(visit: Visit) -> None:
    visit.reply(b"sealed")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_of_an_authority_from_the_file(settings: Any, authority: Authority, host: str) -> None:
    settings.OUTBOUND_CA_FILE = authority.file
    with serving(answer, authority.server("localhost", "127.0.0.1")) as server:
        assert get(server.url(host=host)).body == b"sealed"
        assert post(server.url(host=host), form={}).url == server.url(host=host)


def test_the_name_is_sent_and_an_address_is_not(settings: Any, authority: Authority) -> None:
    settings.OUTBOUND_CA_FILE = authority.file
    context = authority.server("localhost", "127.0.0.1")
    asked: list[str | None] = []
    context.sni_callback = lambda connection, name, context: asked.append(name)
    with serving(answer, context) as server:
        get(server.url(host="LOCALHOST."))
        get(server.url())
    assert asked == ["localhost", None]


def test_a_certificate_of_an_unknown_authority(authority: Authority) -> None:
    with serving(answer, authority.server("localhost")) as server:
        with pytest.raises(Unreachable, match=r"The certificate of localhost is not valid: unable to get local issuer"):
            get(server.url(host="localhost"))
        assert server.visits == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_for_another_name(settings: Any, authority: Authority, host: str) -> None:
    settings.OUTBOUND_CA_FILE = authority.file
    with serving(answer, authority.server("idp.example.com", "127.0.0.2")) as server:
        with pytest.raises(Unreachable, match=r"is not valid: .* mismatch"):
            post(server.url(host=host), form={"client_secret": "x"})
        assert server.visits == []


def test_a_certificate_that_has_expired(settings: Any, authority: Authority) -> None:
    settings.OUTBOUND_CA_FILE = authority.file
    with (
        serving(answer, authority.server("localhost", expired=True)) as server,
        pytest.raises(Unreachable, match=r"certificate has expired\. Ask whoever runs it\."),
    ):
        get(server.url(host="localhost"))


def test_a_server_without_tls() -> None:
    with (
        serving(answer) as server,
        pytest.raises(Unreachable, match="No TLS connection to localhost"),
    ):
        get(server.url(host="localhost").replace("http:", "https:"))


@pytest.mark.usefixtures("hurry")
def test_a_server_that_begins_no_tls_ends_at_the_deadline() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,
        pytest.raises(Unreachable, match="did not answer in full"),
    ):
        get(f"https://127.0.0.1:{deaf.getsockname()[1]}/")


def test_tls_is_of_today_and_everything_is_verified(authority: Authority) -> None:
    for context in (tls_context(None), tls_context(authority.file)):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname


@pytest.mark.parametrize(
    "content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_certificates_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "authorities.pem"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"authorities\.pem holds no certificates in PEM form"):
        check_authorities(file)


def test_a_file_with_certificates_is_taken(authority: Authority) -> None:
    check_authorities(authority.file)
