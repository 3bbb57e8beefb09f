"""Projects in Langfuse's shape."""

from typing import Any

import pytest

from accounts.services.service_accounts import create_service_account, set_service_account_project_role
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.models import Organization, Project
from tenants.services.organizations import update_organization
from tests.accounts.api.stage import accepted, make_key, organization_key
from tests.people import Tenant, make_project
from tests.portal.langfuse.stage import TIME, Script, everything, of_project, script
from tests.tenants.stage import at_once, events


def test_a_key_asks_where_it_belongs(acme: Tenant) -> None:
    response = of_project(acme)("GET", "/projects")
    assert response.status_code == 200
    assert response.json() == {
        "data": [
            {
                "id": str(acme.project.pk),
                "name": "Chatbot",
                "metadata": {},
                "organization": {"id": str(acme.organization.pk), "name": "Acme"},
            }
        ]
    }


def test_a_project_is_created_changed_and_deleted(acme: Tenant) -> None:
    caller = everything(acme)
    metadata = {"team": "a", "n": [1, None]}
    place = {"id": str(acme.organization.pk), "name": "Acme"}
    made = caller("POST", "/projects", {"name": "My Assistant", "retention": 0, "metadata": metadata})
    assert made.status_code == 201
    project = made.json()
    assert project == {"id": project["id"], "name": "My Assistant", "metadata": metadata, "organization": place}
    with tenant_scope(acme.organization):
        stored = Project.objects.get(pk=project["id"])
        assert (stored.slug, stored.environment) == ("my-assistant", "production")
    changed = caller("PUT", f"/projects/{project['id']}", {"name": "Helper", "more": 1})
    assert (changed.status_code, changed.json()) == (200, {**project, "name": "Helper"})
    emptied = caller("PUT", f"/projects/{project['id']}", {"name": "Helper", "metadata": {}, "retention": None})
    assert emptied.json()["metadata"] == {}
    gone = caller("DELETE", f"/projects/{project['id']}")
    assert gone.status_code == 202
    assert gone.json() == {
        "success": True,
        "message": "Project deletion has been initiated and is being processed asynchronously",
    }
    for method, path in (("PUT", ""), ("DELETE", ""), ("GET", "/apiKeys"), ("GET", "/memberships")):
        assert caller(method, f"/projects/{project['id']}{path}", {"name": "Again"}).status_code == 404
    actions = [event.action for event in events(acme) if event.via == "api"]
    assert actions == ["project.created", "project.updated", "project.updated", "project.deletion_requested"]


def test_deleting_a_project_ends_its_keys(acme: Tenant) -> None:
    key, other = make_key(acme), organization_key(acme, "projects:read")
    assert everything(acme)("DELETE", f"/projects/{acme.project.pk}").status_code == 202
    assert not accepted(key.secret)
    assert accepted(other.secret)


def test_who_may_not_end_the_keys_deletes_nothing(acme: Tenant) -> None:
    key = make_key(acme)
    caller = script(organization_key(acme, "projects:delete"))
    assert caller("DELETE", f"/projects/{acme.project.pk}").status_code == 403
    assert accepted(key.secret)
    with tenant_scope(acme.organization):
        assert not Project.objects.get(pk=acme.project.pk).is_being_deleted


def test_a_project_is_addressed_by_its_identifier_too(acme: Tenant) -> None:
    assert everything(acme)("GET", "/projects/chatbot/apiKeys").status_code == 200


@pytest.mark.parametrize("name", [None, "", "ab", "x" * 61, 7, ["abc"], "<b>bold</b>"])
def test_a_name_that_langfuse_refuses(name: Any, acme: Tenant) -> None:
    for method, path in (("POST", "/projects"), ("PUT", f"/projects/{acme.project.pk}")):
        response = everything(acme)(method, path, {"name": name})
        assert response.status_code == 400
        assert response.json() == {"message": "Invalid project name. Should be between 3 and 60 characters."}


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"metadata": None}, 400),
        ({"metadata": []}, 400),
        ({"metadata": "not json"}, 400),
        ({"metadata": "[1]"}, 400),
        ({"metadata": '{"a": 1}'}, 201),
        ({"metadata": '{"a": "\\u0000"}'}, 400),
        ({"metadata": '{"a": "\\ud800"}'}, 400),
        ({"metadata": '{"a": NaN}'}, 400),
        ({"metadata": "[" * 100_000}, 400),
        ({"metadata": {"a": "x" * 9_000}}, 400),
        ({"metadata": {"a": [[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]}}, 400),
        ({"retention": 1}, 400),
        ({"retention": -3}, 400),
        ({"retention": 3.5}, 400),
        ({"retention": "x"}, 400),
        ({"retention": "nan"}, 400),
        ({"retention": {}}, 201),
        ({"retention": "0"}, 201),
        ({"retention": 30}, 403),
    ],
)
def test_metadata_and_retention(values: dict[str, Any], status: int, acme: Tenant) -> None:
    response = everything(acme)("POST", "/projects", {"name": "Assistant", **values})
    assert response.status_code == status, response.content
    if status != 201:
        assert response.json().keys() == {"message"}


def test_two_projects_of_one_name_are_refused_even_at_once(acme: Tenant) -> None:
    callers = [everything(acme) for _ in range(2)]
    responses = at_once(*(lambda caller=caller: caller("POST", "/projects", {"name": "Twice"}) for caller in callers))
    assert sorted(response.status_code for response in responses) == [201, 409]
    refused = next(response for response in responses if response.status_code == 409)
    assert refused.json() == {"message": "A project with this name already exists in your organization"}


def test_names_of_the_same_letters_get_identifiers_of_their_own(acme: Tenant) -> None:
    caller = everything(acme)
    for name in ("Chat bot", "Chat-Bot", "chat bot", "日本語", "日本人", "x" * 60, "_-_"):
        assert caller("POST", "/projects", {"name": name}).status_code == 201, name
    with tenant_scope(acme.organization):
        slugs = set(Project.objects.values_list("slug", flat=True))
    assert {"chat-bot", "chat-bot-2", "chat-bot-3", "project", "project-2", "project-3"} <= slugs


def test_an_identifier_that_the_pattern_refuses_is_named(acme: Tenant) -> None:
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        organization = Organization.objects.get()
        update_organization(
            organization=organization,
            name=organization.name,
            default_role=organization.default_role,
            project_naming_pattern="[a-z]+-prod",
            project_naming_hint="chatbot-prod",
            actor=SYSTEM,
        )
    caller = everything(acme)
    refused = caller("POST", "/projects", {"name": "Assistant"})
    assert refused.status_code == 400
    assert "assistant" in refused.json()["message"]
    assert "chatbot-prod" in refused.json()["message"]
    assert caller("POST", "/projects", {"name": "Assistant prod"}).status_code == 201


def test_the_projects_of_an_organization_are_listed(acme: Tenant, globex: Tenant) -> None:
    with tenant_scope(acme.organization):
        make_project(acme, "search")
    listed = everything(acme)("GET", "/organizations/projects?page=1").json()["projects"]
    assert [one["name"] for one in listed] == ["Chatbot", "Search"]
    for one in listed:
        assert one.keys() == {"id", "name", "metadata", "createdAt", "updatedAt"}
        assert TIME.fullmatch(one["createdAt"])


def test_a_service_account_sees_what_its_roles_show(acme: Tenant) -> None:
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        hidden = make_project(acme, "hidden")
        account = create_service_account(
            organization=acme.organization, name="Terraform", kind="service", role=acme.role("admin"), actor=SYSTEM
        )
        set_service_account_project_role(account=account, project=hidden, role=acme.role("none"), actor=SYSTEM)
    scopes = ["projects:read", "api_keys:read", "projects:manage"]
    caller = script(make_key(acme, *scopes, kind="service_account", service_account=account))
    listed = caller("GET", "/organizations/projects").json()["projects"]
    assert [one["name"] for one in listed] == ["Chatbot"]
    assert caller("GET", f"/projects/{hidden.pk}/apiKeys").status_code == 404
    assert caller("PUT", f"/projects/{hidden.pk}", {"name": "Mine"}).status_code == 404


@pytest.mark.parametrize("query", ["", "?failIfDatabaseUnavailable=true", "?failIfNoRecentEvents=true"])
def test_health(query: str, db: None) -> None:
    for path in ("/health", "/ready"):
        response = Script()("GET", f"{path}{query}")
        assert (response.status_code, response.json()["status"]) == (200, "OK")
        assert response.json()["version"].count(".") == 2
