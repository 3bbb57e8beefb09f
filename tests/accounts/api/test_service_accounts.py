"""/api/v1/organizations/{organization}/service-accounts."""

from typing import Any
from uuid import uuid4

import pytest

from isolation.scope import tenant_scope
from tests.accounts.api.stage import accepted, make_key, organization_key, with_key
from tests.api.calls import by
from tests.people import Tenant, make_project
from tests.tenants.stage import custom_role, events, join

ACCOUNTS = "/organizations/acme/service-accounts"


def role_id(tenant: Tenant, key: str) -> str:
    with tenant_scope(tenant.organization):
        return str(tenant.role(key).pk)


@pytest.fixture
def account(acme: Tenant) -> dict[str, Any]:
    body = {"name": "Judge", "kind": "evaluator", "role": role_id(acme, "member")}
    response = by(acme.owner).post(ACCOUNTS, body)
    assert response.status_code == 201
    made: dict[str, Any] = response.json()
    return made


def test_a_stranger_finds_none(acme: Tenant, globex: Tenant, account: dict[str, Any]) -> None:
    key = with_key(organization_key(globex, "service_accounts:read", "service_accounts:manage").secret)
    for caller in (by(globex.owner), key):
        for method, path in (("GET", ""), ("GET", f"/{account['id']}"), ("DELETE", f"/{account['id']}")):
            assert caller(method, ACCOUNTS + path).status_code == 404
            own = caller(method, ACCOUNTS.replace("acme", "globex") + path)
            assert "Judge" not in own.content.decode()
    assert (
        by(globex.owner)
        .post(ACCOUNTS.replace("acme", "globex"), {"name": "Spy", "kind": "agent", "role": role_id(acme, "owner")})
        .status_code
        == 422
    )


def test_it_is_made_changed_and_deleted(acme: Tenant, account: dict[str, Any]) -> None:
    owner, address = by(acme.owner), f"{ACCOUNTS}/{account['id']}"
    assert [one["name"] for one in owner.get(f"{ACCOUNTS}?kind=evaluator&is_active=true").json()["data"]] == ["Judge"]
    assert owner.get(f"{ACCOUNTS}?name=Other").json()["data"] == []
    seen = owner.get(address)["ETag"]
    changed = owner.patch(address, {"description": "Scores answers", "role": role_id(acme, "viewer")}, if_match=seen)
    assert (changed.json()["role"]["key"], changed.json()["name"]) == ("viewer", "Judge")
    assert owner.patch(address, {"name": "Late"}, if_match=seen).status_code == 412
    assert owner.post(ACCOUNTS, {"name": "judge", "kind": "agent", "role": role_id(acme, "viewer")}).status_code == 409
    assert owner.delete(f"{address}?reason=Replaced").status_code == 204
    assert owner.get(address).status_code == 404
    assert events(acme, "service_account.deleted")[0].reason == "Replaced"


def test_its_keys_follow_it(acme: Tenant, account: dict[str, Any]) -> None:
    owner, keys = by(acme.owner), "/organizations/acme/api-keys"
    body = {"kind": "service_account", "name": "Nightly", "scopes": ["api_keys:read"], "service_account": account["id"]}
    issued = owner.post(keys, body).json()
    assert with_key(issued["secret"]).get(keys).status_code == 200
    address = f"{ACCOUNTS}/{account['id']}"
    owner.patch(address, {"role": role_id(acme, "viewer")})
    assert with_key(issued["secret"]).get(keys).status_code == 403
    owner.patch(address, {"role": role_id(acme, "member")})
    assert with_key(issued["secret"]).get(keys).status_code == 200
    assert owner.delete(address).status_code == 204
    assert not accepted(issued["secret"])


def test_a_role_in_a_project_replaces_its_own(acme: Tenant, account: dict[str, Any]) -> None:
    with tenant_scope(acme.organization):
        hidden = make_project(acme, "hidden")
    owner, roles = by(acme.owner), f"{ACCOUNTS}/{account['id']}/project-roles"
    given = owner.put(f"{roles}/{hidden.pk}", {"role": role_id(acme, "none")})
    assert (given.status_code, given.json()["project"]["slug"]) == (200, "hidden")
    assert owner.get(f"{roles}/{hidden.pk}")["ETag"] == given["ETag"]
    assert [one["role"]["key"] for one in owner.get(roles).json()["data"]] == ["none"]
    assert owner.get(f"{roles}/{acme.project.pk}").status_code == 404
    assert owner.put(f"{roles}/{acme.project.pk}", {"role": role_id(acme, "none")}, if_match='"x"').status_code == 412
    body = {"kind": "service_account", "name": "N", "scopes": ["projects:read"], "service_account": account["id"]}
    issued = owner.post("/organizations/acme/api-keys", body).json()
    projects = with_key(issued["secret"]).get("/organizations/acme/projects").json()["data"]
    assert [one["slug"] for one in projects] == ["chatbot"]
    assert owner.delete(f"{roles}/{hidden.pk}").status_code == 204
    assert len(with_key(issued["secret"]).get("/organizations/acme/projects").json()["data"]) == 2
    assert owner.put(f"{roles}/{uuid4()}", {"role": role_id(acme, "none")}).status_code == 404
    assert owner.get(f"{ACCOUNTS}/{uuid4()}/project-roles").status_code == 404


def test_nobody_gives_it_more_than_they_hold(acme: Tenant, account: dict[str, Any]) -> None:
    with tenant_scope(acme.organization):
        join(acme, "manager", custom_role(acme, "Manager", ["service_accounts:read", "service_accounts:manage"]))
    manager = by(acme.manager)
    for response in (
        manager.post(ACCOUNTS, {"name": "Mine", "kind": "agent", "role": role_id(acme, "owner")}),
        manager.patch(f"{ACCOUNTS}/{account['id']}", {"role": role_id(acme, "owner")}),
        manager.delete(f"{ACCOUNTS}/{account['id']}"),
    ):
        assert (response.status_code, response.json()["code"]) == (403, "above_own_permissions")


def test_a_key_manages_accounts_within_its_scopes(acme: Tenant) -> None:
    caller = with_key(organization_key(acme, "service_accounts:manage", "traces:read").secret)
    assert caller.get(ACCOUNTS).json()["permission"] == "service_accounts:read"
    refused = caller.post(ACCOUNTS, {"name": "Mine", "kind": "agent", "role": role_id(acme, "viewer")})
    assert refused.json()["code"] == "above_own_permissions"
    assert caller.post(ACCOUNTS, {"name": "Mine", "kind": "agent", "role": role_id(acme, "none")}).status_code == 201
    assert with_key(make_key(acme, "traces:read").secret).get(ACCOUNTS).status_code == 403


@pytest.mark.parametrize("body", [{}, {"name": "X", "kind": "robot"}, {"name": "X", "kind": "agent", "role": "Owner"}])
def test_a_wrong_body_is_refused(body: dict[str, Any], acme: Tenant) -> None:
    assert by(acme.owner).post(ACCOUNTS, body).status_code == 422
