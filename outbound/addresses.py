"""Which URLs may be fetched and which IP addresses may be connected to (no models)."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urljoin, urlsplit

import idna
from django.conf import settings

from outbound.exceptions import Refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL = 2_048
_LONGEST_NAME = 253
_DEFAULT_PORTS = {"https": 443, "http": 80}
_FREE_PORTS = range(1_024, 65_536)

# RFC 3986, 2, and letters beyond ASCII, which a host name may have.
_CHARACTERS = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~\u0080-\U0010ffff]+")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::(?P<port>[0-9]{0,5}))?")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

# What IANA's special-purpose registries (RFC 6890) do not call globally reachable, and what is deprecated.
# Written out: what `ipaddress` calls global differs between patch releases of Python.
_NOT_PUBLIC_IPV4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # behind a carrier's NAT; some clouds' metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # public by its number, the host under the virtual machine on Azure
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, deprecated
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
# Outside of it nothing is assigned to the Internet: loopback, unique local, link-local and multicast lie there, and
# 64:ff9b:1::/48 and the forms ::a.b.c.d and ::ffff:0:a.b.c.d, which embed an IPv4 address.
_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_IPV6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments; Teredo (2001::/32) embeds IPv4 addresses
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 embeds an IPv4 address
        "3fff::/20",  # documentation
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: how a network without IPv4 reaches it


def check_url(url: str) -> str:
    """Return a URL that may be fetched, as far as that can be told without asking DNS, in one spelling.

    Scheme and host come in lower case, the host in ASCII (IDNA 2008), without a final dot and a default port; path
    and query stay as they are, an empty path too.

    Args:
        url: what somebody typed, or a redirect's target.

    Raises:
        Refused: another scheme than https (http: unless OUTBOUND_ALLOWED_NETWORKS has networks), no host, a user or
            a fragment in it, more than 2,048 characters, ones that no URL has (RFC 3986), a number for a host that is
            no IPv4 address in the usual form, an IP address that may not be connected to, a port below 1024 other
            than 80 and 443.
    """
    if len(url) > LONGEST_URL:
        raise Refused(f"The URL is longer than {LONGEST_URL:,} characters. Write a shorter one.")
    if not _CHARACTERS.fullmatch(url):
        raise Refused("The URL is empty or has blanks or characters that no URL has. Write them as %XX.")
    if "#" in url:
        raise Refused("The URL has a part after #, which no server sees. Leave it out.")
    parts = _split(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise Refused("The URL does not start with https://. Write the whole of it, with https:// before the host.")
    if parts.scheme == "http" and not settings.OUTBOUND_ALLOWED_NETWORKS:
        raise Refused("The URL starts with http://, and what goes over it could be read on the way. Use https://.")
    if not parts.netloc:
        raise Refused("The URL names no host. Write it as https://host/path.")
    if "@" in parts.netloc:
        raise Refused("The URL has a user or a password before its host. Leave them out.")
    host, port = _authority(parts)
    if not (parts.path + parts.query).isascii():
        raise Refused("The URL has letters beyond ASCII after its host. Write them as %XX.")
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    normalized = f"{parts.scheme}://{host}{'' if port == _DEFAULT_PORTS[parts.scheme] else f':{port}'}{path}"
    if len(normalized) > LONGEST_URL:
        raise Refused(f"The URL is longer than {LONGEST_URL:,} characters. Write a shorter one.")
    return normalized


def check_location(base: str, location: str) -> str:
    """Return where a redirect leads, checked as any other URL.

    Args:
        base: the URL that was fetched.
        location: the header (RFC 9110, 10.2.2): absolute or relative, its fragment is dropped.

    Raises:
        Refused: it may not be fetched.
    """
    # Joining would drop line breaks silently.
    if not _CHARACTERS.fullmatch(location):
        raise Refused("The server redirects to something that is no URL. Ask whoever runs it.")
    try:
        target = urljoin(base, location.partition("#")[0])
    except ValueError:
        raise Refused("The server redirects to something that is no URL. Ask whoever runs it.") from None
    return check_url(target)


def may_connect(address: Address, networks: Iterable[Network], *, secure: bool) -> bool:
    """Return whether a connection to an IP address is allowed.

    Args:
        address: an IPv4-mapped one counts as IPv4.
        networks: what the installation's operator allows besides public addresses.
        secure: whether TLS will be spoken; without it only these networks are left.
    """
    plain = _unmapped(address)
    return any(plain in network for network in networks) or (secure and is_public(plain))


def is_public(address: Address) -> bool:
    """Return whether an IP address belongs to a host on the Internet, and leads to no other one in disguise.

    Args:
        address: an IPv4-mapped one and one behind NAT64 (64:ff9b::/96) count as the IPv4 address in them.
    """
    plain = _unmapped(address)
    if isinstance(plain, ipaddress.IPv6Address):
        if plain not in _NAT64:
            return plain in _PUBLIC_IPV6 and not any(plain in network for network in _NOT_PUBLIC_IPV6)
        plain = ipaddress.IPv4Address(int(plain) & 0xFFFF_FFFF)
    return not any(plain in network for network in _NOT_PUBLIC_IPV4)


def _unmapped(address: Address) -> Address:
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise Refused("The URL's host cannot be read. Write it as https://host/path.") from None


def _authority(parts: SplitResult) -> tuple[str, int]:
    """Return host, an IPv6 address in brackets, and port; read strictly, because lenient parsers differ."""
    found = _AUTHORITY.fullmatch(parts.netloc)
    if found is None:
        raise Refused("The URL's host cannot be read. Write it as https://host/path or https://host:port/path.")
    port = int(found["port"] or _DEFAULT_PORTS[parts.scheme])
    if port not in _DEFAULT_PORTS.values() and port not in _FREE_PORTS:
        raise Refused(f"The URL's port {port} is none of a web server. Use 443, or one from 1024 to 65535.")
    host = found["host"]
    if host.startswith("["):
        literal: str | None = host[1:-1]
    else:
        host = _name(host)
        literal = host if _NUMBER.fullmatch(host.rpartition(".")[2]) else None
    if literal is None:
        return host, port
    try:
        address = ipaddress.ip_address(literal)
    except ValueError:
        raise Refused("The URL's host is a number that is no IP address in its usual form. Use a name.") from None
    if not may_connect(address, settings.OUTBOUND_ALLOWED_NETWORKS, secure=parts.scheme == "https"):
        raise Refused(f"{literal} is not an address that may be fetched from here. Use one that the Internet reaches.")
    return f"[{address}]" if isinstance(address, ipaddress.IPv6Address) else str(address), port


def _name(host: str) -> str:
    """Return a host name in lower case and ASCII."""
    name = host
    if not host.isascii() and len(host) <= _LONGEST_NAME:
        try:
            name = idna.encode(host, uts46=True).decode("ascii")
        except UnicodeError:  # idna.IDNAError is one
            name = ""
    name = name.lower().removesuffix(".")
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise Refused("The URL's host is not a name that DNS knows. Check how it is spelled.")
    return name
