"""The life of the keys that sign tokens: published, signing, signing no more, withdrawn; or revoked.

One key signs. The next one is published long before it does, so that every proxy knows it by then; the former one stays
published until the last token that it signed has expired. So no change of keys refuses a token, and when the key that
signs leaks, the next one takes over at once.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connections, transaction
from django.utils import timezone

from audit.redaction import snapshot
from gateway import signals
from gateway.claims import LONGEST_SECONDS
from gateway.models import KeyState, SigningKey
from gateway.signing import new_key, wrap_again
from isolation.actor import SYSTEM, Actor
from isolation.exceptions import DomainError
from isolation.scope import APP
from tenants.services.rules import operators_only

from .reasons import checked_reason

LATE = timedelta(seconds=60)
"""For clocks, and for a token that was being signed when its key stopped signing."""


def known_after() -> timedelta:
    """Return how long after its publication every proxy knows a key: what caches on the way hold, twice."""
    return timedelta(seconds=2 * settings.JWKS_CACHE_SECONDS) + LATE


def needed_for() -> timedelta:
    """Return how long after its last signature a key is needed."""
    return timedelta(seconds=LONGEST_SECONDS + settings.JWKS_CACHE_SECONDS) + LATE


def ready_at(key: SigningKey) -> datetime:
    """Return from when on a published key may sign without any proxy refusing it."""
    return key.created_at + known_after()


@transaction.atomic
def settle_signing_keys(*, at_start: bool = False) -> None:
    """Make true what has to be true now: one key signs, one waits, and those that are over go.

    It may be called at any time and by any number of processes.

    Args:
        at_start: whether this process has just begun. Only then the keys that the environment gives are compared with
            those that are published: an older process knows older ones.

    Raises:
        VaultError: the keyring cannot wrap a key.
    """
    _lock()
    if settings.SIGNING_JWKS:
        if at_start:
            _publish_given()
    else:
        _keep_own()
    _withdraw_what_is_over()


@transaction.atomic
def rotate_signing_keys(*, actor: Actor, reason: str) -> SigningKey:
    """Let the next key sign from now on; the one that signed is destroyed, and stays published until its tokens expire.

    Args:
        actor: an operator or the system.
        reason: why, for the log.

    Returns:
        The key that signs now.

    Raises:
        DomainError: no operator asks, there is no reason, the next key is too new, or the environment gives the keys.
        FreshSignInNeeded: the operator signed in long ago.
        VaultError: the keyring cannot wrap another next key.
    """
    operators_only(actor)
    reason = checked_reason(reason, is_needed=True)
    if settings.SIGNING_JWKS:
        raise DomainError(
            "The keys come from GATEHOUSE_SIGNING_JWKS. Append a new one there and restart; once proxies know it, move "
            "it to the front and restart.",
            code="given",
        )
    _lock()
    _keep_own()
    following = _next()
    if following is None:
        raise DomainError("There is no next key yet. Try again in a minute.", code="not_ready")
    if (moment := ready_at(following)) > timezone.now():
        raise DomainError(
            f"The next key was published only at {following.created_at:%H:%M} UTC. From {moment:%H:%M} UTC on every "
            "proxy knows it: rotate then. A key that leaked is revoked at once instead.",
            code="not_ready",
        )
    return _take_over(following, actor=actor, reason=reason)


@transaction.atomic
def revoke_signing_key(*, key: SigningKey, actor: Actor, reason: str) -> SigningKey | None:
    """End a key at once, because somebody else may have it: what it signed is refused everywhere within a second.

    If it was the one that signs, the next one does from now on.

    Args:
        key: the key.
        actor: an operator or the system.
        reason: why, for the log.

    Returns:
        The key that signs now; None when the environment gives the keys, or there is none any more.

    Raises:
        DomainError: no operator asks, there is no reason, or the key is over already.
        FreshSignInNeeded: the operator signed in long ago.
        VaultError: the keyring cannot wrap another key.
    """
    operators_only(actor)
    reason = checked_reason(reason, is_needed=True)
    _lock()
    stored = SigningKey.objects.select_for_update().filter(pk=key.pk).first()
    if stored is None:
        raise DomainError("There is no such signing key.", code="gone")
    if stored.revoked_at or stored.withdrawn_at:
        raise DomainError("This key is not published any more: nothing accepts what it signed.", code="closed")
    before, now = snapshot(stored), timezone.now()
    stored.revoked_at, stored.reason, stored.wrapped, stored.wrapped_by = now, reason, None, None
    stored.retired_at = stored.retired_at or now
    stored.save()
    signals.signing_key_revoked.announce(stored, actor=actor, before=before, after=snapshot(stored), reason=reason)
    if settings.SIGNING_JWKS:
        return None
    _keep_own(actor=actor, reason=reason)
    return _signing()


def cost_of_revoking(key: SigningKey) -> str:
    """Return what revoking a key costs, in sentences."""
    if key.signs_from is None and not settings.SIGNING_JWKS:
        return "It has signed nothing yet: no token is refused. Another next key is published."
    text = "Every token that it signed is refused within a second; callers get new ones from the token endpoint."
    if key.retired_at is not None:
        return text
    if settings.SIGNING_JWKS:
        return (
            f"{text} The next key of GATEHOUSE_SIGNING_JWKS signs; when there is none, no token is issued until you "
            "give another one."
        )
    following = _next()
    if following is not None and ready_at(following) <= timezone.now():
        return f"{text} The next key signs at once, and every proxy knows it already."
    return (
        f"{text} The next key signs at once, but proxies that fetched the keys before it was published refuse its "
        f"tokens for up to {settings.JWKS_CACHE_SECONDS} seconds."
    )


def _lock() -> None:
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('gatehouse token signing keys', 0))")


def _signing() -> SigningKey | None:
    """Return the key of ours that signs."""
    rows = SigningKey.objects.filter(
        signs_from__isnull=False, retired_at=None, withdrawn_at=None, revoked_at=None, wrapped__isnull=False
    )
    return rows.order_by("-signs_from").first()


def _next() -> SigningKey | None:
    """Return the key of ours that waits."""
    rows = SigningKey.objects.filter(signs_from=None, withdrawn_at=None, revoked_at=None, wrapped__isnull=False)
    return rows.order_by("created_at").first()


def _keep_own(*, actor: Actor = SYSTEM, reason: str = "") -> None:
    """Keep one key of ours that signs and one that waits, and rotate them when it is time."""
    for left in SigningKey.objects.filter(signs_from=None, wrapped=None, withdrawn_at=None, revoked_at=None):
        _withdraw(left, now=timezone.now())  # the environment gave it and gives none any more
    signing, following = _signing(), _next()
    if signing is None:
        if following is None:
            following = _publish(new_key(), actor=actor)
        signing, following = _take_over(following, actor=actor, reason=reason), _next()
    if following is None:
        following = _publish(new_key(), actor=actor)
    for key in (signing, following):
        before = snapshot(key)
        if wrap_again(key):
            key.save()
            signals.signing_key_rewrapped.announce(key, actor=SYSTEM, before=before, after=snapshot(key))
    age = timezone.now() - (signing.signs_from or timezone.now())
    if age >= timedelta(days=settings.SIGNING_KEY_DAYS) and ready_at(following) <= timezone.now():
        _take_over(following, actor=SYSTEM, reason=f"It signed for {age.days} days")


def _publish(key: SigningKey, *, actor: Actor) -> SigningKey:
    key.save(force_insert=True)
    signals.signing_key_published.announce(key, actor=actor, after=snapshot(key))
    return key


def _take_over(key: SigningKey, *, actor: Actor, reason: str) -> SigningKey:
    """Let a key of ours sign from now on, and whatever else signed no more; another next key is published."""
    now = timezone.now()
    for former in SigningKey.objects.filter(signs_from__isnull=False, retired_at=None).exclude(pk=key.pk):
        _retire(former, actor=actor, reason=reason, now=now)
    before = snapshot(key)
    key.signs_from = now
    key.save()
    signals.signing_key_used.announce(key, actor=actor, before=before, after=snapshot(key), reason=reason)
    if _next() is None:
        _publish(new_key(), actor=actor)
    return key


def _retire(key: SigningKey, *, actor: Actor, reason: str, now: datetime) -> None:
    """Let a key sign no more; its private part is destroyed."""
    before = snapshot(key)
    key.retired_at, key.wrapped, key.wrapped_by = now, None, None
    key.save()
    signals.signing_key_retired.announce(key, actor=actor, before=before, after=snapshot(key), reason=reason)


def _withdraw_what_is_over() -> None:
    now = timezone.now()
    rows = SigningKey.objects.filter(retired_at__lte=now - needed_for(), withdrawn_at=None, revoked_at=None)
    for key in rows.order_by("kid"):
        _withdraw(key, now=now)


def _withdraw(key: SigningKey, *, now: datetime) -> None:
    before = snapshot(key)
    key.withdrawn_at, key.wrapped, key.wrapped_by = now, None, None
    key.save()
    signals.signing_key_withdrawn.announce(key, actor=SYSTEM, before=before, after=snapshot(key))


def _publish_given() -> None:
    """Publish the keys that the environment gives, and let those go that it does not give any more.

    The first one of them signs. When one of them leaves is the operator's decision: it is gone at once.
    """
    now = timezone.now()
    given = {key.kid: key.x for key in settings.SIGNING_JWKS}
    stored = {key.kid: key for key in SigningKey.objects.all()}
    for kid, x in given.items():
        stored[kid] = (
            _publish_again(stored[kid], x) if kid in stored else _publish(SigningKey(kid=kid, public=x), actor=SYSTEM)
        )
    signer = next((stored[kid] for kid in given if stored[kid].revoked_at is None), None)
    for key in stored.values():
        if not key.is_published or key is signer:
            continue
        removed = key.kid not in given
        if removed and (key.signs_from is None or (key.wrapped is None and key.retired_at is None)):
            _withdraw(key, now=now)
        elif key.signs_from is not None and key.retired_at is None:
            _retire(key, actor=SYSTEM, reason="GATEHOUSE_SIGNING_JWKS names another key first", now=now)
    if signer is not None and signer.state != KeyState.SIGNING:
        before = snapshot(signer)
        signer.signs_from, signer.retired_at = signer.signs_from or now, None
        signer.save()
        signals.signing_key_used.announce(signer, actor=SYSTEM, before=before, after=snapshot(signer))


def _publish_again(key: SigningKey, x: str) -> SigningKey:
    """Return a key that the environment gave before, published once more if it was withdrawn.

    Raises:
        SystemExit: that was another key.
    """
    if key.public != x:
        raise SystemExit(
            f"GATEHOUSE_SIGNING_JWKS: the key ID {key.kid} was another key's before. Give the new key another ID."
        )
    if key.withdrawn_at is not None and key.revoked_at is None:
        before = snapshot(key)
        key.withdrawn_at = key.retired_at = None
        key.save()
        signals.signing_key_published.announce(key, actor=SYSTEM, before=before, after=snapshot(key))
    return key
