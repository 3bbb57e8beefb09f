"""What a request to the SCIM server is made with."""

from dataclasses import dataclass

from accounts.models import ScimConnection
from isolation.actor import Actor


@dataclass(frozen=True, slots=True)
class ScimContext:
    """Who asks, while the scope of their organization is open.

    Attributes:
        connection: the identity provider; it sees and changes only what it provisioned itself.
        actor: the connection as an actor.
        base_url: of this server, as the client reached it, without a slash at its end.
        if_match: the versions that the client changes, "" for any.
    """

    connection: ScimConnection
    actor: Actor
    base_url: str
    if_match: str = ""

    def location(self, endpoint: str, pk: object) -> str:
        """Return the address of a resource."""
        return f"{self.base_url}/{endpoint}/{pk}"
