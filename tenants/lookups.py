"""Questions that are asked before the tenant is known; each is one narrow function of the database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections

from isolation.scope import APP


@dataclass(frozen=True, slots=True)
class MembershipSummary:
    """One organization of a person, as the switcher shows it."""

    organization_id: UUID
    slug: str
    name: str
    role: str
    is_active: bool
    suspended_at: datetime | None
    purge_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """An invitation waiting for a person, as the landing page shows it."""

    invitation_id: UUID
    organization_id: UUID
    organization: str
    role: str
    invited_by: str
    expires_at: datetime


def memberships_of(user_id: UUID) -> list[MembershipSummary]:
    """Return every organization that a user belongs to, by name; inactive memberships included."""
    return [MembershipSummary(*row) for row in _rows("SELECT * FROM tenants_memberships_of(%s)", user_id)]


def active_membership(user_id: UUID, reference: str) -> MembershipSummary | None:
    """Return a user's active membership in the organization with this slug or id, None without one."""
    for membership in memberships_of(user_id):
        if membership.is_active and reference in {membership.slug, str(membership.organization_id)}:
            return membership
    return None


def open_invitations(email: str) -> list[OpenInvitation]:
    """Return the invitations that wait for an address; pass only one that the person has verified."""
    return [OpenInvitation(*row) for row in _rows("SELECT * FROM tenants_open_invitations(%s)", email)]


def invitation_by_digest(digest: bytes) -> tuple[UUID, UUID] | None:
    """Return (invitation id, organization id) for the SHA-256 of an invitation's token, or None."""
    rows = _rows("SELECT * FROM tenants_invitation_by_digest(%s)", digest)
    return (rows[0][0], rows[0][1]) if rows else None


def organization_id_of(slug: str) -> UUID | None:
    """Return the organization with this slug, or None; only operators' visits ask."""
    rows = _rows("SELECT tenants_organization_id_of(%s)", slug)
    return rows[0][0] if rows else None


def _rows(sql: str, parameter: UUID | str | bytes) -> list[tuple[Any, ...]]:
    with connections[APP].cursor() as cursor:
        cursor.execute(sql, [parameter])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
