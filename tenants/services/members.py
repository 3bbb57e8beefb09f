"""Changes to who belongs to an organization."""

from typing import Any

from django.db import transaction

from audit.redaction import snapshot
from audit.signals import ChangeSignal
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants import signals
from tenants.access import load_authority
from tenants.models import (
    Invitation,
    Membership,
    Organization,
    Project,
    ProjectMembership,
    ProjectUserGrant,
    Role,
    Source,
)
from tenants.permissions import P

from .open_invitations import revoke_open_invitations
from .rules import (
    hold_organization,
    lock_organization,
    one_of_a_kind,
    own_row,
    refuse_above,
    refuse_losing_last_owner,
    refuse_managed,
)


@transaction.atomic
def add_member(
    *, organization: Organization, user: Any, role: Role, source: str, actor: Actor, reason: str = ""
) -> Membership:
    """Make a user a member, or an inactive member active again with this role.

    Invitations, sign-up defaults and provisioning call this after their own checks; it asks for no permission itself.

    Args:
        organization: where.
        user: an accounts.User.
        role: a role of that organization.
        source: one of `Source`.
        actor: who is responsible.
        reason: why, for the audit log.
    """
    lock_organization(organization.pk)
    membership: Membership | None = Membership.objects.select_related("user", "role").filter(user=user).first()
    if membership is None:
        return add_new_member(
            organization=organization, user=user, role=role, source=source, actor=actor, reason=reason
        )
    before = snapshot(membership)
    if not membership.is_active:
        membership.take_role(role)
        membership.is_active, membership.source = True, source
        membership.save()
        signals.member_reactivated.announce(
            membership, actor=actor, before=before, after=snapshot(membership), reason=reason
        )
    return membership


def add_new_member(
    *, organization: Organization, user: Any, role: Role, source: str, actor: Actor, reason: str = ""
) -> Membership:
    """Make somebody a member of whom the caller knows that they are none, under `lock_organization`.

    Args, Returns: as `add_member`.
    """
    membership = Membership(organization=organization, user=user, role=role, source=source)
    membership.save(force_insert=True)
    signals.member_added.announce(membership, actor=actor, after=snapshot(membership), reason=reason)
    return membership


@transaction.atomic
def change_role(*, membership: Membership, role: Role, actor: Actor) -> Membership:
    """Give a member another role in the organization.

    Raises:
        MissingPermission: without ``members:manage``.
        DomainError: the old or the new role is above the actor's own, or the last owner would be gone.
    """
    actor.require(P.MEMBERS_MANAGE, membership)
    lock_organization(membership.organization_id)
    stored = _member(membership)
    role = own_row(Role, role.pk, lock=False)
    if role == stored.role:
        return stored
    refuse_above(actor, stored.role.permissions, what=f"You cannot change the role {stored.role}")
    refuse_above(actor, role.permissions, what=f"You cannot give the role {role}")
    if not role.is_owner:
        refuse_losing_last_owner(stored, what=f"{stored} cannot stop being owner", field="role")
    before = snapshot(stored)
    stored.take_role(role)
    stored.save(update_fields=["role", "owner_through", "role_before"])
    signals.member_role_changed.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def set_member_active(*, membership: Membership, active: bool, actor: Actor) -> Membership:
    """Deactivate a member (everything stays, nothing is allowed) or let them back in.

    Raises:
        MissingPermission: without ``members:manage``.
        DomainError: the member's role is above the actor's own, an identity provider manages the member, or the last
            owner would be gone.
    """
    actor.require(P.MEMBERS_MANAGE, membership)
    lock_organization(membership.organization_id)
    stored = _member(membership)
    if stored.is_active == active:
        return stored
    verb = "reactivate" if active else "deactivate"
    refuse_managed(stored, actor, what=f"{stored} cannot be {verb}d here", field="is_active")
    refuse_above(
        actor, stored.role.permissions, what=f"You cannot {verb} somebody with the role {stored.role}", field=None
    )
    if not active:
        refuse_losing_last_owner(stored, what=f"{stored} cannot be deactivated", field="is_active")
    before = snapshot(stored)
    stored.is_active = active
    stored.save(update_fields=["is_active"])
    if not active:  # an invitation still open would let them back in
        revoke_open_invitations(email=stored.user.email, actor=actor, reason="The member was deactivated")
    signal = signals.member_reactivated if active else signals.member_deactivated
    signal.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def remove_member(*, membership: Membership, actor: Actor, reason: str = "") -> None:
    """End a membership with everything that hangs on it: project roles, places in groups, exceptions.

    Raises:
        MissingPermission: without ``members:manage``.
        DomainError: the member's role is above the actor's own, an identity provider manages the member, or the last
            owner would be gone.
    """
    actor.require(P.MEMBERS_MANAGE, membership)
    lock_organization(membership.organization_id)
    stored = _member(membership)
    refuse_managed(stored, actor, what=f"{stored} cannot be removed here")
    refuse_above(
        actor, stored.role.permissions, what=f"You cannot remove somebody with the role {stored.role}", field=None
    )
    refuse_losing_last_owner(stored, what=f"{stored} cannot be removed")
    _end(stored, signals.member_removed, actor=actor, reason=reason)


@transaction.atomic
def leave_organization(*, membership: Membership, actor: Actor) -> None:
    """End one's own membership.

    Raises:
        DomainError: it is somebody else's, or the last owner wants to leave.
    """
    lock_organization(membership.organization_id)
    stored = _member(membership)
    if actor.id != stored.user_id:
        raise DomainError("You can only leave for yourself.", code="other_person")
    refuse_losing_last_owner(stored, what="You cannot leave")
    _end(stored, signals.member_left, actor=actor, reason="")


@transaction.atomic
def set_project_role(
    *, membership: Membership, project: Project, role: Role, actor: Actor, source: str = Source.MANUAL
) -> ProjectMembership:
    """Give a member a role in one project that replaces the organization role there; NONE hides the project.

    Raises:
        MissingPermission: without ``projects:manage`` in the project.
        DomainError: the new role, or the one it replaces, is above the actor's own there.
    """
    actor.require(P.PROJECTS_MANAGE, project)
    hold_organization(project.organization_id)
    project = own_row(Project, project.pk)
    membership = own_row(Membership, membership.pk, related=("user", "role"))
    role = own_row(Role, role.pk, lock=False)
    roles = ProjectMembership.objects.filter(project=project, membership=membership).select_related("role")
    stored: ProjectMembership | None = roles.first()
    replaced = stored.role if stored else membership.role
    refuse_above(actor, replaced.permissions, what=f"You cannot replace the role {replaced}", obj=project)
    refuse_above(actor, role.permissions, what=f"You cannot give the role {role}", obj=project)
    before = snapshot(stored) if stored else None
    if stored is None:
        stored = ProjectMembership(
            organization=project.organization, project=project, membership=membership, role=role, source=source
        )
        with one_of_a_kind(ProjectMembership, field="membership"):
            stored.save(force_insert=True)
    else:
        stored.role, stored.source = role, source
        stored.save(update_fields=["role", "source"])
    signals.project_role_set.announce(stored, actor=actor, before=before, after=snapshot(stored), project=project)
    return stored


@transaction.atomic
def remove_project_role(*, project_membership: ProjectMembership, actor: Actor) -> None:
    """End a member's role in a project, so that the roles below it count there again: groups', the organization's.

    Raises:
        MissingPermission: without ``projects:manage`` in the project.
        DomainError: the role, or the one that counts afterwards, is above the actor's own there.
    """
    actor.require(P.PROJECTS_MANAGE, project_membership)
    stored = own_row(
        ProjectMembership, project_membership.pk, related=("project", "role", "membership__user", "membership__role")
    )
    project, returning = stored.project, stored.membership.role
    refuse_above(actor, stored.role.permissions, what=f"You cannot take away the role {stored.role}", obj=project)
    refuse_above(actor, returning.permissions, what=f"You cannot give back the role {returning}", obj=project)
    signals.project_role_removed.announce(stored, actor=actor, before=snapshot(stored), project=project)
    member = stored.membership
    stored.delete()
    for grant in load_authority(member.user_id, member.organization_id).roles_in(project.pk):
        refuse_above(actor, grant.permissions, what=f"You cannot give back the role {grant}", obj=project)


def end_membership(membership: Membership, *, actor: Actor, reason: str) -> None:
    """Remove a member whose login goes away; the caller has checked the authority and the last owner."""
    _end(membership, signals.member_removed, actor=actor, reason=reason)


def _member(membership: Membership) -> Membership:
    """Return the stored member with role and user, locked."""
    stored: Membership = own_row(Membership, membership.pk, related=("role", "user"))
    return stored


def _end(membership: Membership, signal: ChangeSignal, *, actor: Actor, reason: str) -> None:
    signal.announce(membership, actor=actor, before=snapshot(membership), reason=reason)
    revoke_open_invitations(email=membership.user.email, actor=actor, reason="The membership ended")
    ProjectUserGrant.objects.filter(user_id=membership.user_id).delete()
    Invitation.objects.filter(invited_by_id=membership.user_id).update(invited_by=None)
    membership.delete()
