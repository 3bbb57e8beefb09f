"""Invitations: for one address, for a time, once, by a link of which only the digest is stored."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from isolation.actor import SYSTEM, Actor, ActorKind
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants import lookups
from tenants.models import Invitation, Membership, ProjectMembership, Source
from tenants.permissions import BUILTIN_ROLES, BuiltinRole, P
from tenants.services.installation import update_installation_settings
from tenants.services.invitations import (
    SentInvitation,
    accept_invitation,
    find_invitation,
    invite_member,
    resend_invitation,
    revoke_invitation,
)
from tenants.services.members import add_member, change_role, remove_member, set_member_active
from tenants.services.organizations import request_deletion, suspend_organization
from tenants.services.roles import create_role
from tests.people import Tenant, make_user
from tests.tenants.stage import events

EMAIL = "guest@example.org"


def invite(tenant: Tenant, email: str = EMAIL, **extra: Any) -> SentInvitation:
    with tenant.acting("admin") as actor:
        roles = {name: tenant.role(role) for name, role in extra.items() if name.endswith("role")}
        return invite_member(
            organization=tenant.organization,
            email=email,
            actor=actor,
            project=tenant.project if "project_role" in extra else None,
            **{"role": None, **roles},
        )


def accept(tenant: Tenant, sent: SentInvitation, user: Any) -> Membership:
    person = Actor(ActorKind.USER, user.pk, user.email)
    return accept_invitation(
        organization_id=tenant.organization.pk, invitation_id=sent.invitation.pk, user=user, actor=person
    )


def expire(superuser, tenant: Tenant) -> None:
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute(
            "UPDATE tenants_invitation SET expires_at = now() WHERE organization_id = %s", [tenant.organization.pk]
        )


def refused(tenant: Tenant, sent: SentInvitation, user: Any) -> str:
    with pytest.raises(DomainError) as error:
        accept(tenant, sent, user)
    with tenant_scope(tenant.organization):
        assert not Membership.objects.filter(user=user).exists()
    return error.value.code


def test_a_stranger_cannot_take_somebody_elses_invitation(acme: Tenant, globex: Tenant) -> None:
    sent = invite(acme)
    assert find_invitation(sent.token) == (acme.organization.pk, sent.invitation.pk)
    assert refused(acme, sent, globex.owner) == "other_address"
    with pytest.raises(DomainError) as gone:
        accept(globex, sent, make_user(EMAIL))
    assert gone.value.code == "gone", "nor can it be taken into another organization"


def test_it_is_accepted_with_its_role_and_project_role(acme: Tenant) -> None:
    sent = invite(acme, role="viewer", project_role="member")
    guest = make_user("Guest@Example.org")
    membership = accept(acme, sent, guest)
    with tenant_scope(acme.organization):
        assert (membership.role.key, membership.source) == ("viewer", "invitation")
        place = ProjectMembership.objects.select_related("role").get()
        assert (place.membership_id, place.role.key, place.project_id) == (membership.pk, "member", acme.project.pk)
    accepted = events(acme)[-3:]
    assert [event.action for event in accepted] == ["invitation.accepted", "member.added", "project_role.set"]
    assert {event.actor_id for event in accepted} == {guest.pk}


def test_without_a_role_it_is_the_default_role(acme: Tenant) -> None:
    assert accept(acme, invite(acme), make_user(EMAIL)).role.key == "member"


def test_it_is_accepted_once(acme: Tenant) -> None:
    sent, guest = invite(acme), make_user(EMAIL)
    accept(acme, sent, guest)
    with pytest.raises(DomainError) as error:
        accept(acme, sent, guest)
    assert error.value.code == "invitation_accepted"
    assert len(events(acme, "invitation.accepted")) == 1


def test_it_runs_out(acme: Tenant, superuser) -> None:
    sent, guest = invite(acme), make_user(EMAIL)
    lifetime = sent.invitation.expires_at - timezone.now()
    assert timedelta(days=6, hours=23) < lifetime <= timedelta(days=7)
    assert [each.invitation_id for each in lookups.open_invitations(EMAIL)] == [sent.invitation.pk]
    expire(superuser, acme)
    assert refused(acme, sent, guest) == "invitation_expired"
    assert lookups.open_invitations(EMAIL) == []


def test_an_expired_one_makes_room_for_a_new_one(acme: Tenant, superuser) -> None:
    old = invite(acme)
    with pytest.raises(DomainError) as duplicate:
        invite(acme, EMAIL.upper())
    assert duplicate.value.code == "duplicate"
    expire(superuser, acme)
    new = invite(acme)
    guest = make_user(EMAIL)
    assert refused(acme, old, guest) == "invitation_revoked"
    accept(acme, new, guest)
    assert [event.reason for event in events(acme, "invitation.revoked")] == ["Expired"]


def test_sending_again_makes_a_new_link_and_ends_the_old_one(acme: Tenant, superuser) -> None:
    first = invite(acme)
    expire(superuser, acme)
    with acme.acting("admin") as actor:
        second = resend_invitation(invitation=first.invitation, actor=actor)
    assert first.token != second.token
    assert find_invitation(first.token) is None
    assert find_invitation(second.token) == (acme.organization.pk, first.invitation.pk)
    accept(acme, second, make_user(EMAIL))


def test_a_revoked_one_is_of_no_use(acme: Tenant) -> None:
    sent = invite(acme)
    with acme.acting("admin") as actor:
        revoke_invitation(invitation=sent.invitation, actor=actor, reason="Mistyped")
    assert refused(acme, sent, make_user(EMAIL)) == "invitation_revoked"
    assert [event.reason for event in events(acme, "invitation.revoked")] == ["Mistyped"]
    for verb in (resend_invitation, revoke_invitation):
        with acme.acting("admin") as actor, pytest.raises(DomainError) as closed:
            verb(invitation=sent.invitation, actor=actor)
        assert closed.value.code == "closed"


@pytest.mark.parametrize("state", ["suspended", "being deleted"])
def test_a_closed_organization_takes_nobody(state: str, acme: Tenant) -> None:
    sent = invite(acme)
    with acme.acting("owner") as actor:
        if state == "suspended":
            suspend_organization(organization=acme.organization, actor=SYSTEM, reason="Unpaid")
        else:
            request_deletion(organization=acme.organization, actor=actor)
    assert refused(acme, sent, make_user(EMAIL)) == "organization_closed"
    assert lookups.open_invitations(EMAIL) == []


def test_a_member_is_not_invited_and_an_inactive_one_comes_back(acme: Tenant) -> None:
    with pytest.raises(DomainError) as member:
        invite(acme, "Viewer@acme.example")
    assert member.value.code == "already_member"
    with acme.acting("owner") as actor:
        set_member_active(membership=acme.membership("viewer"), active=False, actor=actor)
    sent = invite(acme, "viewer@acme.example", role="auditor")
    membership = accept(acme, sent, acme.viewer)
    assert (membership.is_active, membership.role.key) == (True, "auditor")
    assert len(events(acme, "member.reactivated")) == 1


@pytest.mark.parametrize("was", ["viewer", "owner"])
def test_an_invitation_lets_nobody_back_in_whom_the_inviter_could_not_reactivate(acme: Tenant, was: str) -> None:
    """Their groups and project roles would come back as well."""
    with acme.acting("owner") as actor:
        if was == "owner":
            change_role(membership=acme.membership("viewer"), role=acme.role("owner"), actor=actor)
        set_member_active(membership=acme.membership("viewer"), active=False, actor=actor)
        inviters = create_role(
            organization=acme.organization,
            name="Inviters",
            permissions=[*BUILTIN_ROLES[BuiltinRole.VIEWER].permissions, P.MEMBERS_INVITE],
            actor=actor,
        )
        change_role(membership=acme.membership("member"), role=inviters, actor=actor)
    by = "admin" if was == "owner" else "member"
    with acme.acting(by) as actor, pytest.raises(DomainError) as refusal:
        invite_member(organization=acme.organization, email=acme.viewer.email, role=acme.role("viewer"), actor=actor)
    assert (refusal.value.code, refusal.value.field) == ("above_own_permissions", "email")


@pytest.mark.parametrize("missing", ["project", "project_role"])
def test_project_and_role_go_together(missing: str, acme: Tenant) -> None:
    with acme.acting("owner") as actor, pytest.raises(DomainError) as error:
        given = {"project": acme.project, "project_role": acme.role("viewer")}
        given[missing] = None
        invite_member(organization=acme.organization, email=EMAIL, role=None, actor=actor, **given)
    assert error.value.field == missing


def test_only_the_digest_of_the_token_is_stored(acme: Tenant, superuser) -> None:
    sent = invite(acme)
    assert len(sent.token) >= 43, "256 random bits"
    with tenant_scope(acme.organization):
        stored = Invitation.objects.get()
        assert bytes(stored.token_digest) == hashlib.sha256(sent.token.encode()).digest()
    for table in ("tenants_invitation", "audit_event"):
        rows = superuser.execute(f"SELECT t::text FROM {table} t").fetchall()  # noqa: S608 - two tables
        assert rows
        assert not [row for row in rows if sent.token in row[0]]
    assert find_invitation("") is None
    assert find_invitation(sent.token[:-1]) is None
    assert sent.token not in repr(sent)


def test_an_organization_sends_so_many_a_day_and_repeated_ones_count(acme: Tenant, globex: Tenant) -> None:
    update_installation_settings(actor=SYSTEM, invitations_per_day=2)
    with acme.acting("owner") as owner:
        sent = invite_member(
            organization=acme.organization, email="one@x.example", role=acme.role("viewer"), actor=owner
        )
        resend_invitation(invitation=sent.invitation, actor=owner)
        for again in (
            lambda: resend_invitation(invitation=sent.invitation, actor=owner),
            lambda: invite_member(organization=acme.organization, email="two@x.example", role=None, actor=owner),
        ):
            with pytest.raises(DomainError) as refused:
                again()
            assert refused.value.code == "too_many"
        assert Invitation.objects.count() == 1
    with globex.acting("owner") as owner:  # others have a day of their own
        invite_member(organization=globex.organization, email="one@x.example", role=None, actor=owner)


@pytest.mark.parametrize("ending", ["deactivated", "removed"])
def test_an_open_invitation_lets_nobody_back_in_afterwards(acme: Tenant, ending: str) -> None:
    """Somebody was invited, joined by another way, and was sent away: the old link is of no use."""
    guest = make_user(EMAIL)
    with acme.acting("owner") as owner:
        sent = invite_member(organization=acme.organization, email=EMAIL, role=acme.role("viewer"), actor=owner)
        membership = add_member(
            organization=acme.organization, user=guest, role=acme.role("viewer"), source=Source.MANUAL, actor=SYSTEM
        )
        if ending == "removed":
            remove_member(membership=membership, actor=owner)
        else:
            set_member_active(membership=membership, active=False, actor=owner)
    with pytest.raises(DomainError) as refused:
        accept_invitation(
            organization_id=acme.organization.pk, invitation_id=sent.invitation.pk, user=guest, actor=SYSTEM
        )
    assert refused.value.code == "invitation_revoked"
