"""Changes to people's second factors that are not allauth's own: another name, and a reset by an operator."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.db import transaction

from accounts import signals
from accounts.mails import send_second_factors_removed
from accounts.models import User
from isolation.actor import Actor
from isolation.exceptions import DomainError
from isolation.scope import APP
from tenants.services.rules import operators_only

KINDS = {
    Authenticator.Type.TOTP: "authenticator app",
    Authenticator.Type.WEBAUTHN: "passkey",
    Authenticator.Type.RECOVERY_CODES: "recovery codes",
}


def described(factor: Authenticator) -> dict[str, Any]:
    """Return what an event says of a factor: its kind, and a passkey's name."""
    kind = {"kind": KINDS[Authenticator.Type(factor.type)]}
    return kind | {"name": factor.wrap().name} if factor.type == Authenticator.Type.WEBAUTHN else kind


@transaction.atomic
def rename_passkey(*, passkey: Authenticator, name: str, actor: Actor) -> Authenticator:
    """Give a passkey another name.

    Raises:
        DomainError: it is somebody else's, or is gone.
    """
    stored = Authenticator.objects.select_for_update().filter(pk=passkey.pk, type=Authenticator.Type.WEBAUTHN).first()
    if stored is None or stored.user_id != actor.id:
        raise DomainError("This passkey is gone. Go back to the list of your passkeys.", code="gone")
    before = described(stored)
    stored.wrap().name = name
    if described(stored) != before:
        stored.save(update_fields=["data"])
        signals.second_factor_renamed.announce(stored.user, actor=actor, before=before, after=described(stored))
    return stored


@transaction.atomic
def remove_second_factors(*, user: User, actor: Actor, reason: str) -> list[str]:
    """Remove everything that somebody's second step hangs on; they sign in with the password alone, and are told.

    Args:
        user: whose.
        actor: an operator, or the system.
        reason: such as how the person was recognized.

    Returns:
        what was removed, in words.

    Raises:
        DomainError: no operator asks, without a reason, or there is nothing to remove.
    """
    operators_only(actor)
    reason = reason.strip()
    if not reason:
        raise DomainError("Say why, such as how you made sure who is asking.", field="reason", code="required")
    factors = list(Authenticator.objects.using(APP).select_for_update().filter(user_id=user.pk).order_by("pk"))
    if not factors:
        raise DomainError(f"{user} has no second factor.", code="no_second_factor")
    removed = [": ".join(described(factor).values()) for factor in factors]
    Authenticator.objects.using(APP).filter(pk__in=[factor.pk for factor in factors]).delete()
    signals.second_factors_reset.announce(
        user, actor=actor, before={"factors": removed}, after={"factors": []}, reason=reason
    )
    send_second_factors_removed(user)
    return removed
