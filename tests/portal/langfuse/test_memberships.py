"""Memberships in Langfuse's shape."""

from typing import Any
from uuid import uuid4

import pytest

from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.models import Membership, ProjectMembership
from tenants.permissions import BUILTIN_ROLES, BuiltinRole
from tenants.services.members import set_member_active
from tests.accounts.api.stage import organization_key
from tests.people import Tenant
from tests.portal.langfuse.stage import everything, script
from tests.tenants.stage import at_once, custom_role, join

MEMBERS = "/organizations/memberships"


def roles(tenant: Tenant, path: str = MEMBERS) -> dict[str, str]:
    response = everything(tenant)("GET", path)
    assert response.status_code == 200
    for one in response.json()["memberships"]:
        assert one.keys() == {"userId", "role", "email", "name"}
    return {one["email"].partition("@")[0]: one["role"] for one in response.json()["memberships"]}


def test_the_members_are_listed_by_langfuses_roles(acme: Tenant) -> None:
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        join(acme, "writer", custom_role(acme, "Writer", ["traces:write"]))
        join(
            acme, "lead", custom_role(acme, "Lead", [*BUILTIN_ROLES[BuiltinRole.MEMBER].permissions, "members:invite"])
        )
        set_member_active(membership=acme.membership("viewer"), active=False, actor=SYSTEM)
    assert roles(acme) == {
        "owner": "OWNER",
        "admin": "ADMIN",
        "member": "MEMBER",
        "auditor": "NONE",
        "none": "NONE",
        "writer": "NONE",
        "lead": "MEMBER",
    }


def test_a_role_is_given(acme: Tenant) -> None:
    caller = everything(acme)
    response = caller("PUT", MEMBERS, {"userId": str(acme.viewer.pk), "role": "ADMIN", "more": 1})
    assert response.status_code == 200
    assert response.json() == {
        "userId": str(acme.viewer.pk),
        "role": "ADMIN",
        "email": acme.viewer.email,
        "name": acme.viewer.name,
    }
    assert roles(acme)["viewer"] == "ADMIN"


def test_what_looks_right_already_is_left_as_it_is(acme: Tenant) -> None:
    """A script that writes back what it read does not flatten a custom role."""
    with tenant_scope(acme.organization):
        join(acme, "writer", custom_role(acme, "Writer", ["traces:write"]))
    assert everything(acme)("PUT", MEMBERS, {"userId": str(acme.writer.pk), "role": "NONE"}).status_code == 200
    with tenant_scope(acme.organization):
        assert acme.membership("writer").role.name == "Writer"


def test_an_inactive_member_comes_back(acme: Tenant) -> None:
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        set_member_active(membership=acme.membership("viewer"), active=False, actor=SYSTEM)
    assert everything(acme)("PUT", MEMBERS, {"userId": str(acme.viewer.pk), "role": "MEMBER"}).status_code == 200
    assert roles(acme)["viewer"] == "MEMBER"


def test_nobody_is_put_into_an_organization_unasked(acme: Tenant, globex: Tenant) -> None:
    caller = everything(acme)
    for user in (str(globex.owner.pk), str(uuid4()), "cm1234", "", "\u00e4" * 500):
        response = caller("PUT", MEMBERS, {"userId": user, "role": "VIEWER"})
        assert (response.status_code, response.json()) == (404, {"error": "User not found"})
    with tenant_scope(acme.organization):
        assert not Membership.objects.filter(user=globex.owner).exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"role": "VIEWER"},
        {"userId": 7, "role": "VIEWER"},
        {"userId": "x"},
        {"userId": "x", "role": "viewer"},
        {"userId": "x", "role": ["OWNER"]},
        {"userId": None, "role": None},
    ],
)
def test_a_malformed_body_is_refused_with_details(body: dict[str, Any], acme: Tenant) -> None:
    for path in (MEMBERS, f"/projects/{acme.project.pk}/memberships"):
        response = everything(acme)("PUT", path, body)
        assert (response.status_code, response.json()["error"]) == (400, "Invalid request body")
        assert response.json()["details"][0]["path"]


def test_a_member_is_removed_once_and_a_second_time_is_no_error(acme: Tenant) -> None:
    caller = everything(acme)
    for _ in range(2):
        response = caller("DELETE", MEMBERS, {"userId": str(acme.viewer.pk)})
        assert response.status_code == 200
        assert response.json() == {"message": "Membership deleted successfully", "userId": str(acme.viewer.pk)}
    assert "viewer" not in roles(acme)
    assert caller("DELETE", MEMBERS, {"userId": "nobody"}).status_code == 200
    assert caller("DELETE", MEMBERS, {}).status_code == 400


def test_the_last_owner_stays(acme: Tenant) -> None:
    caller = everything(acme)
    for method, body in (("DELETE", {}), ("PUT", {"role": "ADMIN"})):
        response = caller(method, MEMBERS, {"userId": str(acme.owner.pk), **body})
        assert response.status_code == 409
        assert "owner" in response.json()["error"]
    assert roles(acme)["owner"] == "OWNER"


def test_of_two_last_owners_one_stays(acme: Tenant) -> None:
    caller = everything(acme)
    caller("PUT", MEMBERS, {"userId": str(acme.admin.pk), "role": "OWNER"})
    responses = at_once(
        *(
            lambda user=user: everything(acme)("DELETE", MEMBERS, {"userId": str(user.pk)})
            for user in (acme.owner, acme.admin)
        )
    )
    assert sorted(response.status_code for response in responses) == [200, 409]
    assert list(roles(acme).values()).count("OWNER") == 1


def test_a_key_gives_and_takes_no_more_than_its_scopes(acme: Tenant) -> None:
    caller = script(organization_key(acme, "members:manage", "projects:manage", "members:read"))
    place = f"/projects/{acme.project.pk}/memberships"
    for method, path, body in (
        ("PUT", MEMBERS, {"role": "OWNER"}),
        ("DELETE", MEMBERS, {}),
        ("PUT", place, {"role": "ADMIN"}),
    ):
        response = caller(method, path, {"userId": str(acme.viewer.pk), **body})
        assert response.status_code == 403, (method, path)
        assert "not allowed yourself" in response.json()["error"]
    assert roles(acme)["viewer"] == "VIEWER"


def test_a_role_in_a_project_is_given_and_taken(acme: Tenant) -> None:
    caller, place = everything(acme), f"/projects/{acme.project.pk}/memberships"
    assert roles(acme, place) == {}
    given = caller("PUT", place, {"userId": str(acme.viewer.pk), "role": "MEMBER"})
    assert (given.status_code, given.json()["role"], given.json()["email"]) == (200, "MEMBER", acme.viewer.email)
    assert roles(acme, place) == {"viewer": "MEMBER"}
    assert caller("PUT", place, {"userId": str(acme.viewer.pk), "role": "NONE"}).json()["role"] == "NONE"
    taken = caller("DELETE", place, {"userId": str(acme.viewer.pk)})
    assert taken.json() == {
        "message": "Project membership deleted successfully",
        "userId": str(acme.viewer.pk),
    }
    again = caller("DELETE", place, {"userId": str(acme.viewer.pk)})
    assert (again.status_code, again.json()) == (404, {"error": "Project membership not found"})


def test_only_members_get_a_role_in_a_project(acme: Tenant, globex: Tenant) -> None:
    caller = everything(acme)
    response = caller(
        "PUT", f"/projects/{acme.project.pk}/memberships", {"userId": str(globex.owner.pk), "role": "VIEWER"}
    )
    assert (response.status_code, response.json()) == (404, {"error": "User is not a member of this organization"})
    nowhere = caller("GET", f"/projects/{globex.project.pk}/memberships")
    assert nowhere.status_code == 404
    assert nowhere.json() == {"error": "Project not found or does not belong to this organization"}
    with tenant_scope(acme.organization):
        assert not ProjectMembership.objects.exists()
