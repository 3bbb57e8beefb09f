"""An event as rules look at it."""

from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any

from audit.leaf import Row, parsed
from audit.sealing.reading import SealedEvent
from isolation.actor import ActorKind

_IPV4_BITS, _IPV6_BITS = 24, 48
KEYS = frozenset({ActorKind.API_KEY.value, ActorKind.SERVICE_ACCOUNT.value})
"""Kinds of actors that act by a key of their own."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One sealed event; the names are the event's."""

    seq: int
    time: datetime
    action: str
    outcome: str
    actor_kind: str
    actor_id: str
    actor_label: str
    target_type: str
    target_id: str
    target_label: str
    reason: str
    ip: str
    user_agent: str
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)

    @property
    def actor(self) -> str:
        """Return what tells the actor from others."""
        return self.actor_id or self.actor_label or self.actor_kind

    @property
    def target(self) -> str:
        """Return what tells the target from others."""
        return self.target_id or self.target_label.lower()

    @property
    def network(self) -> str:
        """Return the network that the event came from, as far as an address tells: /24 or /48; "" without one."""
        return network_of(self.ip) if self.ip else ""


def facts_of(event: SealedEvent) -> Facts | None:
    """Return what a sealed event says; None when the event is gone."""
    row = event.row
    if row is None:
        return None
    texts = {name: row[name] or "" for name in _TEXTS}
    return Facts(
        seq=event.seq,
        time=event.event_time,
        before=_values(row, "before"),
        after=_values(row, "after"),
        **texts,
    )


def network_of(ip: str) -> str:
    """Return the network of an address: the /24 of IPv4, the /48 of IPv6."""
    address = ip_address(ip)
    address = getattr(address, "ipv4_mapped", None) or address
    bits = _IPV4_BITS if address.version == 4 else _IPV6_BITS  # noqa: PLR2004 - the protocol's name
    return str(ip_network(f"{address}/{bits}", strict=False))


_TEXTS = (
    *("action", "outcome", "actor_kind", "actor_id", "actor_label", "target_type", "target_id", "target_label"),
    *("reason", "ip", "user_agent"),
)


def _values(row: Row, name: str) -> dict[str, Any]:
    values = parsed(row[name] or "{}")
    return values if isinstance(values, dict) else {}
