"""A browser, a place and a way of signing in, in words for people."""

from functools import lru_cache
from ipaddress import ip_address

from accounts.models.session import LONGEST_USER_AGENT

UNKNOWN_BROWSER = "An unknown browser"
_LONGEST_NAME = 60


@lru_cache(maxsize=1_024)
def browser_of(user_agent: str) -> str:
    """Return browser and system, such as "Firefox 130 on Linux".

    The words are the client's own: they help somebody to tell their browsers apart and prove nothing.
    """
    from ua_parser import parse  # noqa: PLC0415 - its tables take a while to load, and most processes need none

    if not user_agent.strip():
        return UNKNOWN_BROWSER
    found = parse(user_agent[:LONGEST_USER_AGENT])
    browser, system = found.user_agent, found.os
    if browser is None and system is None:
        return UNKNOWN_BROWSER
    name = " ".join(filter(None, (browser.family, browser.major))) if browser else "A browser"
    return f"{name[:_LONGEST_NAME]} on {system.family[:_LONGEST_NAME]}" if system else name[:_LONGEST_NAME]


def place_of(ip: str | None, *, here: str | None = None) -> str:
    """Return where an address is, as far as the address itself tells.

    Args:
        ip: the address, None when there was none (a unix socket).
        here: the address of whoever reads it.
    """
    if ip is None:
        return "No address"
    if ip == here:
        return f"{ip}, the address that you use now"
    address = ip_address(ip)
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_loopback:
        return f"{ip}, the portal's own machine"
    if mapped.is_private or mapped.is_link_local:
        return f"{ip}, a private network"
    return ip
