"""Operators who look into a tenant: for a stated reason, for a limited time, recorded in that tenant's log."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone

SUPPORT_LASTS = timedelta(hours=1)
_SESSION_KEY = "support"


@dataclass(frozen=True, slots=True)
class SupportSession:
    """An operator's visit to one organization.

    Attributes:
        organization_id: the organization.
        reason: why, in the operator's words.
        until: when the visit ends by itself.
    """

    organization_id: UUID
    reason: str
    until: datetime


def begin_support(request: HttpRequest, *, slug: str, organization_id: UUID, reason: str) -> SupportSession:
    """Remember in the session that the operator may enter `slug`; the caller has recorded it."""
    support = SupportSession(organization_id, reason, timezone.now() + SUPPORT_LASTS)
    visits = dict(request.session.get(_SESSION_KEY, {}))
    visits[slug] = {
        "organization": str(organization_id),
        "reason": reason,
        "until": support.until.isoformat(),
    }
    request.session[_SESSION_KEY] = visits
    return support


def end_support(request: HttpRequest, *, organization_id: UUID) -> None:
    """Forget every visit to the organization."""
    visits = request.session.get(_SESSION_KEY, {})
    request.session[_SESSION_KEY] = {s: v for s, v in visits.items() if v["organization"] != str(organization_id)}


def support_session(request: HttpRequest, slug: str) -> SupportSession | None:
    """Return the operator's running visit to `slug`; None for anybody else and after its end."""
    visit = request.session.get(_SESSION_KEY, {}).get(slug)
    if visit is None or not request.user.is_authenticated or not request.user.is_active or not request.user.is_operator:
        return None
    support = SupportSession(
        UUID(visit["organization"]),
        visit["reason"],
        datetime.fromisoformat(visit["until"]),
    )
    return support if support.until > timezone.now() else None


def visits_organization(request: HttpRequest, *, organization_id: UUID) -> bool:
    """Return whether the session holds a visit to the organization, running or run out."""
    return any(
        visit["organization"] == str(organization_id) for visit in request.session.get(_SESSION_KEY, {}).values()
    )
