"""Who may use the endpoints that provisioning scripts for Langfuse call."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.services.api_keys import revoke_api_key
from accounts.services.platform_keys import create_platform_key
from accounts.services.users import operator_actor
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.services.organizations import suspend_organization
from tests.accounts.api.stage import accepted, make_key, organization_key
from tests.people import Tenant, signed_in
from tests.portal.langfuse.stage import Script, everything, of_project, script
from tests.tenants.stage import events

NEEDS = {
    ("POST", "/projects"): "projects:create",
    ("PUT", "/projects/{project}"): "projects:manage",
    ("DELETE", "/projects/{project}"): "projects:delete",
    ("GET", "/projects/{project}/apiKeys"): "api_keys:read",
    ("POST", "/projects/{project}/apiKeys"): "api_keys:manage",
    ("DELETE", "/projects/{project}/apiKeys/{key}"): "api_keys:manage",
    ("GET", "/projects/{project}/memberships"): "members:read",
    ("PUT", "/projects/{project}/memberships"): "projects:manage",
    ("DELETE", "/projects/{project}/memberships"): "projects:manage",
    ("GET", "/organizations/projects"): "projects:read",
    ("GET", "/organizations/apiKeys"): "api_keys:read",
    ("GET", "/organizations/memberships"): "members:read",
    ("PUT", "/organizations/memberships"): "members:manage",
    ("DELETE", "/organizations/memberships"): "members:manage",
}
BODY: dict[str, Any] = {"name": "Assistant", "role": "VIEWER"}


def filled(path: str, tenant: Tenant, key: Any) -> str:
    return path.replace("{project}", str(tenant.project.pk)).replace("{key}", str(key.pk))


def error_of(response: Any) -> str:
    body = response.json()
    assert len(body.keys() & {"message", "error"}) == 1, body
    return str(body.get("message") or body.get("error"))


@pytest.fixture
def target(acme: Tenant) -> Any:
    return make_key(acme)


@pytest.mark.parametrize(("method", "path"), NEEDS)
def test_a_strangers_key_meets_nothing_of_acme(
    method: str, path: str, acme: Tenant, globex: Tenant, target: Any
) -> None:
    body = BODY | {"userId": str(acme.member.pk)}
    response = everything(globex)(method, filled(path, acme, target.key), None if method == "GET" else body)
    assert "acme" not in response.content.decode().lower()
    if "{project}" in path:
        assert response.status_code == 404
    assert accepted(target.secret)
    with tenant_scope(acme.organization):
        assert acme.membership("member").role.key == "member"
    assert not [event for event in events(acme) if event.via == "api"]


@pytest.mark.parametrize(("method", "path"), [*NEEDS, ("GET", "/projects")])
def test_nobody_in_particular_and_a_session_get_in_nowhere(method: str, path: str, acme: Tenant, target: Any) -> None:
    address = filled(path, acme, target.key)
    response = Script()(method, address, None if method == "GET" else BODY)
    assert (response.status_code, error_of(response)) == (401, "No authorization header")
    browser = getattr(signed_in(acme.owner), method.lower())(f"/api/public{address}")
    assert browser.status_code == 401


@pytest.mark.parametrize(("method", "path"), NEEDS)
def test_a_projects_key_is_not_for_the_organization(method: str, path: str, acme: Tenant, target: Any) -> None:
    scopes = ["projects:read", "projects:manage", "projects:delete", "api_keys:read", "api_keys:manage"]
    response = of_project(acme, *scopes)(method, filled(path, acme, target.key), None if method == "GET" else BODY)
    assert (response.status_code, error_of(response)) == (
        403,
        "Invalid API key. Organization-scoped API key required for this operation.",
    )


@pytest.mark.parametrize(("method", "path"), NEEDS)
def test_each_needs_its_scope(method: str, path: str, acme: Tenant, target: Any) -> None:
    others = {"projects:read", "traces:write", *NEEDS.values()} - {NEEDS[method, path]}
    lacking = script(organization_key(acme, *others))
    response = lacking(method, filled(path, acme, target.key), None if method == "GET" else BODY)
    assert response.status_code == 403
    assert NEEDS[method, path] in error_of(response)
    assert [event.action for event in events(acme) if event.outcome == "denied"] == ["access.denied"]


def test_an_organizations_key_is_not_for_a_project(acme: Tenant) -> None:
    response = everything(acme)("GET", "/projects")
    assert (response.status_code, error_of(response)) == (403, "Invalid API key. Are you using an organization key?")


def test_wrong_pairs_are_refused(acme: Tenant) -> None:
    first, second = organization_key(acme, "projects:read"), organization_key(acme, "projects:read")
    ended = organization_key(acme, "projects:read")
    with tenant_scope(acme.organization):
        revoke_api_key(key=ended.key, actor=SYSTEM)
    with acting_as(SYSTEM):
        platform = create_platform_key(name="Verifier", actor=SYSTEM)
    assert script(first)("GET", "/organizations/projects").status_code == 200
    for wrong in (
        Script(second.public_id, first.secret),
        Script(first.public_id, first.public_id),
        Script("pk-lf-1234567890", "sk-lf-1234567890"),
        Script(first.public_id, first.secret[:-1] + "?"),
        script(ended),
    ):
        response = wrong("GET", "/organizations/projects")
        assert response.status_code == 401
        assert error_of(response).startswith("Invalid credentials.")
    assert script(platform)("GET", "/organizations/projects").status_code == 403


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!!", "Basic Og==", "Negotiate x", "Bearer pk-lf-1", "Basic \x00"]
)
def test_malformed_headers_are_refused(header: str, db: None) -> None:
    response = Client(headers={"Authorization": header}).get("/api/public/organizations/projects")
    assert response.status_code == 401
    assert error_of(response)


def test_a_suspended_organization_is_closed(acme: Tenant, operator: User) -> None:
    caller = everything(acme)
    with tenant_scope(acme.organization):
        suspend_organization(organization=acme.organization, reason="Unpaid", actor=operator_actor(operator))
    assert caller("GET", "/organizations/projects").status_code == 403


def test_too_many_requests_are_told_when_to_go_on(acme: Tenant, settings: Any) -> None:
    settings.API_RATE_PER_KEY = 1
    caller = everything(acme)
    assert caller("GET", "/organizations/projects").status_code == 200
    limited = caller("GET", "/organizations/projects")
    assert limited.status_code == 429
    assert int(limited["Retry-After"]) > 0
    assert error_of(limited)


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", "/projects"), ("POST", "/organizations/apiKeys"), ("GET", "/projects/x")]
)
def test_other_methods_are_refused(method: str, path: str, acme: Tenant) -> None:
    response = everything(acme)(method, path, None if method == "GET" else {})
    assert (response.status_code, error_of(response)) == (405, "Method not allowed")


def test_what_gatehouse_does_not_have_is_named(acme: Tenant) -> None:
    for path in ("/traces", "/scim/Users", "/ingestion", "/projects/x/y/z", "/"):
        response = everything(acme)("POST", path, {})
        assert response.status_code == 404
        assert "docs/langfuse.md" in error_of(response)


@pytest.mark.parametrize("body", ['{"name":', "[]", '"x"', "7", "null", '{"name": "\\u0000abc"}', "\xff", "[" * 5_000])
@pytest.mark.parametrize(("method", "path"), [("POST", "/projects"), ("PUT", "/organizations/memberships")])
def test_a_malformed_body_is_refused(method: str, path: str, body: str, acme: Tenant) -> None:
    caller = everything(acme)
    client = Client(headers=caller.headers)
    sent = body.encode("latin-1")
    response = client.generic(method, f"/api/public{path}", sent, content_type="application/json")
    assert response.status_code == 400
    assert error_of(response)


def test_the_organizations_document_of_the_api_does_not_show_them(db: None) -> None:
    paths = Client().get("/api/v1/openapi.json").json()["paths"]
    assert not [path for path in paths if "public" in path]
