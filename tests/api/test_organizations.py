"""Organizations by API: mine, one, its settings, its deletion."""

import inspect
from typing import Any

import pytest

from accounts.models import User
from audit.models import Event
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.api.groups import GroupChange
from tenants.api.organizations import OrganizationChange
from tenants.api.projects import ProjectChange
from tenants.api.roles import RoleChange
from tenants.models import Organization
from tenants.models.installation import WhoMayCreate
from tenants.services.groups import update_group
from tenants.services.installation import update_installation_settings
from tenants.services.organizations import suspend_organization, update_organization
from tenants.services.projects import update_project
from tenants.services.roles import update_role
from tests.api.calls import anybody, by
from tests.people import Tenant


def stored(tenant: Tenant) -> Organization:
    with tenant_scope(tenant.organization):
        found: Organization = Organization.objects.get()
        return found


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_strangers_organization_and_none_at_all_are_the_same(method: str, acme: Tenant, stranger: User) -> None:
    caller = by(stranger)
    for reference in (acme.organization.slug, str(acme.organization.pk)):
        theirs, nobodys = (caller(method, f"/organizations/{one}").json() for one in (reference, "no-such-place"))
        assert theirs | {"request_id": ""} == nobodys | {"request_id": ""}
        assert theirs["status"] == 404
    assert stored(acme).purge_at is None


def test_nobody_in_particular_is_refused_before_anything_else(acme: Tenant) -> None:
    for method in ("GET", "PATCH", "DELETE", "PUT"):
        assert anybody()(method, "/organizations/acme").status_code == 401


def test_an_operator_is_a_person_like_any_other(acme: Tenant, operator: User) -> None:
    assert by(operator).get("/organizations/acme").status_code == 404
    assert by(operator).get("/organizations").json()["data"] == []


def test_a_suspended_organization_is_closed(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        suspend_organization(organization=acme.organization, actor=SYSTEM, reason="Unpaid.")
    response = by(acme.owner).get("/organizations/acme")
    assert (response.status_code, response.json()["code"]) == (403, "organization_suspended")
    assert "Unpaid" in response.json()["detail"]


def test_an_organization_by_slug_and_by_id(acme: Tenant) -> None:
    caller = by(acme.viewer)
    answer = caller.get("/organizations/acme").json()
    assert answer == caller.get(f"/organizations/{acme.organization.pk}").json()
    assert answer["slug"] == "acme"
    assert answer["default_role"]["key"] == "member"


def test_the_refusal_names_the_permission_and_who_can_grant_it(acme: Tenant) -> None:
    response = by(acme.viewer).patch("/organizations/acme", {"name": "Mine"})
    problem = response.json()
    assert (response.status_code, problem["code"]) == (403, "permission_missing")
    assert problem["permission"] == "organization:manage"
    assert [one["email"] for one in problem["granted_by"]] == [acme.owner.email, acme.admin.email]
    assert stored(acme).name == "Acme"
    with tenant_scope(acme.organization):
        denied = Event.objects.get(action="access.denied")
    assert (denied.actor_id, denied.via, denied.request_id) == (acme.viewer.pk, "api", problem["request_id"])


def test_a_change_of_one_setting_leaves_the_others(acme: Tenant) -> None:
    caller = by(acme.admin)
    settings = {"project_naming_pattern": "[a-z]+-prod", "project_naming_hint": "bot-prod", "api_key_max_days": 90}
    before = caller.patch("/organizations/acme", settings).json()
    assert before.items() >= settings.items()
    response = caller.patch("/organizations/acme", {"name": "Acme Research"})
    assert response.status_code == 200
    assert response.json() == before | {"name": "Acme Research"}
    assert (stored(acme).project_naming_pattern, stored(acme).api_key_max_days) == ("[a-z]+-prod", 90)
    with tenant_scope(acme.organization):
        event = Event.objects.filter(action="organization.updated").latest("time")
    assert (event.via, event.actor_id, event.after) == ("api", acme.admin.pk, {"name": "Acme Research"})


@pytest.mark.parametrize(
    ("service", "body"),
    [
        (update_organization, OrganizationChange),
        (update_project, ProjectChange),
        (update_group, GroupChange),
        (update_role, RoleChange),
    ],
    ids=["organization", "project", "group", "role"],
)
def test_what_a_service_changes_can_be_sent(service: Any, body: Any) -> None:
    """A setting that the API forgot would fall back to its default with every change of another."""
    parameters = inspect.signature(service).parameters.keys() - {"organization", "project", "group", "role", "actor"}
    assert parameters == body().fields.keys()


def test_a_rule_of_the_domain_is_told_at_its_member(acme: Tenant) -> None:
    response = by(acme.owner).patch("/organizations/acme", {"project_naming_pattern": "("})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "#/project_naming_pattern"


def test_another_organizations_role_is_none(acme: Tenant, globex: Tenant) -> None:
    with tenant_scope(globex.organization):
        foreign = str(globex.role("viewer").pk)
    response = by(acme.owner).patch("/organizations/acme", {"default_role": foreign})
    assert response.status_code == 422
    assert response.json()["errors"][0]["code"] == "does_not_exist"


def test_an_organization_is_deleted_in_two_steps(acme: Tenant) -> None:
    caller = by(acme.owner)
    response = caller.delete("/organizations/acme?reason=Moved%20away")
    assert response.status_code == 202
    assert response.json()["purge_at"]
    assert caller.delete("/organizations/acme").json()["code"] == "already_scheduled"
    assert caller.post("/organizations/acme/restore").json()["purge_at"] is None
    assert caller.post("/organizations/acme/restore").status_code == 409
    with tenant_scope(acme.organization):
        assert Event.objects.get(action="organization.deletion_requested").reason == "Moved away"
    assert by(acme.admin).delete("/organizations/acme").status_code == 403


def test_anybody_creates_an_organization_where_the_installation_lets_them(stranger: User) -> None:
    caller = by(stranger)
    response = caller.post("/organizations", {"slug": "initech", "name": "Initech"})
    assert response.status_code == 201
    assert caller.get(response["Location"].removeprefix("/api/v1")).json() == response.json()
    assert [one["slug"] for one in caller.get("/organizations").json()["data"]] == ["globex", "initech"]
    assert caller.post("/organizations", {"slug": "initech", "name": "Again"}).status_code == 409
    refused = caller.post("/organizations", {"slug": "Initech", "name": ""})
    assert [one["pointer"] for one in refused.json()["errors"]] == ["#/name"]
    update_installation_settings(organization_creation=WhoMayCreate.OPERATORS, actor=SYSTEM)
    assert caller.post("/organizations", {"slug": "hooli", "name": "Hooli"}).json()["code"] == "creation_closed"
