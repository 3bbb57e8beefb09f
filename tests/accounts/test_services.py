"""Logins: who may change them, what is refused, and what the log says about it."""

from typing import Any
from uuid import uuid4

import pytest
from allauth.account.models import EmailAddress

from accounts.models import User
from accounts.services.users import create_user, delete_user, person, set_user_active, update_user
from isolation.actor import ANONYMOUS, SYSTEM, Actor, ActorKind
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants.access import user_actor
from tenants.models import GroupMember, Invitation, Membership, ProjectMembership, ProjectUserGrant
from tenants.permissions import P
from tenants.services.invitations import invite_member
from tests.filling import fill
from tests.people import PASSWORD, Tenant, make_user
from tests.tenants.stage import events, join

OPERATOR = Actor(ActorKind.OPERATOR, uuid4(), "operator@gatehouse.example")


def logged(superuser, action: str) -> Any:
    return superuser.execute(
        "SELECT actor_label, target_label, before, after FROM audit_event"
        " WHERE organization_id IS NULL AND action = %s ORDER BY time",
        [action],
    ).fetchall()


@pytest.mark.parametrize("who", ["stranger", "anonymous", "owner of the person's organization"])
def test_a_stranger_changes_nobodys_login(who: str, acme: Tenant, globex: Tenant) -> None:
    actor = {"stranger": person(globex.owner), "anonymous": ANONYMOUS}.get(who) or person(acme.owner)
    for attempt in (
        lambda: update_user(user=acme.viewer, actor=actor, name="Mine"),
        lambda: set_user_active(user=acme.viewer, active=False, actor=actor),
        lambda: delete_user(user=acme.viewer, actor=actor),
    ):
        with pytest.raises(DomainError) as refused:
            attempt()
        assert refused.value.code == "operators_only"
    acme.viewer.refresh_from_db()
    assert (acme.viewer.name, acme.viewer.is_active) == ("", True)


def test_people_change_their_own_name_and_nothing_else(acme: Tenant, superuser) -> None:
    actor = person(acme.viewer)
    assert update_user(user=acme.viewer, actor=actor, name="Vera").name == "Vera"
    assert logged(superuser, "user.updated") == [
        ("viewer@acme.example", "viewer@acme.example", {"name": ""}, {"name": "Vera"})
    ]
    for values in ({"is_operator": True}, {"name": "V", "is_operator": True}, {"is_active": True}):
        with pytest.raises(DomainError):
            update_user(user=acme.viewer, actor=actor, **values)
    acme.viewer.refresh_from_db()
    assert not acme.viewer.is_operator


@pytest.mark.parametrize("name", ["is_active", "password", "email", "id"])
def test_fields_with_rules_of_their_own_are_not_changed_in_passing(name: str, acme: Tenant) -> None:
    with pytest.raises(TypeError, match=name):
        update_user(user=acme.viewer, actor=OPERATOR, **{name: False})


def test_an_address_is_one_login_in_any_case(db: None, superuser) -> None:
    user = create_user(email=" Ada@Example.org ", actor=SYSTEM, password=PASSWORD, verified=True)
    assert user.email == "ada@example.org"
    assert EmailAddress.objects.get(user=user).verified
    with pytest.raises(DomainError) as taken:
        create_user(email="ADA@example.org", actor=SYSTEM)
    assert (taken.value.code, taken.value.field) == ("taken", "email")
    assert [row[1] for row in logged(superuser, "user.created")] == ["ada@example.org"]
    assert not create_user(email="b@example.org", actor=SYSTEM).has_usable_password()


def test_a_closed_login_may_do_nothing_and_keeps_everything(acme: Tenant, superuser) -> None:
    set_user_active(user=acme.member, active=False, actor=OPERATOR)
    with tenant_scope(acme.organization):
        assert acme.membership("member").is_active, "the membership stays"
        assert not user_actor(acme.member, acme.organization.pk).can(P.PROJECTS_READ)
        acme.member.refresh_from_db()
        assert not acme.member.has_perm(P.PROJECTS_READ)
    set_user_active(user=acme.member, active=True, actor=OPERATOR)
    with tenant_scope(acme.organization):
        assert user_actor(acme.member, acme.organization.pk).can(P.PROJECTS_READ)
    assert logged(superuser, "user.deactivated")[0][2:] == ({"is_active": True}, {"is_active": False})
    assert logged(superuser, "user.reactivated")[0][2:] == ({"is_active": False}, {"is_active": True})


def test_a_closed_login_is_told_to_the_persons_organizations_only(acme: Tenant, globex: Tenant, superuser) -> None:
    set_user_active(user=acme.viewer, active=False, actor=OPERATOR)
    set_user_active(user=acme.viewer, active=True, actor=OPERATOR)

    def told(tenant: Tenant) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = superuser.execute(
            "SELECT action, actor_label, target_label, before, after FROM audit_event"
            " WHERE organization_id = %s AND action LIKE 'user.%%activated' ORDER BY time",
            [tenant.organization.pk],
        ).fetchall()
        return rows

    who = ("operator@gatehouse.example", "viewer@acme.example")
    assert told(acme) == [
        ("user.deactivated", *who, {"is_active": True}, {"is_active": False}),
        ("user.reactivated", *who, {"is_active": False}, {"is_active": True}),
    ]
    assert told(globex) == []


def test_a_deleted_login_ends_its_memberships_and_stays_readable_in_the_log(acme: Tenant, globex: Tenant) -> None:
    fill(acme)
    with tenant_scope(acme.organization):
        join(acme, "second", acme.role("owner"))
    with acme.acting("owner") as actor:
        invite_member(organization=acme.organization, email="x@example.org", role=None, actor=actor)
    gone = acme.owner.pk
    delete_user(user=acme.owner, actor=OPERATOR)
    assert not User.objects.filter(pk=gone).exists()
    assert not EmailAddress.objects.filter(user_id=gone).exists()
    with tenant_scope(acme.organization):
        assert not Membership.objects.filter(user_id=gone).exists()
        assert not ProjectUserGrant.objects.filter(user_id=gone).exists()
        assert not ProjectMembership.objects.exists()
        assert not GroupMember.objects.exists()
        assert set(Invitation.objects.values_list("invited_by_id", flat=True)) == {None}
    (removed,) = events(acme, "member.removed")
    assert (removed.actor_label, removed.target_label, removed.reason) == (
        OPERATOR.label,
        "owner@acme.example",
        "The login was deleted",
    )
    assert {event.actor_label for event in events(acme, "invitation.sent")} == {"owner@acme.example"}
    assert events(globex, "member.removed") == []


@pytest.mark.parametrize("how", ["close", "delete", "demote"])
def test_the_last_operator_stays(how: str, db: None) -> None:
    last = make_user("operator@gatehouse.example", is_operator=True)
    closed = make_user("closed@gatehouse.example", is_operator=True)
    set_user_active(user=closed, active=False, actor=OPERATOR)

    def attempt() -> None:
        if how == "close":
            set_user_active(user=last, active=False, actor=OPERATOR)
        elif how == "delete":
            delete_user(user=last, actor=OPERATOR)
        else:
            update_user(user=last, actor=OPERATOR, is_operator=False)

    with pytest.raises(DomainError) as refused:
        attempt()
    assert refused.value.code == "last_operator"
    set_user_active(user=closed, active=True, actor=OPERATOR)
    attempt()


def test_nobody_is_a_superuser_and_only_operators_are_staff(db: None) -> None:
    user, operator = make_user("a@example.org"), make_user("b@example.org", is_operator=True)
    assert not user.is_superuser
    assert not operator.is_superuser
    assert (user.is_staff, operator.is_staff) == (False, True)
    assert (user.has_module_perms("tenants"), operator.has_module_perms("tenants")) == (False, True)
    assert not operator.has_perm(P.ORGANIZATION_READ)
    assert (str(user), user.display_name) == ("a@example.org", "a@example.org")
