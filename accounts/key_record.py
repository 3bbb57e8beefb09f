"""What verification knows about a key, and whether it is accepted: data without models, for every process."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from isolation.addresses import is_in, parse_address
from tenants.permissions import P, still_known

from .key_format import KeyKind


class Refusal(StrEnum):
    """Why a key is not accepted."""

    EXPIRED = "expired"
    NETWORK = "network"
    REVOKED = "revoked"
    SSO_REQUIRED = "sso_required"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One row of ``accounts_keys_by_digest``, in its order.

    Attributes:
        secret_expires_at: the end of the overlap when this secret was rotated away; None for the current one.
        organization_id: None for platform keys, as everything of the organization.
        organization_closing: whether its deletion is scheduled.
        project_closing: whether the project's deletion is scheduled.
    """

    key_id: UUID
    kind: str
    name: str
    public_id: str
    environment: str
    scopes: list[str]
    allowed_networks: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    secret_expires_at: datetime | None
    organization_id: UUID | None
    organization_slug: str | None
    organization_suspended: bool
    organization_closing: bool
    project_id: UUID | None
    project_slug: str | None
    project_closing: bool
    user_id: UUID | None
    user_email: str | None
    service_account_id: UUID | None
    service_account: str | None
    pepper_id: int

    @property
    def is_platform(self) -> bool:
        """Return whether this is a platform key."""
        return self.kind == KeyKind.PLATFORM

    @property
    def permissions(self) -> frozenset[P]:
        """Return the scopes as permissions; one that this version no longer has is ignored."""
        return still_known(self.scopes)

    @property
    def ends_at(self) -> datetime | None:
        """Return from when on this secret is not accepted: the end of the key or of the overlap, None for never."""
        ends = [moment for moment in (self.expires_at, self.secret_expires_at) if moment is not None]
        return min(ends, default=None)

    @property
    def label(self) -> str:
        """Return the text that audit events freeze: which key, and whose when it has an owner."""
        owner = self.user_email or self.service_account
        return f"{self.name} ({self.public_id}){f' of {owner}' if owner else ''}"

    def refusal(self, *, now: datetime) -> Refusal | None:
        """Return why the key is not accepted from anywhere, None when it is."""
        if self.revoked_at is not None:
            return Refusal.REVOKED
        if self.ends_at is not None and self.ends_at <= now:
            return Refusal.EXPIRED
        if self.organization_suspended:
            return Refusal.SUSPENDED
        return None

    def accepts_address(self, address: str | None) -> bool:
        """Return whether the allow-list lets a client in; without a list everybody, with one nobody unknown.

        Args:
            address: the client's IP address, None when it is not known.
        """
        if not self.allowed_networks:
            return True
        return address is not None and address_in(address, self.allowed_networks)


@dataclass(frozen=True, slots=True)
class PersonalKeyRule:
    """What an organization's sign-in policy asks of somebody's personal keys.

    Attributes:
        is_barred: whether they open nothing: their owner has to come by single sign-on, and never did.
        allowed_networks: from where they are accepted; empty: from everywhere.
    """

    is_barred: bool = False
    allowed_networks: Sequence[str] = ()

    def refusal(self, address: str | None) -> Refusal | None:
        """Return why a key is not accepted from an IP address, None when it is.

        Args:
            address: the client's, None when it is not known.
        """
        if self.is_barred:
            return Refusal.SSO_REQUIRED
        if self.allowed_networks and (address is None or not address_in(address, self.allowed_networks)):
            return Refusal.NETWORK
        return None


def address_in(address: str, networks: Iterable[str]) -> bool:
    """Return whether an IP address lies in one of the networks; a malformed one lies in none."""
    parsed = parse_address(address)
    return parsed is not None and is_in(parsed, map(ipaddress.ip_network, networks))
