"""Which verb needs which permission, and what a refusal says."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpResponseForbidden

from isolation.exceptions import MissingPermission
from isolation.scope import tenant_scope
from tenants.models import Project
from tenants.permissions import P
from tests.console import stage

PROJECTS = "/tenants/project/"
FORM = {
    "slug": "new",
    "name": "New",
    "environment": "production",
    "project_memberships-TOTAL_FORMS": 0,
    "project_memberships-INITIAL_FORMS": 0,
}


@pytest.mark.parametrize(
    ("held", "method", "url", "lacking"),
    [
        ((), "get", PROJECTS, P.PROJECTS_READ),
        ((P.PROJECTS_READ,), "get", f"{PROJECTS}add/", P.PROJECTS_CREATE),
        ((P.PROJECTS_READ,), "post", f"{PROJECTS}add/", P.PROJECTS_CREATE),
        ((), "get", f"{PROJECTS}{{pk}}/change/", P.PROJECTS_READ),
        ((P.PROJECTS_READ,), "post", f"{PROJECTS}{{pk}}/change/", P.PROJECTS_MANAGE),
        ((P.PROJECTS_READ,), "get", f"{PROJECTS}{{pk}}/delete/", P.PROJECTS_DELETE),
        ((P.PROJECTS_READ,), "post", f"{PROJECTS}{{pk}}/delete/", P.PROJECTS_DELETE),
        ((P.PROJECTS_READ,), "get", f"{PROJECTS}{{pk}}/archive/", P.PROJECTS_MANAGE),
        ((P.PROJECTS_READ,), "post", f"{PROJECTS}{{pk}}/archive/", P.PROJECTS_MANAGE),
        ((), "get", f"{PROJECTS}report/", P.PROJECTS_READ),
        ((), "get", "/matrix/", P.ROLES_READ),
    ],
)
def test_a_refusal_names_the_lacking_permission(
    enter: Any, acme: SimpleNamespace, monkeypatch: Any, held: tuple[P, ...], method: str, url: str, lacking: P
) -> None:
    refusals: list[MissingPermission] = []
    monkeypatch.setattr("tests.console.stage.handler403", _collect(refusals), raising=False)
    client = enter(*held)
    if not held and "{pk}" in url:
        # Without the permission the row is not even visible, which looks like a row that does not exist.
        assert getattr(client, method)(url.format(pk=acme.project.pk)).status_code in {403, 404}
        return
    response = getattr(client, method)(url.format(pk=acme.project.pk), FORM if method == "post" else {})

    assert response.status_code == 403
    assert [error.permission for error in refusals] == [lacking]


def _collect(refusals: list[MissingPermission]) -> Any:
    def handler(request: Any, exception: Any) -> Any:
        refusals.append(exception)
        return HttpResponseForbidden("no")

    return handler


def test_a_verb_that_is_not_declared_is_allowed_to_nobody(admin: Any, acme: SimpleNamespace) -> None:
    assert admin.get("/tenants/role/add/").status_code == 403
    assert admin.post("/tenants/role/add/", {"name": "x"}).status_code == 403
    assert admin.post(f"/tenants/role/{acme.role.pk}/change/", {"name": "x"}).status_code == 403
    assert admin.post(f"/tenants/role/{acme.role.pk}/delete/").status_code == 403


def test_whoever_may_only_look_gets_a_form_without_fields(enter: Any, acme: SimpleNamespace) -> None:
    page = enter(P.PROJECTS_READ).get(f"{PROJECTS}{acme.project.pk}/change/").content.decode()

    assert "acme project" in page
    assert 'name="name"' not in page
    assert 'name="_save"' not in page


def test_a_role_in_one_project_opens_that_project_only(enter: Any, acme: SimpleNamespace) -> None:
    with tenant_scope(acme.organization):
        stage.attribute(acme.organization.pk)
        other = Project.objects.create(organization=acme.organization, slug="other", name="Other")
    client = enter(P.PROJECTS_READ, P.PROJECTS_MANAGE, project=acme.project.pk)

    assert client.get(f"{PROJECTS}{acme.project.pk}/change/").status_code == 200
    assert client.get(f"{PROJECTS}{other.pk}/change/").status_code in {403, 404}
    assert client.post(f"{PROJECTS}{other.pk}/change/", FORM).status_code in {403, 404}
