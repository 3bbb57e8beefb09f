"""Who acts when an identity provider provisions."""

from accounts.authority import ConnectionAuthority
from accounts.models import ScimConnection
from isolation.actor import Actor, ActorKind


def connection_actor(connection: ScimConnection) -> Actor:
    """Return the actor for a connection in its organization, whose `tenant_scope` is open."""
    return Actor(
        kind=ActorKind.SCIM_CONNECTION,
        id=connection.pk,
        label=f"{connection.name} (SCIM)",
        organization_id=connection.organization_id,
        authority=ConnectionAuthority(connection.organization_id),
    )
