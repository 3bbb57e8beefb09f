"""Changes to the connections by which identity providers provision an organization."""

from django.db import transaction

from accounts import signals
from accounts.models import IdentityProvider, ScimConnection
from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants.models import Organization, Role
from tenants.permissions import P
from tenants.services.naming import check_name
from tenants.services.rules import one_of_a_kind, own_row, refuse_above

from .releasing import release_everything

MOST_CONNECTIONS = 20


@transaction.atomic
def create_scim_connection(
    *,
    organization: Organization,
    name: str,
    actor: Actor,
    provider: str = IdentityProvider.OTHER,
    role: Role | None = None,
) -> ScimConnection:
    """Create a connection; a token lets its identity provider in.

    Args:
        organization: which will be provisioned.
        name: what people read, also as the author of changes in the audit log.
        actor: who creates it.
        provider: one of `IdentityProvider`.
        role: what new people are; None: the organization's default role.

    Raises:
        MissingPermission: without ``scim:manage``.
        DomainError: a value is refused, the role is above the actor's own, or there are too many connections.
    """
    actor.require(P.SCIM_MANAGE, organization)
    organization = own_row(Organization, organization.pk, lock=False)
    if organization.is_being_deleted:
        raise DomainError("This organization is being deleted; nothing new can be made in it.", code="being_deleted")
    if ScimConnection.objects.count() >= MOST_CONNECTIONS:
        raise DomainError(f"An organization has {MOST_CONNECTIONS} connections at most.", code="too_many")
    connection = ScimConnection(
        organization=organization,
        name=check_name(name),
        provider=_known(provider),
        role=role_of_new_people(role, actor),
        created_by=actor.label[:320],
    )
    with one_of_a_kind(ScimConnection, field="name"):
        connection.save(force_insert=True)
    signals.scim_connection_created.announce(connection, actor=actor, after=snapshot(connection))
    return connection


@transaction.atomic
def update_scim_connection(
    *, connection: ScimConnection, name: str, provider: str, role: Role | None, actor: Actor
) -> ScimConnection:
    """Change what a connection is called, whose it is, and what new people become.

    Raises:
        MissingPermission: without ``scim:manage``.
        DomainError: a value is refused, or the role is above the actor's own.
    """
    actor.require(P.SCIM_MANAGE, connection)
    stored: ScimConnection = own_row(ScimConnection, connection.pk, related=("role",))
    before = snapshot(stored)
    stored.name, stored.provider = check_name(name), _known(provider)
    if role != stored.role:
        stored.role = role_of_new_people(role, actor)
    with one_of_a_kind(ScimConnection, field="name"):
        stored.save()
    signals.scim_connection_updated.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def delete_scim_connection(*, connection: ScimConnection, actor: Actor) -> None:
    """Delete a connection with its tokens; its people and groups stay, and are managed by hand from now on.

    Raises:
        MissingPermission: without ``scim:manage``.
    """
    actor.require(P.SCIM_MANAGE, connection)
    stored: ScimConnection = own_row(ScimConnection, connection.pk)
    release_everything(stored, actor=actor)
    signals.scim_connection_deleted.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


def role_of_new_people(role: Role | None, actor: Actor) -> Role | None:
    """Return the role that an identity provider's new people get, checked; None stays the organization's default.

    Raises:
        DomainError: it is Owner, or above the actor's own.
    """
    if role is None:
        return None
    stored: Role = own_row(Role, role.pk, lock=False)
    if stored.is_owner:
        raise DomainError("New people cannot become owners by themselves.", field="role", code="owner_by_default")
    refuse_above(actor, stored.permissions, what=f"You cannot give the role {stored}")
    return stored


def _known(provider: str) -> str:
    if provider not in IdentityProvider.values:
        raise DomainError(
            f"An identity provider is one of {', '.join(IdentityProvider.values)}.", field="provider", code="invalid"
        )
    return provider
