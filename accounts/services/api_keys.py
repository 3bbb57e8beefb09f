"""Changes to the keys of an organization."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from accounts import key_format, signals
from accounts.key_format import KeyKind
from accounts.lookups import key_by_secret
from accounts.models import ApiKey, ApiKeySecret, ServiceAccount, User
from accounts.selectors import current_secret
from audit.redaction import snapshot
from isolation.actor import Actor, ActorKind
from isolation.exceptions import DomainError
from tenants.models import Environment, Organization, Project
from tenants.permissions import P, still_known
from tenants.services.naming import check_name
from tenants.services.rules import hold_organization, one_of_a_kind, own_row, refuse_above

from .key_owners import owner_columns, person_of_key, refuse_beyond_own_key
from .key_rules import (
    LONGEST_NOTE,
    LONGEST_REASON,
    IssuedKey,
    NewSecret,
    check_expiry,
    check_networks,
    check_scopes,
    check_text,
    make_secret,
    renewed_expiry,
)

LONGEST_OVERLAP = timedelta(days=30)


@transaction.atomic
def create_api_key(
    *,
    organization: Organization,
    kind: str,
    name: str,
    scopes: Iterable[str],
    actor: Actor,
    project: Project | None = None,
    user: User | None = None,
    service_account: ServiceAccount | None = None,
    environment: str | None = None,
    expires_at: datetime | None = None,
    allowed_networks: Iterable[str] = (),
    note: str = "",
    secret: str | None = None,
    public_id: str | None = None,
    key_id: UUID | None = None,
) -> IssuedKey:
    """Create a key; its secret is in what is returned, and nowhere else afterwards.

    Args:
        organization: whose key.
        kind: one of `KeyKind` except PLATFORM.
        name: what people read.
        scopes: catalogue names: what the key may do at most.
        actor: who creates it; nobody gives a key more than they hold.
        project: for a project key.
        user: for a personal key made by the system; people make their own.
        service_account: for a service account's key.
        environment: one of `Environment`; a project key has its project's.
        expires_at: when it ends, None for never, within the organization's maximum.
        allowed_networks: IP addresses and CIDR networks from which it is accepted; none: from everywhere.
        note: free text.
        secret: a predefined secret, for infrastructure as code; it must speak of the same kind and environment.
        public_id: a predefined public id to go with it.
        key_id: the row's id, for a form that may be sent twice and makes one key.

    Raises:
        MissingPermission: without ``api_keys:manage`` in the project or organization; everybody may make personal keys.
        DomainError: a value is refused.
    """
    granted = check_scopes(scopes, kind=kind)
    hold_organization(organization.pk)
    owner = owner_columns(
        organization, kind, actor, granted, project=project, user=user, service_account=service_account
    )
    organization = own_row(Organization, organization.pk, lock=False)
    if organization.is_being_deleted:
        raise DomainError("This organization is being deleted; nothing new can be made in it.", code="being_deleted")
    chosen = owner["project"].environment if kind == KeyKind.PROJECT else environment or Environment.PRODUCTION
    if environment not in {None, chosen}:
        raise DomainError(
            f"A project's key has the project's environment, {chosen}.", field="environment", code="other_environment"
        )
    if chosen not in Environment.values:
        raise DomainError(
            f"An environment is one of {', '.join(Environment.values)}.", field="environment", code="invalid"
        )
    if secret is not None and key_by_secret(secret):
        raise DomainError("This secret belongs to a key already.", field="secret", code="duplicate")
    made = make_secret(kind, chosen, secret)
    key = ApiKey(
        id=key_id or uuid4(),
        organization=organization,
        kind=kind,
        name=check_name(name),
        note=check_text(note, field="note", longest=LONGEST_NOTE),
        environment=chosen,
        public_id=_public_id(kind, chosen, public_id),
        scopes=granted,
        allowed_networks=check_networks(allowed_networks),
        expires_at=check_expiry(expires_at, max_days=organization.api_key_max_days),
        created_by=actor.label[:320],
        **owner,
    )
    refuse_beyond_own_key(actor, expires_at=key.expires_at, networks=key.allowed_networks)
    with one_of_a_kind(ApiKey, field="public_id"):
        key.save(force_insert=True)
    _store(key, made)
    signals.api_key_created.announce(key, actor=actor, after=snapshot(key), project=key.project)
    return IssuedKey(key, made.text)


@transaction.atomic
def update_api_key(
    *,
    key: ApiKey,
    name: str,
    scopes: Iterable[str],
    actor: Actor,
    expires_at: datetime | None = None,
    allowed_networks: Iterable[str] = (),
    note: str = "",
) -> ApiKey:
    """Change what a key is called, may do, and from where and until when it is accepted.

    Raises:
        MissingPermission: without ``api_keys:manage`` on it; people change their own keys.
        DomainError: it is revoked, or a value is refused.
    """
    stored = _changeable(key, actor, P.API_KEYS_MANAGE)
    granted = check_scopes(scopes, kind=stored.kind)
    _refuse_scopes_above(stored, granted, actor, what="You cannot change this key")
    before, bounds = snapshot(stored), (stored.expires_at, list(stored.allowed_networks))
    stored.name = check_name(name)
    stored.note = check_text(note, field="note", longest=LONGEST_NOTE)
    stored.scopes = granted
    stored.allowed_networks = check_networks(allowed_networks)
    if expires_at != stored.expires_at:
        since = current_secret(stored).created_at
        stored.expires_at = check_expiry(expires_at, max_days=stored.organization.api_key_max_days, since=since)
        stored.expiry_warned_at = None
    if bounds != (stored.expires_at, stored.allowed_networks):
        refuse_beyond_own_key(actor, expires_at=stored.expires_at, networks=stored.allowed_networks)
    stored.save()
    signals.api_key_updated.announce(stored, actor=actor, before=before, after=snapshot(stored), project=stored.project)
    return stored


@transaction.atomic
def rotate_api_key(
    *, key: ApiKey, actor: Actor, overlap: timedelta = timedelta(), expected_secret_id: UUID | None = None
) -> IssuedKey:
    """Give a key another secret; the one before is accepted until the overlap ends, older ones end now.

    Its life begins anew: a key made for 90 days lives 90 days from its rotation.

    Args:
        key: the key.
        actor: who rotates it.
        overlap: how long the secret before stays valid, from nothing to 30 days.
        expected_secret_id: the current secret that the caller means to replace; of two simultaneous rotations of the
            same one the second is refused.

    Raises:
        MissingPermission: without ``api_keys:rotate`` on it; people rotate their own keys.
        DomainError: it is revoked or has expired, allows more than the actor may, or was rotated meanwhile.
    """
    hold_organization(key.organization_id)
    stored = _changeable(key, actor, P.API_KEYS_ROTATE)
    if stored.state == "expired":
        raise DomainError("This key has expired. Create a new one, or change when it expires first.", code="expired")
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise DomainError(
            f"The old secret can stay valid for {LONGEST_OVERLAP.days} days at most.", field="overlap", code="invalid"
        )
    _refuse_scopes_above(stored, stored.scopes, actor, what="You cannot rotate this key")
    current = current_secret(stored)
    if expected_secret_id not in {None, current.pk}:
        raise DomainError(
            "Somebody rotated this key in the meantime. Load it again to see its secret's last characters.",
            code="rotated_meanwhile",
        )
    now = timezone.now()
    before = snapshot(stored) | {"secret": str(current)}
    ApiKeySecret.objects.filter(api_key=stored).exclude(pk=current.pk).delete()
    if overlap:
        ends = now + overlap
        current.expires_at = min(ends, stored.expires_at) if stored.expires_at else ends
        current.save(update_fields=["expires_at"])
    else:
        current.delete()
    if stored.expires_at:
        stored.expires_at = renewed_expiry(
            stored.expires_at, since=current.created_at, max_days=stored.organization.api_key_max_days
        )
        stored.expiry_warned_at = None
        stored.save(update_fields=["expires_at", "expiry_warned_at"])
    made = make_secret(stored.kind, stored.environment)
    _store(stored, made)
    after = snapshot(stored) | {"secret": f"…{made.last_four}"}
    signals.api_key_rotated.announce(stored, actor=actor, before=before, after=after, project=stored.project)
    return IssuedKey(stored, made.text)


@transaction.atomic
def revoke_api_key(*, key: ApiKey, actor: Actor, reason: str = "") -> ApiKey:
    """End a key for good, in every process within a second.

    Args:
        key: the key.
        actor: who: with ``api_keys:manage`` on it, its own person, or the key itself.
        reason: why.

    Raises:
        MissingPermission: the actor is none of these.
        DomainError: it is revoked already.
    """
    _require_revocation(key, actor)
    return end_api_key(key, actor=actor, reason=reason)


@transaction.atomic
def revoke_api_keys(*, keys: Iterable[ApiKey], actor: Actor, reason: str = "") -> list[ApiKey]:
    """End several keys, all or none; those that are revoked already are left as they are.

    Returns:
        The keys that were revoked by this.

    Raises:
        MissingPermission: without ``api_keys:manage`` on one of them.
    """
    ended = []
    for key in sorted(keys, key=lambda key: str(key.pk)):
        _require_revocation(key, actor)
        ended.append(_end(key, actor=actor, reason=reason))
    return [key for key in ended if key is not None]


def end_api_key(key: ApiKey, *, actor: Actor, reason: str, leaked: bool = False) -> ApiKey:
    """Revoke a key in the running transaction; the caller has checked the authority."""
    ended = _end(key, actor=actor, reason=reason, leaked=leaked)
    if ended is None:
        raise DomainError("This key is revoked already.", code="already_revoked")
    return ended


def _end(key: ApiKey, *, actor: Actor, reason: str, leaked: bool = False) -> ApiKey | None:
    """Revoke a key; return None when somebody else has."""
    stored: ApiKey = own_row(ApiKey, key.pk)
    if stored.revoked_at:
        return None
    before = snapshot(stored)
    stored.revoked_at = timezone.now()
    stored.revocation_reason = check_text(reason, field="reason", longest=LONGEST_REASON)
    stored.save(update_fields=["revoked_at", "revocation_reason"])
    signal = signals.api_key_leaked if leaked else signals.api_key_revoked
    signal.announce(stored, actor=actor, before=before, after=snapshot(stored), project=stored.project, reason=reason)
    return stored


def may_change(key: ApiKey, actor: Actor, permission: str = P.API_KEYS_MANAGE) -> bool:
    """Return whether an actor may change (or rotate, revoke) a key: by permission, or because it is their own."""
    return is_own(key, actor) or (key.kind != KeyKind.PERSONAL and actor.can(permission, key))


def is_own(key: ApiKey, actor: Actor) -> bool:
    """Return whether it is the actor's own personal key."""
    return actor.kind is ActorKind.USER and key.kind == KeyKind.PERSONAL and key.user_id == actor.id


def _require(key: ApiKey, actor: Actor, permission: P) -> None:
    if not is_own(key, actor):
        actor.require(permission, key)


def _require_revocation(key: ApiKey, actor: Actor) -> None:
    if actor.kind is not ActorKind.API_KEY or actor.id != key.pk:
        _require(key, actor, P.API_KEYS_MANAGE)


def _changeable(key: ApiKey, actor: Actor, permission: P) -> ApiKey:
    """Return the stored key, locked, when the actor may change it and it is not revoked."""
    _require(key, actor, permission)
    stored: ApiKey = own_row(ApiKey, key.pk, related=("organization",))
    if stored.kind == KeyKind.PERSONAL and not is_own(stored, actor) and not actor.runs_installation:
        raise DomainError("Only its owner changes a personal key. You can revoke it.", code="not_yours")
    if stored.revoked_at:
        raise DomainError("This key is revoked and cannot be changed any more. Create a new one.", code="revoked")
    return stored


def _refuse_scopes_above(key: ApiKey, scopes: list[str], actor: Actor, *, what: str) -> None:
    permissions = sorted(still_known(scopes))
    if key.kind == KeyKind.PERSONAL:
        person_of_key(actor, permissions, key.user)
    elif key.kind == KeyKind.PROJECT:
        refuse_above(actor, permissions, what=what, obj=key, field="scopes")
    else:
        refuse_above(actor, permissions, what=what, field="scopes", everywhere=True)


def _public_id(kind: str, environment: str, predefined: str | None) -> str:
    if predefined is None:
        return key_format.new_public_id(kind, environment)
    parsed = key_format.parse_public_id(predefined)
    if parsed is None or (parsed.kind, parsed.environment) != (kind, environment):
        raise DomainError(
            "The predefined public id is malformed, or made for another kind of key or environment. "
            "`manage.py api_key generate` makes one.",
            field="public_id",
            code="malformed_public_id",
        )
    return predefined


def _store(key: ApiKey, made: NewSecret) -> None:
    with one_of_a_kind(ApiKeySecret, field="secret"):
        ApiKeySecret.objects.create(
            organization_id=key.organization_id,
            api_key=key,
            digest=made.digest,
            pepper_id=made.pepper_id,
            last_four=made.last_four,
        )
