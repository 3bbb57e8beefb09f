"""What authentication knows about a SCIM token: data without models."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from .key_record import Refusal, address_in


@dataclass(frozen=True, slots=True)
class ScimTokenRecord:
    """One row of ``accounts_scim_token``, in its order.

    Attributes:
        organization_closing: whether its deletion is scheduled.
    """

    token_id: UUID
    public_id: str
    name: str
    allowed_networks: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    connection_id: UUID
    connection: str
    organization_id: UUID
    organization_suspended: bool
    organization_closing: bool

    def refusal(self, *, now: datetime, ip: str | None) -> Refusal | None:
        """Return why the token is not accepted from an address, None when it is.

        Args:
            now: the present moment.
            ip: the client's address, None when it is not known.
        """
        if self.revoked_at is not None:
            return Refusal.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return Refusal.EXPIRED
        if self.organization_suspended or self.organization_closing:
            return Refusal.SUSPENDED
        if self.allowed_networks and (ip is None or not address_in(ip, self.allowed_networks)):
            return Refusal.NETWORK
        return None
