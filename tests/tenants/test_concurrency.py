"""Two requests at the same moment: exactly one wins, and the organization keeps an owner."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.services.users import delete_user, set_user_active
from isolation.actor import SYSTEM, Actor, ActorKind
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tenants.models import Membership, Organization, Project, ProjectMembership, Source
from tenants.services.invitations import accept_invitation, invite_member
from tenants.services.members import (
    add_member,
    change_role,
    leave_organization,
    remove_member,
    set_member_active,
    set_project_role,
)
from tenants.services.organizations import create_organization
from tenants.services.projects import create_project, transfer_project
from tests.people import Tenant, make_project, make_tenant, make_user
from tests.tenants.stage import at_once, events, join

TIMES = range(3)


def other_owner(tenant: Tenant) -> Membership:
    with tenant_scope(tenant.organization):
        return join(tenant, "second", tenant.role("owner"))


def as_person(tenant: Tenant, name: str, verb: Callable[[Actor], Any]) -> Callable[[], Any]:
    def run() -> Any:
        with tenant.acting(name) as actor:
            return verb(actor)

    return run


def demote(tenant: Tenant, name: str) -> Callable[[Actor], Any]:
    return lambda actor: change_role(membership=tenant.membership(name), role=tenant.role("viewer"), actor=actor)


def remove(tenant: Tenant, name: str) -> Callable[[Actor], Any]:
    return lambda actor: remove_member(membership=tenant.membership(name), actor=actor)


def deactivate(tenant: Tenant, name: str) -> Callable[[Actor], Any]:
    return lambda actor: set_member_active(membership=tenant.membership(name), active=False, actor=actor)


def leave(tenant: Tenant, name: str) -> Callable[[Actor], Any]:
    return lambda actor: leave_organization(membership=tenant.membership(actor_name(tenant, actor)), actor=actor)


def actor_name(tenant: Tenant, actor: Actor) -> str:
    return next(name for name, user in tenant.people.items() if user.pk == actor.id)


def active_owners(tenant: Tenant) -> int:
    with tenant_scope(tenant.organization):
        owners = Membership.objects.filter(role__key="owner", role__is_builtin=True)
        return int(owners.filter(is_active=True, user__is_active=True).count())


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("verb", [demote, remove, deactivate, leave], ids=lambda verb: verb.__name__)
def test_two_owners_cannot_both_go(verb: Callable, time: int, db: None) -> None:
    tenant = make_tenant("acme", everybody=False)
    other_owner(tenant)
    results = at_once(
        as_person(tenant, "owner", verb(tenant, "second")), as_person(tenant, "second", verb(tenant, "owner"))
    )
    refused = [result for result in results if isinstance(result, Exception)]
    assert len(refused) == 1, results
    # Whoever came second is the last owner, or no owner any more when their authority was loaded.
    assert isinstance(refused[0], DomainError | MissingPermission | Membership.DoesNotExist), results
    assert active_owners(tenant) == 1


@pytest.mark.parametrize("verb", [set_user_active, delete_user], ids=lambda verb: verb.__name__)
def test_two_owners_logins_cannot_both_be_closed(verb: Callable, db: None) -> None:
    tenant = make_tenant("acme", everybody=False)
    other_owner(tenant)
    extra = {"active": False} if verb is set_user_active else {}
    results = at_once(
        *[lambda name=name: verb(user=tenant.people[name], actor=SYSTEM, **extra) for name in tenant.people]
    )
    refused = [result for result in results if isinstance(result, Exception)]
    assert [getattr(error, "code", error) for error in refused] == ["last_owner"]
    assert active_owners(tenant) == 1


def test_an_owner_leaves_while_the_other_ones_login_is_closed(db: None) -> None:
    tenant = make_tenant("acme", everybody=False)
    other_owner(tenant)
    results = at_once(
        as_person(tenant, "owner", leave(tenant, "owner")),
        lambda: set_user_active(user=tenant.second, active=False, actor=SYSTEM),
    )
    assert [getattr(result, "code", None) for result in results if isinstance(result, Exception)] == ["last_owner"]
    assert active_owners(tenant) == 1


def test_two_operators_cannot_both_be_closed(db: None) -> None:
    operators = [make_user(f"operator{n}@gatehouse.example", is_operator=True) for n in range(2)]
    actors = [Actor(ActorKind.OPERATOR, user.pk, user.email) for user in operators]
    results = at_once(
        lambda: set_user_active(user=operators[0], active=False, actor=actors[1]),
        lambda: set_user_active(user=operators[1], active=False, actor=actors[0]),
    )
    refused = [result for result in results if isinstance(result, Exception)]
    assert [getattr(error, "code", error) for error in refused] == ["last_operator"]


@pytest.mark.parametrize("time", TIMES)
def test_an_invitation_is_accepted_once(time: int, acme: Tenant) -> None:
    guest = make_user("guest@example.org")
    with acme.acting("admin") as actor:
        sent = invite_member(organization=acme.organization, email=guest.email, role=None, actor=actor)
    person = Actor(ActorKind.USER, guest.pk, guest.email)

    def accept() -> Membership:
        return accept_invitation(
            organization_id=acme.organization.pk, invitation_id=sent.invitation.pk, user=guest, actor=person
        )

    results = at_once(accept, accept)
    codes = [getattr(result, "code", None) for result in results if isinstance(result, Exception)]
    assert codes == ["invitation_accepted"]
    with tenant_scope(acme.organization):
        assert Membership.objects.filter(user=guest).count() == 1
    assert len(events(acme, "invitation.accepted")) == 1


def test_one_address_gets_one_open_invitation(acme: Tenant) -> None:
    def invite(name: str) -> Callable[[], Any]:
        return as_person(
            acme,
            name,
            lambda actor: invite_member(
                organization=acme.organization, email="guest@example.org", role=None, actor=actor
            ),
        )

    results = at_once(invite("owner"), invite("admin"))
    assert [getattr(result, "code", None) for result in results if isinstance(result, Exception)] == ["duplicate"]
    assert len(events(acme, "invitation.sent")) == 1


def test_one_identifier_makes_one_organization(db: None) -> None:
    people = [make_user(f"founder{n}@example.org") for n in range(2)]
    results = at_once(
        *[
            lambda user=user: create_organization(
                slug="initech", name="Initech", owner=user, actor=Actor(ActorKind.USER, user.pk, user.email)
            )
            for user in people
        ]
    )
    assert [result.code for result in results if isinstance(result, DomainError)] == ["taken"]
    assert sum(isinstance(result, Organization) for result in results) == 1


def test_one_identifier_makes_one_project(acme: Tenant) -> None:
    def create(actor: Actor) -> Project:
        return create_project(
            organization=acme.organization, slug="same", name="Same", environment="staging", actor=actor
        )

    results = at_once(as_person(acme, "owner", create), as_person(acme, "admin", create))
    assert [result.code for result in results if isinstance(result, DomainError)] == ["duplicate"]
    assert len([event for event in events(acme, "project.created") if event.target_label == "Same"]) == 1


@pytest.mark.parametrize("time", TIMES)
def test_a_project_role_set_twice_is_one_row(time: int, acme: Tenant) -> None:
    def give(role: str) -> Callable[[Actor], Any]:
        return lambda actor: set_project_role(
            membership=acme.membership("viewer"), project=acme.project, role=acme.role(role), actor=actor
        )

    results = at_once(as_person(acme, "owner", give("member")), as_person(acme, "admin", give("auditor")))
    assert not [result for result in results if isinstance(result, Exception)], results
    with tenant_scope(acme.organization):
        role = ProjectMembership.objects.select_related("role").get().role
    last = events(acme, "project_role.set")
    assert len(last) == 2
    assert {role.name} | {event.before.get("role") for event in last} == {"Member", "Auditor", None}


@pytest.mark.parametrize("time", TIMES)
def test_moves_in_opposite_directions_do_not_deadlock(time: int, acme: Tenant, globex: Tenant) -> None:
    """The same owner moves a project each way while somebody closes a login that both organizations know."""
    with tenant_scope(globex.organization):
        join_existing(globex, acme)
        there = make_project(globex, "search")

    def move(source: Tenant, target: Tenant, project: Project) -> Callable[[], Any]:
        def run() -> Project:
            with source.acting("mover") as actor:
                return transfer_project(
                    project=project, target_id=target.organization.pk, user=acme.people["mover"], actor=actor
                )

        return run

    with tenant_scope(acme.organization):
        here = make_project(acme, "billing")
    results = at_once(
        move(acme, globex, here),
        move(globex, acme, there),
        lambda: set_user_active(user=acme.viewer, active=False, actor=SYSTEM),
    )
    assert not [result for result in results if isinstance(result, Exception)], results
    with tenant_scope(acme.organization):
        assert set(Project.objects.values_list("slug", flat=True)) == {"chatbot", "search"}
    with tenant_scope(globex.organization):
        assert set(Project.objects.values_list("slug", flat=True)) == {"chatbot", "billing"}


def join_existing(there: Tenant, here: Tenant) -> None:
    """Make one person owner in both organizations; the first one's scope is open."""
    join(there, "mover", there.role("owner"))
    mover = here.people["mover"] = there.people["mover"]
    with tenant_scope(here.organization):
        add_member(
            organization=here.organization, user=mover, role=here.role("owner"), source=Source.MANUAL, actor=SYSTEM
        )
