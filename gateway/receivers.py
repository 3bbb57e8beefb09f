"""Ends access tokens and credentials together with what they hang on, in the transaction of that change.

The hot path asks at each request whether the key, the membership and the permission behind a token are still there.
What it cannot see from there is written down here: that sessions were ended, and that somebody left who may be back.
"""

from typing import Any
from uuid import UUID

from django.dispatch import receiver

from accounts import signals as account_signals
from accounts.models import ApiKey, User
from gateway.models import ProviderCredential, RevocationKind, UsageCounter, UsageNotice, UsageSlot
from gateway.services.provider_credentials import end_provider_credential
from gateway.services.token_revocations import end_tokens
from isolation.actor import Actor
from tenants import signals as tenant_signals
from tenants.models import Membership, Organization, Project


@receiver(
    (tenant_signals.member_deactivated, tenant_signals.member_removed, tenant_signals.member_left),
    dispatch_uid="gateway:end_members_tokens",
)
def end_members_tokens(sender: object, *, target: Membership, actor: Actor, **kwargs: Any) -> None:
    """End the tokens of a member who is none any more, so that coming back does not bring them back."""
    _end_of_actor(target, actor, "The membership ended")


@receiver(account_signals.member_sessions_ended, dispatch_uid="gateway:end_members_session_tokens")
def end_members_session_tokens(sender: object, *, target: Membership, actor: Actor, **kwargs: Any) -> None:
    """End a member's tokens with their sessions in the organization."""
    _end_of_actor(target, actor, "Their sessions were ended")


@receiver(account_signals.user_sessions_ended, dispatch_uid="gateway:end_users_tokens")
def end_users_tokens(
    sender: object, *, target: User, actor: Actor, organization_id: UUID | None = None, **kwargs: Any
) -> None:
    """End somebody's tokens with their sessions, in each organization that is told of it."""
    if organization_id is not None:
        end_tokens(
            organization_id=organization_id,
            kind=RevocationKind.ACTOR,
            subject=str(target.pk),
            actor=actor,
            reason="Their sessions were ended",
        )


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


@receiver(tenant_signals.project_transferred_away, dispatch_uid="gateway:end_project_credentials")
def end_project_credentials(sender: object, *, target: Project, actor: Actor, **kwargs: Any) -> None:
    """Delete the provider credentials of a project that goes to another organization.

    Their secrets are sealed with the former organization's data key and bound to it: nobody else could open them.
    """
    for credential in ProviderCredential.objects.select_related("project").filter(project=target):
        end_provider_credential(credential, actor=actor, reason="The project moved to another organization")


@receiver(tenant_signals.organization_purged, dispatch_uid="gateway:forget_counters")
def forget_counters(sender: object, *, target: Organization, **kwargs: Any) -> None:
    """Delete what an organization's limits counted; these rows hang on nothing."""
    for model in (UsageCounter, UsageSlot, UsageNotice):
        model.objects.all().delete()


def _end_of_actor(member: Membership, actor: Actor, reason: str) -> None:
    end_tokens(
        organization_id=member.organization_id,
        kind=RevocationKind.ACTOR,
        subject=str(member.user_id),
        actor=actor,
        reason=reason,
    )
