"""One client has one address, at whichever door: how it is read, found behind proxies and counted (no models)."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_CLIENTS_NETWORK = 64  # bits: who has one IPv6 address has all of that network


def parse_address(text: str) -> Address | None:
    """Return an IP address in its canonical form, an IPv4-mapped one as IPv4; None when it is none.

    A zone ("fe80::1%eth0") names an interface of one machine: such an address means nothing elsewhere.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return address
    return None if address.scope_id is not None else address.ipv4_mapped or address


def peer_address(text: str | None) -> Address | None:
    """Return who is connected, None for a unix socket; a zone must not make a neighbour look like one."""
    return parse_address((text or "").partition("%")[0])


def client_address(peer: Address | None, forwarded: str, trusted: Iterable[Network]) -> Address | None:
    """Return the client's address, None when there is none.

    Walks ``X-Forwarded-For`` from the right and stops at the first address that is no trusted proxy.

    Args:
        peer: who is connected; None for a unix socket, which is a proxy's.
        forwarded: the header, or "".
        trusted: the proxies.
    """
    address, proxies = peer, tuple(trusted)
    for hop in reversed(forwarded.split(",")):
        if address is not None and not is_in(address, proxies):
            break
        found = parse_address(hop.strip())
        if found is None:
            break
        address = found
    return address


def is_in(address: Address, networks: Iterable[Network]) -> bool:
    """Return whether an address lies in one of the networks."""
    return any(address in network for network in networks)


def counted_as(text: str | None) -> str:
    """Return by what name an address's requests are counted: itself, or its /64 network; "" for all without one."""
    address = parse_address(text) if text else None
    if address is None:
        return text or ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((address, _CLIENTS_NETWORK), strict=False))
