"""Who sends LLM requests: what memory holds about a user, a service account or a key in one project."""

import math
from typing import Any
from uuid import UUID

from accounts.authority import KeyAuthority
from accounts.key_format import KeyKind
from tenants.authority import MemberAuthority, assemble
from tenants.permissions import P, still_known

from .records import grants_of, lets_in, networks_of


class Caller:
    """An actor in one project.

    Attributes:
        organization_id: where.
        type: one of `gateway.models.ActorType`, "" for one that is not there any more.
        id, label: who; a key without an owner is its own actor.
        key_id: the key behind them, or None.
        key_is_over: whether there was to be a key, and it is unknown, revoked, expired, or another one's.
        is_member: whether they are an active member, or a key that needs none.
        may_invoke: whether they may call models in the project.
        ends, until: see `gateway.hotpath.memory.Remembered`.
    """

    __slots__ = (
        "_networks",
        "_owner_id",
        "ends",
        "id",
        "is_member",
        "key_id",
        "key_is_over",
        "label",
        "may_invoke",
        "organization_id",
        "type",
        "until",
    )

    def __init__(self, row: dict[str, Any] | None, *, organization_id: str, project_id: str, sub: str) -> None:
        self.organization_id = organization_id
        self.id = sub
        self.type = self.label = ""
        self.key_id: str | None = None
        self.key_is_over = row is None
        self.is_member = self.may_invoke = False
        self.ends = math.inf
        self.until = 0.0
        self._owner_id: str | None = None
        self._networks = networks_of()
        if row is None:
            return
        key = row["key"]
        self.type, self.id, self.label = row["type"], row["id"] or sub, row["label"]
        self._owner_id = row["user_id"] or row["service_account_id"]
        self._networks = networks_of(key["allowed_networks"] if key else [], row["organization_networks"])
        if key:
            self.key_id = key["id"]
            self.key_is_over = (
                key["revoked"]
                or (key["lives"] is not None and key["lives"] <= 0)
                or (key["user_id"], key["service_account_id"]) != (row["user_id"], row["service_account_id"])
                or row["is_barred"]
            )
        authority = _authority(row, UUID(organization_id))
        self.is_member = authority is not None
        self.may_invoke = authority is not None and P.LLM_INVOKE in authority.permissions_in(UUID(project_id))

    @property
    def is_active(self) -> bool:
        """Return whether they may call models here."""
        return self.may_invoke and not self.key_is_over

    @property
    def identities(self) -> tuple[str, ...]:
        """Return what it rests on."""
        known = {self.organization_id, self.id, self._owner_id, self.key_id}
        return tuple(identity for identity in known if identity)

    def accepts(self, address: str | None) -> bool:
        """Return whether the key's and the organization's allow-lists let an address in."""
        return lets_in(self._networks, address)


def _authority(row: dict[str, Any], organization_id: UUID) -> KeyAuthority | MemberAuthority | None:
    """Return what an actor may do now; None when they are no active member (any more)."""
    owner = None
    if row["user_id"] or row["service_account_id"]:
        if not any(grant["source"] == "membership" for grant in row["authority"]):
            return None
        owner = assemble(organization_id, grants_of(row["authority"]))
    key = row["key"]
    if key is None:
        return owner
    if owner is None and key["kind"] not in {KeyKind.PROJECT, KeyKind.ORGANIZATION}:
        return None
    return KeyAuthority(
        organization_id=organization_id,
        scopes=still_known(key["scopes"]),
        project_id=UUID(key["project_id"]) if key["project_id"] else None,
        owner=owner,
    )
