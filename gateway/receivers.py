"""Ends access tokens together with what they hang on, in the transaction of that change.

The hot path asks at each request whether the key, the membership and the permission behind a token are still there.
What it cannot see from there is written down here: that sessions were ended, and that somebody left who may be back.
"""

from typing import Any

from django.dispatch import receiver

from accounts import signals as account_signals
from accounts.models import ApiKey
from gateway.models import RevocationKind
from gateway.services.token_revocations import end_tokens
from isolation.actor import Actor
from tenants import signals as tenant_signals
from tenants.models import Membership


@receiver(
    (tenant_signals.member_deactivated, tenant_signals.member_removed, tenant_signals.member_left),
    dispatch_uid="gateway:end_members_tokens",
)
def end_members_tokens(sender: object, *, target: Membership, actor: Actor, **kwargs: Any) -> None:
    """End the tokens of a member who is none any more, so that coming back does not bring them back."""
    _end_of_actor(target, actor, "The membership ended")


@receiver(account_signals.member_sessions_ended, dispatch_uid="gateway:end_sessions_tokens")
def end_sessions_tokens(sender: object, *, target: Membership, actor: Actor, **kwargs: Any) -> None:
    """End the tokens that a member got by sessions which were ended."""
    _end_of_actor(target, actor, "Their sessions were ended")


@receiver(
    (account_signals.api_key_revoked, account_signals.api_key_leaked),
    dispatch_uid="gateway:end_keys_tokens",
)
def end_keys_tokens(sender: object, *, target: ApiKey, actor: Actor, **kwargs: Any) -> None:
    """End the tokens that a key got which is revoked."""
    end_tokens(
        organization_id=target.organization_id,
        kind=RevocationKind.KEY,
        subject=target.public_id,
        actor=actor,
        reason="The key was revoked",
    )


def _end_of_actor(member: Membership, actor: Actor, reason: str) -> None:
    end_tokens(
        organization_id=member.organization_id,
        kind=RevocationKind.ACTOR,
        subject=str(member.user_id),
        actor=actor,
        reason=reason,
    )
