"""Our own keys for SAML: one signs; while the provider learns of another, both decrypt."""

from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from accounts import signals
from accounts.models import SamlKey, SsoConnection
from accounts.sso.saml.certificates import Certificate, new_key_pair
from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants.permissions import P
from tenants.services.rules import own_row

MOST_KEYS = 2


@transaction.atomic
def add_saml_key(*, connection: SsoConnection, actor: Actor) -> SamlKey:
    """Make a second key: it stands in our metadata and decrypts at once, and signs when it is told to.

    Raises:
        MissingPermission: without ``sso:manage``.
        DomainError: there are two already, or the connection has none because it speaks OpenID Connect.
    """
    actor.require(P.SSO_MANAGE, connection)
    stored = _locked(connection)
    if SamlKey.objects.filter(connection=stored).count() >= MOST_KEYS:
        raise DomainError(
            "There is a second key already. Let it sign and remove the first one, or remove the second one.",
            code="too_many",
        )
    return make_saml_key(stored, actor=actor, is_signing=False)


@transaction.atomic
def use_saml_key(*, key: SamlKey, actor: Actor) -> SamlKey:
    """Let a key sign from now on; the other one goes on decrypting until it is removed.

    Raises:
        MissingPermission: without ``sso:manage``.
    """
    actor.require(P.SSO_MANAGE, key)
    _locked(key.connection)
    stored: SamlKey = own_row(SamlKey, key.pk, related=("connection",))
    if stored.is_signing:
        return stored
    before = snapshot(stored)
    for other in SamlKey.objects.filter(connection=stored.connection_id, is_signing=True):
        signed = snapshot(other)
        other.is_signing = False
        other.save(update_fields=["is_signing"])
        signals.saml_key_rested.announce(other, actor=actor, before=signed, after=snapshot(other))
    stored.is_signing = True
    stored.save(update_fields=["is_signing"])
    signals.saml_key_used.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def remove_saml_key(*, key: SamlKey, actor: Actor) -> None:
    """Remove a key that does not sign; what is encrypted for it is not read any more.

    Raises:
        MissingPermission: without ``sso:manage``.
        DomainError: it signs.
    """
    actor.require(P.SSO_MANAGE, key)
    _locked(key.connection)
    stored: SamlKey = own_row(SamlKey, key.pk, related=("connection",))
    if stored.is_signing:
        raise DomainError("This key signs. Let the other one sign first.", code="in_use")
    signals.saml_key_removed.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


def make_saml_key(connection: SsoConnection, *, actor: Actor, is_signing: bool) -> SamlKey:
    """Store a new key pair with its self-signed certificate; who calls has checked the permission."""
    host = urlsplit(settings.PUBLIC_URL).hostname or "gatehouse"
    private_key, certificate = new_key_pair(f"{host} {connection.pk}")
    made = SamlKey(
        organization_id=connection.organization_id,
        connection=connection,
        certificate=certificate,
        is_signing=is_signing,
        expires_at=Certificate.of(certificate).expires_at,
    )
    made.private_key = private_key
    made.save(force_insert=True)
    signals.saml_key_added.announce(made, actor=actor, after=snapshot(made))
    return made


def _locked(connection: SsoConnection) -> SsoConnection:
    stored: SsoConnection = own_row(SsoConnection, connection.pk)
    if not stored.is_saml:
        raise DomainError("Only SAML connections have keys.", code="not_saml")
    return stored
