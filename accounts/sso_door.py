"""What is known of a single sign-on connection before its organization is: data without models."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SsoDoor:
    """One row of ``accounts_sso_door``, in its order.

    Attributes:
        name: of the connection.
        is_enabled: whether people can sign in through it.
        is_closed: whether the organization is suspended, or its deletion is scheduled.
    """

    connection_id: UUID
    name: str
    is_enabled: bool
    organization_id: UUID
    slug: str
    organization: str
    is_closed: bool

    @property
    def is_open(self) -> bool:
        """Return whether somebody can sign in through it now."""
        return self.is_enabled and not self.is_closed
