"""Roles and projects in bodies and filters: by id, or by key and slug."""

from typing import Any
from uuid import uuid4

import pytest

from isolation.scope import tenant_scope
from tests.accounts.api.stage import organization_key, with_key
from tests.api.calls import by
from tests.people import Tenant, make_project
from tests.tenants.stage import custom_role

ACME = "/organizations/acme"


@pytest.fixture
def foreign(globex: Tenant) -> dict[str, list[str]]:
    """Return what names a custom role and a project of another organization."""
    with tenant_scope(globex.organization):
        role = custom_role(globex, "Globex only", ["traces:read"])
        project = make_project(globex, "globex-only")
    return {"role": [str(role.pk), role.key], "project": [str(project.pk), project.slug]}


def invited(acme: Tenant, caller: Any = None, **values: Any) -> Any:
    body = {"email": "grace@acme.example", "role": "viewer"} | values
    return (caller or by(acme.owner)).post(f"{ACME}/invitations", body)


def test_what_is_foreign_reads_as_what_is_nowhere(acme: Tenant, foreign: dict[str, list[str]]) -> None:
    for name, extra in (("role", {}), ("project", {"project_role": "viewer"})):
        answers = []
        for text in (*foreign[name], str(uuid4()), "nowhere"):
            response = invited(acme, **extra, **{name: text})
            assert response.status_code == 422, response.json()
            answers.append(response.json()["errors"])
        assert all(errors == answers[0] for errors in answers)
        assert answers[0][0]["code"] == "does_not_exist"
    for path in ("members?role=", "api-keys?project="):
        for text in (*foreign[path.rpartition("?")[2][:-1]], str(uuid4()), "nowhere"):
            assert by(acme.owner).get(f"{ACME}/{path}{text}").json()["data"] == []


def test_a_project_that_is_not_seen_is_not_named(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        hidden = make_project(acme, "hidden")
    caller = with_key(organization_key(acme, "members:invite", "traces:read").secret)
    unseen, nowhere = (
        invited(acme, caller, role="none", project=text, project_role="none") for text in (hidden.slug, "nowhere")
    )
    assert unseen.status_code == nowhere.status_code == 422
    assert unseen.json()["errors"] == nowhere.json()["errors"]


@pytest.mark.parametrize("form", ["id", "name"])
def test_a_role_and_a_project_by_either_form(form: str, acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        own, viewer = custom_role(acme, "Reviewer", ["traces:read"]), acme.role("viewer")
    named = {row: str(row.pk) if form == "id" else text for row, text in ((own, own.key), (viewer, "viewer"))}
    project = str(acme.project.pk) if form == "id" else acme.project.slug
    made = invited(acme, role=named[own], project=project, project_role=named[viewer])
    assert made.status_code == 201, made.json()
    shown = made.json()
    assert (shown["role"]["key"], shown["project_role"]["key"]) == (own.key, "viewer")
    assert shown["project"]["slug"] == acme.project.slug
    caller = by(acme.owner)
    assert caller.patch(ACME, {"default_role": named[own]}).json()["default_role"]["key"] == own.key
    key = {"kind": "project", "name": "Ingestion", "scopes": ["traces:write"], "project": project}
    made = caller.post(f"{ACME}/api-keys", key)
    assert made.status_code == 201, made.json()
    found = caller.get(f"{ACME}/api-keys?project={project}").json()["data"]
    assert [one["id"] for one in found] == [made.json()["id"]]
    assert {one["role"]["key"] for one in caller.get(f"{ACME}/members?role={named[viewer]}").json()["data"]} == {
        "viewer"
    }
    path = f"{ACME}/projects/{acme.project.slug}/roles"
    assert caller.get(f"{path}?role={named[viewer]}").status_code == 200
    assert caller.get(f"{ACME}/explain?permission=traces:read&project={project}").status_code == 200


def test_an_upper_case_id_is_still_one(acme: Tenant) -> None:
    assert invited(acme, project=str(acme.project.pk).upper(), project_role="viewer").status_code == 201


@pytest.mark.parametrize("text", ["Project Viewer", "Viewer", "viewer\n", "-viewer", "é", "x" * 64, "", 7, ["viewer"]])
def test_what_is_neither_is_told_both_forms(text: Any, acme: Tenant) -> None:
    for name, form in (("role", "key"), ("project", "slug")):
        response = invited(acme, **{name: text})
        (error,) = (one for one in response.json()["errors"] if one["pointer"] == f"#/{name}")
        assert (response.status_code, error["code"]) == (422, "invalid")
        assert f"neither an id nor a {form}" in error["detail"]
