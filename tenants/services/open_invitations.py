"""Ending invitations that nobody accepted yet."""

from datetime import datetime

from django.utils import timezone

from audit.redaction import snapshot
from isolation.actor import Actor
from tenants import signals
from tenants.models import Invitation


def revoke_open_invitations(*, email: str, actor: Actor, reason: str, expired_before: datetime | None = None) -> None:
    """Revoke an address's open invitations to the current organization; the caller has checked the authority.

    Args:
        email: the address, in any case of letters.
        actor: who is responsible.
        reason: why, for the audit log.
        expired_before: only those that had run out by then.
    """
    invitations = Invitation.objects.filter(email__iexact=email, accepted_at=None, revoked_at=None)
    if expired_before is not None:
        invitations = invitations.filter(expires_at__lte=expired_before)
    for invitation in invitations:
        before = snapshot(invitation)
        invitation.revoked_at = timezone.now()
        invitation.save(update_fields=["revoked_at"])
        signals.invitation_revoked.announce(
            invitation, actor=actor, before=before, after=snapshot(invitation), reason=reason
        )
