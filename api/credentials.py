"""What an authentication class hands over: with what a request was made, and who acts through it."""

from typing import Any, Protocol
from uuid import UUID

from isolation.actor import Actor


class Credential(Protocol):
    """A session or a key that was recognized; DRF calls it `request.auth`."""

    @property
    def user(self) -> Any | None:
        """The accounts.User behind it; None for a key that belongs to no person."""

    @property
    def organization_id(self) -> UUID | None:
        """The one organization that it reaches; None for a session, which reaches all of its person's."""

    @property
    def limit_key(self) -> str:
        """What requests are counted by, and idempotency keys are kept by: ``user:<uuid>``, ``key:<uuid>``."""

    def actor_outside(self) -> Actor:
        """Return who acts where no organization is open, without any authority."""

    def actor_in(self, organization_id: UUID) -> Actor:
        """Return who acts, with the authority in the organization whose `tenant_scope` is open."""
