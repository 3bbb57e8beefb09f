"""Changes to the keys of the platform itself; operators only."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from accounts import key_format, signals
from accounts.key_format import KeyKind
from accounts.lookups import key_by_secret
from accounts.models import PlatformKey
from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants.models import Environment
from tenants.services.naming import check_name
from tenants.services.rules import one_of_a_kind, operators_only

from .key_rules import (
    LONGEST_NOTE,
    LONGEST_REASON,
    IssuedKey,
    check_expiry,
    check_networks,
    check_text,
    make_secret,
)


@transaction.atomic
def create_platform_key(
    *,
    name: str,
    actor: Actor,
    expires_at: datetime | None = None,
    allowed_networks: Iterable[str] = (),
    note: str = "",
    secret: str | None = None,
    key_id: UUID | None = None,
) -> IssuedKey:
    """Create a key with which a service of the platform verifies the keys of every organization.

    Args:
        name: unique in the installation.
        actor: an operator or the system.
        expires_at: when it ends, None for never.
        allowed_networks: from where it is accepted; none: from everywhere.
        note: free text.
        secret: a predefined secret, for infrastructure as code.
        key_id: the row's id, for a form that may be sent twice and makes one key.

    Raises:
        DomainError: no operator asks, or a value is refused.
    """
    operators_only(actor)
    if secret is not None and key_by_secret(secret):
        raise DomainError("This secret belongs to a key already.", field="secret", code="duplicate")
    made = make_secret(KeyKind.PLATFORM, Environment.PRODUCTION, secret)
    key = PlatformKey(
        id=key_id or uuid4(),
        name=check_name(name),
        note=check_text(note, field="note", longest=LONGEST_NOTE),
        public_id=key_format.new_public_id(KeyKind.PLATFORM, Environment.PRODUCTION),
        digest=made.digest,
        pepper_id=made.pepper_id,
        last_four=made.last_four,
        allowed_networks=check_networks(allowed_networks),
        expires_at=check_expiry(expires_at, max_days=None),
        created_by=actor.label[:320],
    )
    with one_of_a_kind(PlatformKey, field="name"):
        key.save(force_insert=True)
    signals.platform_key_created.announce(key, actor=actor, after=snapshot(key))
    return IssuedKey(key, made.text)


@transaction.atomic
def update_platform_key(
    *,
    key: PlatformKey,
    name: str,
    actor: Actor,
    expires_at: datetime | None = None,
    allowed_networks: Iterable[str] = (),
    note: str = "",
) -> PlatformKey:
    """Change what a platform key is called, and from where and until when it is accepted.

    Raises:
        DomainError: no operator asks, it is revoked, or a value is refused.
    """
    stored = _changeable(key, actor)
    before = snapshot(stored)
    stored.name = check_name(name)
    stored.note = check_text(note, field="note", longest=LONGEST_NOTE)
    stored.allowed_networks = check_networks(allowed_networks)
    if expires_at != stored.expires_at:
        stored.expires_at = check_expiry(expires_at, max_days=None)
        stored.expiry_warned_at = None
    with one_of_a_kind(PlatformKey, field="name"):
        stored.save()
    signals.platform_key_updated.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def rotate_platform_key(*, key: PlatformKey, actor: Actor, expected_last_four: str | None = None) -> IssuedKey:
    """Give a platform key another secret; the old one ends at once. For an overlap, create a second key.

    Args:
        key: the key.
        actor: an operator or the system.
        expected_last_four: the end of the secret that the caller means to replace; of two simultaneous rotations of the
            same one the second is refused.

    Raises:
        DomainError: no operator asks, it is revoked, or it was rotated meanwhile.
    """
    stored = _changeable(key, actor)
    if expected_last_four not in {None, stored.last_four}:
        raise DomainError(
            "Somebody rotated this key in the meantime. Load it again to see its secret's last characters.",
            code="rotated_meanwhile",
        )
    before = snapshot(stored)
    made = make_secret(KeyKind.PLATFORM, Environment.PRODUCTION)
    stored.digest, stored.pepper_id, stored.last_four = made.digest, made.pepper_id, made.last_four
    stored.save()
    signals.platform_key_rotated.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return IssuedKey(stored, made.text)


@transaction.atomic
def revoke_platform_key(*, key: PlatformKey, actor: Actor, reason: str = "") -> PlatformKey:
    """End a platform key for good.

    Raises:
        DomainError: no operator asks, or it is revoked already.
    """
    stored = _stored(key, actor)
    if stored.revoked_at:
        raise DomainError("This key is revoked already.", code="already_revoked")
    before = snapshot(stored)
    stored.revoked_at = timezone.now()
    stored.revocation_reason = check_text(reason, field="reason", longest=LONGEST_REASON)
    stored.save(update_fields=["revoked_at", "revocation_reason"])
    signals.platform_key_revoked.announce(stored, actor=actor, before=before, after=snapshot(stored), reason=reason)
    return stored


def _changeable(key: PlatformKey, actor: Actor) -> PlatformKey:
    """Return the stored key, locked, when the actor may change it and it is not revoked."""
    stored = _stored(key, actor)
    if stored.revoked_at:
        raise DomainError("This key is revoked and cannot be changed any more. Create a new one.", code="revoked")
    return stored


def _stored(key: PlatformKey, actor: Actor) -> PlatformKey:
    operators_only(actor)
    stored: PlatformKey | None = PlatformKey.objects.select_for_update().filter(pk=key.pk).first()
    if stored is None:
        raise DomainError("This platform key no longer exists. Somebody may have removed it.", code="gone")
    return stored
