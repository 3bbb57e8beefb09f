"""Which name resolvers are asked (no models, no DNS: the settings read this)."""

import re
from collections.abc import Iterable

from isolation.addresses import parse_address

PORT = 53
_HIGHEST_PORT = 65_535
_FORM = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<v4>[0-9.]+))(?::(?P<port>[0-9]{1,5}))?")


def read_resolvers(items: Iterable[str]) -> list[tuple[str, int]]:
    """Return resolvers as (address, port).

    Args:
        items: IP addresses, with a port or without: ``10.0.0.2``, ``10.0.0.2:5353``, ``fd00::2``, ``[fd00::2]:5353``.

    Raises:
        ValueError: one of them is none.
    """
    return [_read(item) for item in items]


def _read(item: str) -> tuple[str, int]:
    found = _FORM.fullmatch(item)
    address = parse_address(found["bracketed"] or found["v4"]) if found else parse_address(item)
    port = int(found["port"] or PORT) if found else PORT
    if address is None or not 0 < port <= _HIGHEST_PORT:
        raise ValueError(f"{item!r} is not an IP address with or without a port; write 10.0.0.2 or [fd00::2]:5353")
    return str(address), port
