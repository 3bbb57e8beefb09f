"""Inviting people by e-mail."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.models import Event
from audit.redaction import snapshot
from isolation.actor import Actor, ActorKind
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants import signals
from tenants.lookups import invitation_by_digest
from tenants.models import (
    InstallationSettings,
    Invitation,
    Membership,
    Organization,
    Project,
    ProjectMembership,
    Role,
    Source,
)
from tenants.permissions import P

from .members import add_member
from .open_invitations import revoke_open_invitations
from .rules import lock_organization, locked_organization, one_of_a_kind, own_row, refuse_above, refuse_managed

LIFETIME = timedelta(days=7)
_TOKEN_BYTES = 32
_PEOPLE = {ActorKind.USER, ActorKind.OPERATOR}  # whose id is a user's; a key has an id of its own


@dataclass(frozen=True, slots=True)
class SentInvitation:
    """An invitation with the token of its link, which exists only here and in the mail."""

    invitation: Invitation
    token: str = field(repr=False)  # never in a log or a traceback


@transaction.atomic
def invite_member(
    *,
    organization: Organization,
    email: str,
    role: Role | None,
    actor: Actor,
    project: Project | None = None,
    project_role: Role | None = None,
) -> SentInvitation:
    """Invite an e-mail address; the door that calls this sends the mail on commit.

    Args:
        organization: where to.
        email: the address; only somebody who proves to own it can accept.
        role: a role of the organization; None: its default role.
        actor: who invites.
        project: optionally, a project in which the person gets another role.
        project_role: that role.

    Raises:
        MissingPermission: without ``members:invite`` (and ``projects:manage`` for a project role).
        DomainError: a role is above the actor's own, the person is a member, or was one whom the actor could not
            reactivate, an open invitation exists, or the organization has sent too many today.
    """
    actor.require(P.MEMBERS_INVITE, organization)
    organization = locked_organization(organization.pk)
    if organization.is_being_deleted:
        raise DomainError("This organization is being deleted; nobody can be invited.", code="being_deleted")
    _refuse_too_many_mails()
    email = email.strip().lower()
    role = own_row(Role, role.pk, lock=False) if role else organization.default_role
    if role is None:
        raise DomainError("Choose a role.", field="role", code="required")
    refuse_above(actor, role.permissions, what=f"You cannot invite somebody as {role}")
    project, project_role = _project_offer(actor, project, project_role)
    _refuse_member(email, actor)
    # An old one that has run out makes room.
    revoke_open_invitations(email=email, actor=actor, reason="Expired", expired_before=timezone.now())
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    invitation = Invitation(
        organization=organization,
        email=email,
        role=role,
        project=project,
        project_role=project_role,
        token_digest=token_digest(token),
        invited_by_id=actor.id if actor.kind in _PEOPLE else None,
        expires_at=timezone.now() + LIFETIME,
    )
    with one_of_a_kind(Invitation, field="email"):
        invitation.save(force_insert=True)
    signals.invitation_sent.announce(invitation, actor=actor, after=snapshot(invitation), project=project)
    return SentInvitation(invitation, token)


@transaction.atomic
def resend_invitation(*, invitation: Invitation, actor: Actor) -> SentInvitation:
    """Make a new link for an invitation that nobody accepted yet; the old link stops working.

    Raises:
        MissingPermission: without ``members:invite``.
        DomainError: accepted or revoked already, one of its roles is above the actor's own, or the organization has
            sent too many today.
    """
    lock_organization(invitation.organization_id)
    stored = _pending(invitation, actor, what="You cannot resend this invitation")
    _refuse_too_many_mails()
    before = snapshot(stored)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    stored.token_digest = token_digest(token)
    stored.sent_at = timezone.now()
    stored.expires_at = stored.sent_at + LIFETIME
    stored.save()
    signals.invitation_resent.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return SentInvitation(stored, token)


@transaction.atomic
def revoke_invitation(*, invitation: Invitation, actor: Actor, reason: str = "") -> Invitation:
    """Make an invitation's link useless.

    Raises:
        MissingPermission: without ``members:invite``.
        DomainError: accepted or revoked already, or one of its roles is above the actor's own.
    """
    stored = _pending(invitation, actor, what="You cannot revoke this invitation")
    before = snapshot(stored)
    stored.revoked_at = timezone.now()
    stored.save(update_fields=["revoked_at"])
    signals.invitation_revoked.announce(stored, actor=actor, before=before, after=snapshot(stored), reason=reason)
    return stored


def find_invitation(token: str) -> tuple[UUID, UUID] | None:
    """Return (organization id, invitation id) for the token of a link, or None."""
    found = invitation_by_digest(token_digest(token))
    return (found[1], found[0]) if found else None


@transaction.atomic
def accept_invitation(*, organization_id: UUID, invitation_id: UUID, user: Any, actor: Actor) -> Membership:
    """Make the invited person a member.

    Args:
        organization_id: as `find_invitation` or `lookups.open_invitations` returned it.
        invitation_id: likewise.
        user: who accepts; the caller has made sure that their e-mail address is verified.
        actor: the same person.

    Raises:
        DomainError: not open any more, for another address, or the organization is closed.
    """
    with tenant_scope(organization_id):
        organization = locked_organization(organization_id)
        invitation: Invitation = own_row(Invitation, invitation_id, related=("role",))
        if invitation.email.lower() != user.email.lower():
            raise DomainError(
                f"This invitation is for {invitation.email}; you are signed in as {user.email}.", code="other_address"
            )
        _refuse_closed(invitation, organization)
        before = snapshot(invitation)
        invitation.accepted_at = timezone.now()
        invitation.save(update_fields=["accepted_at"])
        signals.invitation_accepted.announce(
            invitation, actor=actor, before=before, after=snapshot(invitation), project=invitation.project
        )
        membership = add_member(
            organization=organization, user=user, role=invitation.role, source=Source.INVITATION, actor=actor
        )
        if invitation.project and invitation.project_role:
            _join_project(invitation, membership, actor)
        return membership


def invitations_left() -> int:
    """Return how many more invitations the organization of the scope may send now; the log knows how many it has."""
    mails = Event.objects.filter(
        action__in=("invitation.sent", "invitation.resent"), time__gte=timezone.now() - timedelta(days=1)
    )
    left: int = InstallationSettings.load().invitations_per_day - mails.count()
    return max(0, left)


def token_digest(token: str) -> bytes:
    """Return the SHA-256 of a link's token; the token has 256 random bits, so that no salt is needed."""
    return hashlib.sha256(token.encode()).digest()


def _project_offer(
    actor: Actor, project: Project | None, project_role: Role | None
) -> tuple[Project | None, Role | None]:
    if not project and not project_role:
        return None, None
    if not project or not project_role:
        missing = "project_role" if project else "project"
        raise DomainError("Choose both a project and the role in it, or neither.", field=missing, code="required")
    project = own_row(Project, project.pk, lock=False)
    project_role = own_row(Role, project_role.pk, lock=False)
    actor.require(P.PROJECTS_MANAGE, project)
    refuse_above(
        actor,
        project_role.permissions,
        what=f"You cannot give the role {project_role}",
        obj=project,
        field="project_role",
    )
    return project, project_role


def _refuse_member(email: str, actor: Actor) -> None:
    """Refuse to invite a member, and to let back in by an invitation whom the actor could not reactivate.

    A deactivated member's project roles, groups and exceptions come back with the membership.
    """
    known = Membership.objects.filter(user__email=email).select_related("role").first()
    if known is None:
        return
    if known.is_active:
        raise DomainError(
            "Already a member. Change their role on their page under Members.", field="email", code="already_member"
        )
    refuse_managed(known, actor, what=f"{email} was deactivated and cannot be let back in here", field="email")
    needed = known.role.permissions | {P.MEMBERS_MANAGE}
    refuse_above(actor, needed, what=f"{email} was deactivated, and you cannot let them back in", field="email")


def _refuse_too_many_mails() -> None:
    """Keep an organization from mailing half the world in our name."""
    if invitations_left() <= 0:
        limit = InstallationSettings.load().invitations_per_day
        raise DomainError(
            f"An organization sends {limit} invitations a day at most. Go on tomorrow, or ask the operator for more.",
            code="too_many",
        )


def _pending(invitation: Invitation, actor: Actor, *, what: str) -> Invitation:
    actor.require(P.MEMBERS_INVITE, invitation.organization)
    stored: Invitation = own_row(Invitation, invitation.pk, related=("role", "project", "project_role"))
    if stored.accepted_at or stored.revoked_at:
        raise DomainError(f"This invitation is {stored.state} already.", code="closed")
    refuse_above(actor, stored.role.permissions, what=what, field=None)
    if stored.project_role:
        refuse_above(actor, stored.project_role.permissions, what=what, obj=stored.project, field=None)
    return stored


def _refuse_closed(invitation: Invitation, organization: Organization) -> None:
    if not invitation.is_open:
        raise DomainError(
            f"This invitation is {invitation.state}. Ask for a new one.", code=f"invitation_{invitation.state}"
        )
    if organization.is_being_deleted or organization.is_suspended:
        raise DomainError("This organization takes no new members at present.", code="organization_closed")


def _join_project(invitation: Invitation, membership: Membership, actor: Actor) -> None:
    if ProjectMembership.objects.filter(project=invitation.project, membership=membership).exists():
        return
    place = ProjectMembership.objects.create(
        organization=invitation.organization,
        project=invitation.project,
        membership=membership,
        role=invitation.project_role,
        source=Source.INVITATION,
    )
    signals.project_role_set.announce(place, actor=actor, after=snapshot(place), project=invitation.project)
