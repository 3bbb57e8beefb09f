"""Who would gain or lose what: worked out beforehand, and the same as what happens afterwards."""

from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from isolation.scope import APP
from tenants.access import load_authority
from tenants.authority import GrantSource, MemberAuthority, RoleGrant
from tenants.mapping_preview import Mapping, authorities_of_group, effects, with_mapping
from tenants.permissions import P
from tenants.services.groups import add_group_member, create_group, set_group_role
from tenants.services.members import set_member_active, set_project_role
from tests.people import Tenant

ORGANIZATION, PROJECT = uuid4(), uuid4()
NOTHING: frozenset[P] = frozenset()
READ, WRITE = frozenset({P.TRACES_READ}), frozenset({P.TRACES_READ, P.TRACES_WRITE})


def member(*organization: RoleGrant, here: tuple[RoleGrant, ...] = ()) -> MemberAuthority:
    """Return an authority with roles in the organization, and in the project."""
    return MemberAuthority(ORGANIZATION, organization, {PROJECT: here} if here else {})


def grant(source: GrantSource, permissions: frozenset[P], group: str = "") -> RoleGrant:
    """Return a role of that source."""
    return RoleGrant(source, "Role", permissions, group)


def test_a_role_in_the_organization_adds() -> None:
    reader = member(grant(GrantSource.MEMBERSHIP, READ))
    (effect,) = effects([("ada", reader)], [Mapping("Staff", "Writer", WRITE)])

    assert (effect.person, effect.project_id) == ("ada", None)
    assert (effect.gained, effect.lost) == (WRITE - READ, NOTHING)
    assert effect.before == ("Role",)
    assert effect.after == ("Role", "Writer through the group Staff")


def test_the_role_that_the_group_gave_before_is_replaced() -> None:
    writer = member(grant(GrantSource.MEMBERSHIP, READ), grant(GrantSource.GROUP, WRITE, "Staff"))
    (effect,) = effects([("ada", writer)], [Mapping("Staff", "Reader", READ)])

    assert (effect.gained, effect.lost) == (NOTHING, WRITE - READ)


def test_the_role_of_another_group_stays() -> None:
    writer = member(grant(GrantSource.GROUP, WRITE, "Other"))

    assert effects([("ada", writer)], [Mapping("Staff", "Reader", READ)]) == []


def test_a_role_in_a_project_replaces_those_of_the_organization() -> None:
    writer = member(grant(GrantSource.MEMBERSHIP, WRITE))
    (effect,) = effects([("ada", writer)], [Mapping("Staff", "Reader", READ, PROJECT)])

    assert (effect.project_id, effect.lost) == (PROJECT, WRITE - READ)


def test_a_role_of_ones_own_in_the_project_wins() -> None:
    reader = member(here=(grant(GrantSource.PROJECT_MEMBERSHIP, READ),))

    assert with_mapping(reader, Mapping("Staff", "Writer", WRITE, PROJECT)) == reader


@pytest.mark.parametrize("in_project", [False, True])
def test_what_is_foretold_is_what_happens(acme: Tenant, *, in_project: bool) -> None:
    with acme.acting("owner") as owner:
        group = create_group(organization=acme.organization, name="Staff", actor=owner)
        for name in ("member", "viewer", "auditor", "none", "admin"):
            add_group_member(group=group, membership=acme.membership(name), actor=owner)
        set_project_role(
            membership=acme.membership("viewer"), project=acme.project, role=acme.role("admin"), actor=owner
        )
        set_member_active(membership=acme.membership("auditor"), active=False, actor=owner)
        role = acme.role("member")
        place = acme.project if in_project else None
        place_id: UUID | None = acme.project.pk if in_project else None
        members, more = authorities_of_group(group)
        foretold = {
            email: with_mapping(authority, Mapping("Staff", role.name, frozenset(role.permissions), place_id))
            for email, authority in members
        }

        set_group_role(group=group, role=role, project=place, actor=owner)
        assert not more
        assert set(foretold) == {f"{name}@acme.example" for name in ("member", "viewer", "none", "admin")}
        for name in ("member", "viewer", "none", "admin"):
            now = load_authority(acme.people[name].pk, acme.organization.pk)
            for where in (None, acme.project.pk):
                assert foretold[f"{name}@acme.example"].permissions_in(where) == now.permissions_in(where), name


def test_one_statement_reads_a_group_of_any_size(acme: Tenant, globex: Tenant) -> None:
    with acme.acting("owner") as owner:
        group = create_group(organization=acme.organization, name="Staff", actor=owner)
        for name in ("member", "viewer", "admin"):
            add_group_member(group=group, membership=acme.membership(name), actor=owner)
        with CaptureQueriesContext(connections[APP]) as captured:
            members, _ = authorities_of_group(group)
    assert len(captured) == 1
    assert len(members) == 3
    with globex.acting("owner"):
        assert authorities_of_group(group) == ([], False), "another organization's scope reads nothing"
