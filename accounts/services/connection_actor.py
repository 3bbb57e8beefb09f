"""Who acts when an identity provider provisions people, or signs them in."""

from accounts.authority import ConnectionAuthority
from accounts.models import ScimConnection, SsoConnection
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


def provider_actor(connection: SsoConnection) -> Actor:
    """Return the actor for what a sign-in through a connection changes in its organization."""
    return Actor(
        kind=ActorKind.IDENTITY_PROVIDER,
        id=connection.pk,
        label=f"{connection.name} (single sign-on)",
        organization_id=connection.organization_id,
        authority=ConnectionAuthority(connection.organization_id),
    )
