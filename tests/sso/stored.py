"""A connection and what belongs to it, stored without asking any provider: for tests that need a row of each table."""

from functools import cache

from django.utils import timezone

from accounts import signals
from accounts.models import (
    SamlCertificateWarning,
    SamlKey,
    SamlMessage,
    SsoConnection,
    SsoIdentity,
    SsoLogin,
    SsoLogout,
    SsoSession,
)
from accounts.services.sso_groups import add_group_mapping
from accounts.services.sso_setup import create_setup_link
from accounts.sso.saml.certificates import new_key_pair
from audit.redaction import snapshot
from isolation.actor import Actor
from tenants.models import Membership, Role
from tenants.services.groups import create_group
from tests.people import Tenant


def stored_connection(tenant: Tenant, membership: Membership, role: Role, actor: Actor) -> SsoConnection:
    """Return a connection through which a member has signed in; the scope must be open."""
    endpoints = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    connection = SsoConnection(
        organization=tenant.organization,
        name=f"{tenant.organization} directory",
        issuer="https://idp.example",
        client_id="gatehouse",
        role=role,
        metadata={name: f"https://idp.example/{name}" for name in endpoints},
        metadata_at=timezone.now(),
        keys={"keys": []},
        keys_at=timezone.now(),
    )
    connection.client_secret = "kept by the vault"
    connection.save(force_insert=True)
    signals.sso_connection_created.announce(connection, actor=actor, after=snapshot(connection))
    shared = {"organization": tenant.organization, "connection": connection}
    identity = SsoIdentity.objects.create(**shared, issuer=connection.issuer, subject="u-1", membership=membership)
    signals.sso_identity_linked.announce(identity, actor=actor, after=snapshot(identity))
    group = create_group(organization=tenant.organization, name="Directory engineers", actor=actor)
    add_group_mapping(connection=connection, value="engineers", group=group, actor=actor)
    _saml_rows(connection, membership, actor)
    create_setup_link(organization=tenant.organization, recipient="it@partner.example", actor=actor)
    SsoLogin.objects.create(**shared, succeeded=True, subject="u-1", email=membership.user.email)
    SsoLogout.objects.create(**shared, issuer=connection.issuer, jti="j-1", subject="u-1")
    return connection


def _saml_rows(connection: SsoConnection, membership: Membership, actor: Actor) -> None:
    """Store a row of each table that SAML has of its own."""
    now = timezone.now()
    shared = {"organization": connection.organization, "connection": connection}
    key = SamlKey(**shared, certificate=_certificate(), is_signing=True, expires_at=now)
    key.private_key = "kept by the vault"
    key.save(force_insert=True)
    signals.saml_key_added.announce(key, actor=actor, after=snapshot(key))
    SamlMessage.objects.create(**shared, digest="d", expires_at=now)
    SamlCertificateWarning.objects.create(**shared, fingerprint="f", days=30)
    SsoSession.objects.create(**shared, membership=membership, issuer=connection.issuer, name_id="u-1")


@cache
def _certificate() -> str:
    """Return a certificate; making its key takes a while."""
    return new_key_pair("stored")[1]
