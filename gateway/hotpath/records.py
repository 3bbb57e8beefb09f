"""What memory holds about a key: the answer, ready to send, and what the next question needs."""

import ipaddress
import json
import math
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from accounts.authority import KeyAuthority
from accounts.key_format import KeyKind
from isolation.addresses import Network, is_in, parse_address
from tenants.authority import assemble
from tenants.permissions import P, still_known

INACTIVE = b'{"active":false}'
_COLUMNS = ("source", "role", "role_key", "is_builtin", "permissions", "group_name")


class MemoryRecord:
    """One key, as the answer to one question: in the organization, or in one of its projects.

    Attributes:
        id: the key's id.
        public_id: what the key is called.
        organization_id: whose it is; None for a platform key.
        project_id: the project that the answer is about, or None.
        owner_id: the user or service account behind it, or None.
        body: the answer as JSON; None when the key is not valid.
        networks: the addresses it is accepted from, by itself and by its organization's policy; empty: from
            everywhere.
        authority: what it may do, kept only by keys that may verify others.
        ends: the monotonic second in which the key ends by itself; infinite when it does not.
        until: the monotonic second up to which memory vouches for it; 0 before it is kept and once it is dropped.
        used_at: the monotonic second of its last use that is not written yet.
        used_ip: where that use came from.
        waiting: whether that use is in the list of what is to be written.
    """

    __slots__ = (
        "authority",
        "body",
        "ends",
        "id",
        "networks",
        "organization_id",
        "owner_id",
        "project_id",
        "public_id",
        "until",
        "used_at",
        "used_ip",
        "waiting",
    )

    def __init__(self, row: dict[str, Any], body: bytes | None, *, authority: KeyAuthority | None, place: str) -> None:
        self.id: str = row["id"]
        self.public_id: str = row["public_id"]
        self.organization_id: str | None = row["organization_id"]
        self.project_id: str | None = place or None
        self.owner_id: str | None = row["user_id"] or row["service_account_id"]
        self.body = body
        self.networks = networks_of(row["allowed_networks"], row["organization_networks"])
        self.authority = authority
        self.ends = math.inf
        self.until = 0.0
        self.used_at = 0.0
        self.used_ip: str | None = None
        self.waiting = False

    @property
    def is_platform(self) -> bool:
        """Return whether this is a key of the platform, which belongs to no organization."""
        return self.organization_id is None

    @property
    def is_active(self) -> bool:
        """Return whether the key is valid."""
        return self.body is not None

    @property
    def identities(self) -> tuple[str, ...]:
        """Return what it rests on."""
        return tuple(identity for identity in (self.id, self.owner_id, self.organization_id) if identity)

    def accepts(self, address: str | None) -> bool:
        """Return whether each allow-list lets an address in; with one, nobody unknown comes in."""
        return lets_in(self.networks, address)


def networks_of(*lists: list[str]) -> tuple[tuple[Network, ...], ...]:
    """Return the allow-lists that are not empty."""
    return tuple(tuple(ipaddress.ip_network(text, strict=False) for text in texts) for texts in lists if texts)


def lets_in(lists: tuple[tuple[Network, ...], ...], address: str | None) -> bool:
    """Return whether each allow-list lets an address in; with one, nobody unknown comes in."""
    if not lists:
        return True
    found = parse_address(address) if address is not None else None
    return found is not None and all(is_in(found, networks) for networks in lists)


def record_of(row: dict[str, Any], asked: str) -> MemoryRecord:
    """Return what a row of ``gateway_key`` says.

    Args:
        row: the row.
        asked: the project that the question named, by id or identifier, or "".
    """
    place = row["asked_id"] or row["project_id"] or ""
    if row["organization_id"] is None:
        return MemoryRecord(row, None if _is_over(row) else b"", authority=None, place="")
    authority = _authority(row)
    wrong_place = asked and (row["asked_id"] is None or row["project_id"] not in {None, row["asked_id"]})
    if authority is None or wrong_place or _is_over(row):
        return MemoryRecord(row, None, authority=None, place=place)
    permissions = sorted(authority.permissions_in(UUID(place) if place else None))
    body = json.dumps(_answer(row, permissions), separators=(",", ":")).encode()
    verifies = authority.allows_somewhere(P.API_KEYS_INTROSPECT)
    return MemoryRecord(row, body, authority=authority if verifies else None, place=place)


def _is_over(row: dict[str, Any]) -> bool:
    return row["closed"] or (row["lives"] is not None and row["lives"] <= 0)


def _authority(row: dict[str, Any]) -> KeyAuthority | None:
    """Return what the key may do; None when its owner is no active member (any more)."""
    organization_id = UUID(row["organization_id"])
    owner = None
    if row["kind"] in {KeyKind.PERSONAL, KeyKind.SERVICE_ACCOUNT}:
        if not any(grant["source"] == "membership" for grant in row["authority"]):
            return None
        owner = assemble(organization_id, grants_of(row["authority"]))
    return KeyAuthority(
        organization_id=organization_id,
        scopes=still_known(row["scopes"]),
        project_id=UUID(row["project_id"]) if row["project_id"] else None,
        owner=owner,
    )


def grants_of(rows: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """Yield what the rows of an authority function say, as `tenants.authority.assemble` takes it."""
    return (_grant(row) for row in rows)


def _grant(grant: dict[str, Any]) -> tuple[Any, ...]:
    source, *rest = (grant[name] for name in _COLUMNS)
    return source, UUID(grant["project_id"]) if grant["project_id"] else None, *rest


def _answer(row: dict[str, Any], permissions: list[P]) -> dict[str, Any]:
    """Return the answer (RFC 7662 section 2.2, and what is ours).

    ``scope`` is what the key may do now, not what it was once given: a service that knows only the RFC is safe with it.
    """
    project = (row["asked_id"], row["asked"]) if row["asked_id"] else (row["project_id"], row["project"])
    answer = {
        "active": True,
        "scope": " ".join(permissions),
        "client_id": row["public_id"],
        "token_type": "Bearer",
        "exp": row["expires"],
        "iat": row["issued"],
        "sub": row["user_id"] or row["service_account_id"] or row["id"],
        "kind": row["kind"],
        "name": row["name"],
        "environment": row["environment"],
        "organization": {"id": row["organization_id"], "slug": row["organization"]},
        "project": {"id": project[0], "slug": project[1]} if project[0] else None,
        "permissions": permissions,
    }
    if answer["exp"] is None:
        del answer["exp"]
    return answer
