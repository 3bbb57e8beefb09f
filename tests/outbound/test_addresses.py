"""Which URLs and which IP addresses are allowed, before anybody is asked."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound.addresses import LONGEST_URL, check_url, is_public, may_connect
from outbound.exceptions import Refused

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.0", "172.32.0.1", "192.0.1.1"]
PUBLIC += ["2606:4700::1111", "2a00:1450:4001::200e", "2001:200::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]

PRIVATE = ["0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254"]  # noqa: S104
PRIVATE += ["168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1"]
PRIVATE += ["192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1"]
PRIVATE += ["240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1"]
PRIVATE += ["2001:db8::1", "3fff::1", "100::1", "5f00::1", "64:ff9b:1::8.8.8.8"]
# The forms that carry an IPv4 address: mapped, compatible, translated, NAT64, 6to4, Teredo.
PRIVATE += ["::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::10.0.0.1"]
PRIVATE += ["64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:808:808::", "2001:0:a9fe:a9fe::1", "2001::5601:5601"]


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PRIVATE)
def test_addresses_that_are_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@given(st.ip_addresses())
def test_nothing_is_public_that_the_standard_library_does_not_call_global(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert not is_public(address) or (address.is_global and not address.is_multicast)


@given(st.ip_addresses(v=4))
def test_an_embedded_address_counts_as_what_it_is(address: ipaddress.IPv4Address) -> None:
    for prefix in ("::ffff:0:0", "64:ff9b::"):
        embedding = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(address))
        assert is_public(embedding) == is_public(address)


def test_allowed_networks_are_reached_also_without_tls_and_others_are_not() -> None:
    inside = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/64")]
    for text in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::1"):
        assert may_connect(ipaddress.ip_address(text), inside, secure=True)
        assert may_connect(ipaddress.ip_address(text), inside, secure=False)
    for text in ("11.0.0.1", "2606:4700::1111"):
        assert may_connect(ipaddress.ip_address(text), inside, secure=True)
        assert not may_connect(ipaddress.ip_address(text), inside, secure=False)
    for text in ("192.168.0.1", "fd00:0:0:1::1", "64:ff9b::10.1.2.3"):
        assert not may_connect(ipaddress.ip_address(text), inside, secure=True)


@pytest.mark.parametrize(
    ("url", "normalized"),
    [
        ("https://idp.example.com", "https://idp.example.com"),
        ("HTTPS://IdP.Example.COM./Realms/A?b=C", "https://idp.example.com/Realms/A?b=C"),
        ("https://idp.example.com:443/", "https://idp.example.com/"),
        ("https://idp.example.com:/x", "https://idp.example.com/x"),
        ("https://idp.example.com:8443/x", "https://idp.example.com:8443/x"),
        ("https://bücher.example/%C3%BC", "https://xn--bcher-kva.example/%C3%BC"),
        ("https://idp_1.example.com/", "https://idp_1.example.com/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700:0::1111]:8443/", "https://[2606:4700::1111]:8443/"),
        ("http://127.0.0.1:8000/x", "http://127.0.0.1:8000/x"),
        ("http://[::1]:8000/x", "http://[::1]:8000/x"),
        ("http://localhost/", "http://localhost/"),
        ("https://1.example.com/?next=https://x/%00", "https://1.example.com/?next=https://x/%00"),
    ],
)
def test_a_url_has_one_spelling(url: str, normalized: str) -> None:
    assert check_url(url) == normalized
    assert check_url(normalized) == normalized


@pytest.mark.parametrize(
    "url",
    [
        "",
        "idp.example.com",
        "//idp.example.com/",
        "https:idp.example.com",
        "https:///path",
        "https://",
        "https://:443/",
        "https://?x",
        "ftp://idp.example.com/",
        "file:///etc/passwd",
        "gopher://idp.example.com/",
        "javascript:alert(1)",
        # Somebody in it, and what parsers take for the host in different ways.
        "https://user:password@idp.example.com/",
        "https://user@idp.example.com/",
        "https://@idp.example.com/",
        "https://idp.example.com@169.254.169.254/",
        "https://idp.example.com\\@169.254.169.254/",
        "https://idp.example.com%00.evil.example/",
        "https://idp.example.com%2f@evil.example/",
        "https://evil[::1]/",
        "https://[::1]evil/",
        "https://[::1",
        "https://[]/",
        "https://[v1.x]/",
        "https://[fe80::1%25eth0]/",
        "https://a:b:443/",
        "https://evil\u2100.example/",
        "https://evil\uff0f.example/",
        # Characters that no URL has.
        "https://idp.example.com/\x00",
        "https://idp.example.com/\r\nHost: evil",
        "https://idp.example.com\r\n.evil.example/",
        "https://idp.example.com/a\tb",
        "https://idp.example.com/a b",
        " https://idp.example.com/",
        "https://idp.example.com/\n",
        "https://idp.example.com/{x}",
        "https://idp.example.com/ü",
        "https://idp.example.com/\x85",
        "https://\ud800.example/",
        # Fragment, port, name.
        "https://idp.example.com/#",
        "https://idp.example.com/#part",
        "https://idp.example.com:0/",
        "https://idp.example.com:22/",
        "https://idp.example.com:65536/",
        "https://idp.example.com:99999999/",
        "https://idp.example.com:-1/",
        "https://idp.example.com:٤٤٣/",
        "https://idp..example.com/",
        "https://.example.com/",
        "https://-idp.example.com/",
        f"https://{'a' * 64}.example.com/",
        f"https://{'a.' * 130}example.com/",
        f"https://{'ü.' * 100}example.com/",
        f"https://idp.example.com/{'a' * LONGEST_URL}",
    ],
)
def test_a_url_that_is_refused(url: str) -> None:
    with pytest.raises(Refused) as caught:
        check_url(url)
    assert caught.value.detail.endswith(".")


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0X7F.1",
        "017700000001",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "127.1",
        "127.0.1",
        "127.0.0.1.",
        "127.0.0.01",
        "127.0.0.1.1",
        "0",
        "0x",
        "1.2.3.4.0x7f",
        "256.256.256.256",
        "4294967297",
        "\uff11\uff12\uff17.0.0.1",
        "127。0。0。1",
        "①②⑦.0.0.1",
        *(f"[{text}]" if ":" in text else text for text in PRIVATE),
        "[::FFFF:7F00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[::ffff:0x7f.0.0.1]",
    ],
)
@pytest.mark.usefixtures("public_only")
def test_numbers_for_a_private_address_are_refused_in_every_spelling(host: str) -> None:
    with pytest.raises(Refused):
        check_url(f"https://{host}/")


@pytest.mark.usefixtures("public_only")
def test_plain_http_is_refused_unless_a_network_is_allowed() -> None:
    with pytest.raises(Refused, match=r"Use https://\."):
        check_url("http://idp.example.com/")


def test_plain_http_is_refused_to_a_public_address() -> None:
    with pytest.raises(Refused, match="not an address that may be fetched"):
        check_url("http://8.8.8.8/")


@given(st.text(max_size=80).map("https://".__add__) | st.text(max_size=80))
def test_any_text_is_a_url_in_one_spelling_or_refused(text: str) -> None:
    try:
        normalized = check_url(text)
    except Refused:
        return
    assert normalized.isascii()
    assert check_url(normalized) == normalized
