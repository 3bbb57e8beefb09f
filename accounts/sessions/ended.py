"""Where an organization has ended somebody's sessions: those from before do not enter it, a new sign-in does."""

from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, Subquery

from accounts.models import SessionEnd


def ended_in(organization_id: UUID, user_id: UUID) -> datetime | None:
    """Return when the organization, whose scope is open, ended somebody's sessions last; None: never."""
    ends = SessionEnd.objects.filter(organization_id=organization_id, membership__user_id=user_id)
    ended_at: datetime | None = ends.values_list("ended_at", flat=True).first()
    return ended_at


def ended_here(user_id: UUID) -> Subquery:
    """Return `ended_in` as an expression of a query for organizations, which then needs no query of its own."""
    ends = SessionEnd.objects.filter(organization_id=OuterRef("pk"), membership__user_id=user_id)
    return Subquery(ends.values("ended_at")[:1])


def is_ended(signed_in_at: datetime | None, ended_at: datetime | None) -> bool:
    """Return whether a session does not enter any more.

    Args:
        signed_in_at: when its person signed in last; None: nobody knows.
        ended_at: what `ended_in` says.
    """
    return ended_at is not None and (signed_in_at is None or signed_in_at <= ended_at)
