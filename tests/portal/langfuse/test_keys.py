"""Keys in Langfuse's shape."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.key_format import new_public_id, new_secret
from accounts.models import ApiKey
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.models import Organization
from tenants.services.organizations import update_organization
from tests.accounts.api.stage import accepted, make_key, organization_key
from tests.people import Tenant, make_project
from tests.portal.langfuse.stage import TIME, Script, everything, script
from tests.tenants.stage import events

LISTED = {"id", "createdAt", "expiresAt", "lastUsedAt", "note", "publicKey", "displaySecretKey"}


def keys_of(tenant: Tenant) -> str:
    return f"/projects/{tenant.project.pk}/apiKeys"


def test_a_key_is_made_used_listed_and_deleted(acme: Tenant) -> None:
    caller = everything(acme)
    response = caller("POST", keys_of(acme), {"note": "CI\nof the assistant"})
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    made = response.json()
    assert made.keys() == {"id", "createdAt", "note", "publicKey", "secretKey", "displaySecretKey"}
    assert TIME.fullmatch(made["createdAt"])
    assert Script(made["publicKey"], made["secretKey"])("GET", "/projects").json()["data"][0]["name"] == "Chatbot"
    (listed,) = caller("GET", keys_of(acme)).json()["apiKeys"]
    assert listed.keys() == LISTED
    assert {name: listed[name] for name in made.keys() - {"secretKey"}} == {
        name: value for name, value in made.items() if name != "secretKey"
    }
    assert listed["expiresAt"] is None
    assert made["secretKey"] not in str(caller("GET", keys_of(acme)).content) + repr([vars(e) for e in events(acme)])
    gone = caller("DELETE", f"{keys_of(acme)}/{made['id']}")
    assert (gone.status_code, gone.json()) == (200, {"success": True})
    assert not accepted(made["secretKey"])
    assert caller("GET", keys_of(acme)).json() == {"apiKeys": []}
    again = caller("DELETE", f"{keys_of(acme)}/{made['id']}")
    assert (again.status_code, again.json()) == (404, {"message": "API key not found"})
    created = events(acme, "api_key.created")[-1]
    assert (created.actor_kind, created.via) == ("api_key", "api")


def test_a_key_needs_no_body(acme: Tenant) -> None:
    response = everything(acme)("POST", keys_of(acme))
    assert (response.status_code, response.json()["note"]) == (201, None)
    assert everything(acme)("POST", keys_of(acme), {}).status_code == 201


def test_a_new_key_has_the_data_scopes_of_the_key_that_asks(acme: Tenant) -> None:
    caller = script(organization_key(acme, "api_keys:manage", "traces:write", "traces:read", "members:manage"))
    made = caller("POST", keys_of(acme), {}).json()
    with tenant_scope(acme.organization):
        assert ApiKey.objects.get(pk=made["id"]).scopes == ["traces:read", "traces:write"]
    poor = script(organization_key(acme, "api_keys:manage", "members:manage", "projects:read"))
    refused = poor("POST", keys_of(acme), {})
    assert refused.status_code == 403
    assert "traces:write" in refused.json()["message"]


def test_a_predefined_pair_is_taken_once(acme: Tenant) -> None:
    pair = {
        "publicKey": new_public_id("project", "development"),
        "secretKey": new_secret("project", "development"),
    }
    caller = everything(acme)
    made = caller("POST", keys_of(acme), pair)
    assert made.status_code == 201
    assert {name: made.json()[name] for name in pair} == pair
    again = caller("POST", keys_of(acme), pair)
    assert again.status_code == 409
    assert again.json() == {"message": "API key with the provided publicKey or secretKey already exists"}


@pytest.mark.parametrize(
    "body",
    [
        {"note": 7},
        {"note": None},
        {"note": "x" * 1_001},
        {"publicKey": "gatepk_prj_x"},
        {"secretKey": "gatesk_prj_x"},
        {"publicKey": "pk-lf-1", "secretKey": "sk-lf-1"},
        {"publicKey": "gatepk_prj_x", "secretKey": "gatesk_prj_x"},
        {"publicKey": ["x"], "secretKey": {}},
        {"publicKey": new_public_id("project", "production"), "secretKey": new_secret("project", "production")},
        {"publicKey": new_public_id("organization", "development"), "secretKey": new_secret("project", "development")},
    ],
)
def test_what_is_wrong_is_refused(body: dict[str, Any], acme: Tenant) -> None:
    response = everything(acme)("POST", keys_of(acme), body)
    assert response.status_code == 400, response.content
    assert response.json()["message"]
    assert "details" in response.json() or response.json().keys() == {"message"}


def test_the_organizations_maximum_holds(acme: Tenant) -> None:
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        organization = Organization.objects.get()
        update_organization(
            organization=organization,
            name=organization.name,
            default_role=organization.default_role,
            project_naming_pattern="",
            project_naming_hint="",
            api_key_max_days=90,
            actor=SYSTEM,
        )
    scopes = ("api_keys:manage", "api_keys:read", "traces:write")
    caller = script(organization_key(acme, *scopes, expires_at=timezone.now() + timedelta(days=90)))
    assert caller("POST", keys_of(acme), {}).status_code == 201
    (listed,) = caller("GET", keys_of(acme)).json()["apiKeys"]
    assert TIME.fullmatch(listed["expiresAt"])


def test_a_key_gives_its_own_bounds_to_those_it_makes(acme: Tenant) -> None:
    ends = (timezone.now() + timedelta(days=30)).replace(microsecond=0)
    scopes = ("api_keys:manage", "api_keys:read", "traces:write")
    caller = script(organization_key(acme, *scopes, expires_at=ends, allowed_networks=["127.0.0.0/8"]))
    assert caller("POST", keys_of(acme), {}).status_code == 201
    (listed,) = caller("GET", keys_of(acme)).json()["apiKeys"]
    with tenant_scope(acme.organization):
        made = ApiKey.objects.get(pk=listed["id"])
    assert (made.expires_at, made.allowed_networks) == (ends, ["127.0.0.0/8"])


def test_a_key_of_another_project_or_kind_is_not_found(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        other = make_project(acme, "search")
    there, whole = make_key(acme, project=other), organization_key(acme, "projects:read")
    caller = everything(acme)
    for pk in (there.key.pk, whole.key.pk, uuid4(), "x", "%00"):
        assert caller("DELETE", f"{keys_of(acme)}/{pk}").status_code == 404
    assert accepted(there.secret)
    assert accepted(whole.secret)
    for project in (uuid4(), "nowhere", "x" * 300, "%00", "%F0%28"):
        assert caller("GET", f"/projects/{project}/apiKeys").status_code == 404


def test_the_keys_of_an_organization_are_listed(acme: Tenant) -> None:
    make_key(acme)
    caller = everything(acme)
    (listed,) = caller("GET", "/organizations/apiKeys").json()["apiKeys"]
    assert listed.keys() == LISTED
    assert listed["displaySecretKey"].startswith("gatesk...")
    assert listed["publicKey"].startswith("gatepk_org_")
