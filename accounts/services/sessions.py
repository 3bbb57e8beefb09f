"""Ending sessions: one's own, as an operator anybody's, and as an organization its members' ways in."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import signals
from accounts.models import Device, Session, SessionEnd, User
from accounts.sessions.keys import digest_of
from accounts.sessions.words import browser_of, place_of
from accounts.sso.confinement import confinement_in
from isolation.actor import Actor, ActorKind
from isolation.scope import tenant_scope
from tenants.lookups import memberships_of
from tenants.models import Membership
from tenants.permissions import P
from tenants.services.rules import lock_organization, operators_only, own_row, refuse_above

_NAMED = 20
"""Sessions that one event names."""


@transaction.atomic
def end_sessions(user: User, *, except_key: str | None = None, actor: Actor, reason: str = "") -> int:
    """End somebody's sessions everywhere: the next request of each finds nobody signed in.

    Args:
        user: whose.
        except_key: the key of the one session that stays.
        actor: the person, an operator or the system.
        reason: why, for the audit log.

    Returns:
        how many sessions ended.

    Raises:
        DomainError: the actor is neither the person nor an operator.
    """
    _own_or_operator(user, actor)
    return _end(user, _sessions(user, except_key=except_key), actor=actor, reason=reason)


@transaction.atomic
def end_session(*, user: User, session_id: UUID, actor: Actor, reason: str = "") -> bool:
    """End one of somebody's sessions.

    Returns:
        whether there was one with that id.

    Raises:
        DomainError: the actor is neither the person nor an operator.
    """
    _own_or_operator(user, actor)
    return bool(_end(user, _sessions(user).filter(pk=session_id), actor=actor, reason=reason))


@transaction.atomic
def forget_device(*, user: User, device_id: UUID, actor: Actor) -> bool:
    """Forget a browser of somebody's and end its sessions; the next sign-in there is one from a new browser.

    Returns:
        whether there was one with that id.

    Raises:
        DomainError: the actor is neither the person nor an operator.
    """
    _own_or_operator(user, actor)
    device = Device.objects.select_for_update().filter(user=user, pk=device_id).first()
    if device is None:
        return False
    _end(user, _sessions(user).filter(device=device), actor=actor, reason="The browser was forgotten")
    device.delete()
    signals.user_device_forgotten.announce(user, actor=actor, before={"device": device.name})
    return True


@transaction.atomic
def end_picked_sessions(user: User, sessions: Iterable[Session], *, actor: Actor, reason: str) -> int:
    """End some of somebody's sessions for what an organization decided; the caller has asked for the permission.

    Returns:
        how many sessions ended.
    """
    rows = _sessions(user).filter(pk__in=[session.pk for session in sessions])
    return _end(user, rows, actor=actor, reason=reason)


@transaction.atomic
def end_member_sessions(*, membership: Membership, actor: Actor, reason: str = "") -> SessionEnd:
    """Let a member's sessions of before enter the organization no more; elsewhere they go on.

    Raises:
        MissingPermission: without ``members:manage``.
        DomainError: the member's role is above the actor's own.
    """
    actor.require(P.MEMBERS_MANAGE, membership)
    lock_organization(membership.organization_id)
    stored: Membership = own_row(Membership, membership.pk, related=("role", "user"))
    what = f"You cannot end the sessions of somebody with the role {stored.role}"
    refuse_above(actor, stored.role.permissions, what=what, field=None)
    end: SessionEnd
    end, _ = SessionEnd.objects.update_or_create(
        organization_id=stored.organization_id, membership=stored, defaults={"ended_at": timezone.now()}
    )
    signals.member_sessions_ended.announce(stored, actor=actor, reason=reason)
    return end


def drop_sessions(user: User, *, except_key: str | None = None) -> None:
    """End somebody's sessions for a change that has an event of its own: another password, a closed login."""
    _sessions(user, except_key=except_key).delete()


def described(session: Session) -> str:
    """Return a session in words, as the audit log keeps it."""
    when = f"{session.signed_in_at:%Y-%m-%d %H:%M} UTC" if session.signed_in_at else "at an unknown time"
    return f"{browser_of(session.user_agent)}, {place_of(session.ip)}, signed in {when}"


def _own_or_operator(user: User, actor: Actor) -> None:
    if actor.kind is not ActorKind.USER or actor.id != user.pk:
        operators_only(actor)


def _sessions(user: User, *, except_key: str | None = None) -> "QuerySet[Session]":
    rows = Session.objects.filter(user=user)
    return rows if except_key is None else rows.exclude(key_digest=digest_of(except_key))


def _end(user: User, rows: "QuerySet[Session]", *, actor: Actor, reason: str) -> int:
    running = rows.filter(expire_date__gt=timezone.now())
    ended = list(running.select_for_update().order_by("pk"))
    rows.delete()  # also those that came since they were read, and those whose time is over
    if ended:
        _tell(user, ended, actor=actor, reason=reason)
    return len(ended)


def _tell(user: User, ended: Iterable[Session], *, actor: Actor, reason: str) -> None:
    """Write which sessions ended: in the installation's log, and to each organization those that reached it."""
    reach = [(session, confinement_in(session.get_decoded())) for session in ended]
    signals.user_sessions_ended.announce(
        user, actor=actor, before=_named([session for session, _ in reach]), reason=reason
    )
    for place in memberships_of(user.pk):
        reaching = [
            session
            for session, confinement in reach
            if confinement is None or confinement.organization_id == place.organization_id
        ]
        if not place.is_active or not reaching:
            continue
        with tenant_scope(place.organization_id):
            signals.user_sessions_ended.announce(
                user,
                actor=actor,
                before=_named(reaching),
                reason=reason,
                organization_id=place.organization_id,
            )


def _named(sessions: list[Session]) -> dict[str, Any]:
    names = sorted(described(session) for session in sessions[:_NAMED])
    more = len(sessions) - len(names)
    return {"sessions": [*names, f"and {more} more"] if more else names}
