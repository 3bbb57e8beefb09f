"""Saving goes through services; what they refuse comes back as a form error with nothing saved."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from isolation.scope import tenant_scope
from tenants.models import Project, ProjectMembership, Role
from tests.console import stage
from tests.console.stage import redirected

PROJECTS = "/tenants/project/"


def data(**more: Any) -> dict[str, Any]:
    """A project form without inline rows."""
    base = {"slug": "new", "name": "New", "environment": "production"}
    base |= {"project_memberships-TOTAL_FORMS": 0, "project_memberships-INITIAL_FORMS": 0}  # type: ignore[dict-item]
    return {**base, **more}


def projects(scene: SimpleNamespace) -> dict[str, str]:
    """The slugs and names in an organization."""
    with tenant_scope(scene.organization):
        return dict(Project.objects.values_list("slug", "name"))


def test_adding_calls_the_service_and_returns_to_the_list(admin: Client, acme: SimpleNamespace) -> None:
    assert redirected(admin.post(f"{PROJECTS}add/", data())) == PROJECTS
    assert projects(acme) == {"acme-project": "acme project", "new": "New"}


def test_what_the_service_refuses_is_an_error_on_its_field(admin: Client, acme: SimpleNamespace) -> None:
    response = admin.post(f"{PROJECTS}add/", data(slug="taken", name="Typed by hand"))

    page = response.content.decode()
    assert response.status_code == 200
    assert "That identifier is taken. Choose another." in page
    assert "Typed by hand" in page
    assert response.context["adminform"].form.errors.as_data()["slug"][0].code == "invalid"
    assert projects(acme) == {"acme-project": "acme project"}


def test_a_refusal_without_a_field_stands_above_the_form(admin: Client, acme: SimpleNamespace) -> None:
    url = f"{PROJECTS}{acme.project.pk}/change/"
    response = admin.post(url, data(slug="acme-project", name="refused"))

    assert response.status_code == 200
    assert "No project may be called that." in response.content.decode()
    assert projects(acme) == {"acme-project": "acme project"}


def test_changing_hands_over_the_changed_fields_only(
    admin: Client, acme: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def update(self: Any, request: Any, obj: Any, values: dict[str, Any]) -> None:
        seen.append((obj.name, values))

    monkeypatch.setattr(stage.ProjectAdmin, "perform_update", update)
    for name in ("New name", "acme project"):
        form = data(slug="acme-project", name=name, environment="development")
        admin.post(f"{PROJECTS}{acme.project.pk}/change/", form)

    assert seen == [("acme project", {"name": "New name"})]


def test_deleting_asks_for_the_name(admin: Client, acme: SimpleNamespace) -> None:
    url = f"{PROJECTS}{acme.project.pk}/delete/"

    assert "Type “acme project” to confirm" in admin.get(url).content.decode()
    assert admin.post(url, {}).status_code == 422
    assert admin.post(url, {"typed_confirmation": "Acme"}).status_code == 422
    assert projects(acme) == {"acme-project": "acme project"}
    assert redirected(admin.post(url, {"typed_confirmation": "acme project"})) == PROJECTS
    assert projects(acme) == {}


def test_a_refused_deletion_says_why(admin: Client, acme: SimpleNamespace) -> None:
    with tenant_scope(acme.organization):
        stage.attribute(acme.organization.pk)
        kept = Project.objects.create(organization=acme.organization, slug="kept", name="Kept")

    response = admin.post(f"{PROJECTS}{kept.pk}/delete/", {"typed_confirmation": "Kept"})

    assert response.status_code == 422
    assert "This project must stay." in response.content.decode()
    assert "kept" in projects(acme)


def test_inline_rows_go_through_verbs(admin: Client, acme: SimpleNamespace) -> None:
    url = f"{PROJECTS}{acme.project.pk}/change/"
    form = data(slug="acme-project", name="acme project", environment="development")
    new = {"project_memberships-TOTAL_FORMS": 1, "project_memberships-0-membership": acme.membership.pk}
    redirected(admin.post(url, {**form, **new, "project_memberships-0-role": acme.role.pk}))
    with tenant_scope(acme.organization):
        stage.attribute(acme.organization.pk)
        row = ProjectMembership.objects.get()
        other = Role.objects.create(organization=acme.organization, key="protected", name="Protected")
    assert (row.project_id, row.role_id) == (acme.project.pk, acme.role.pk)

    held = {**new, "project_memberships-INITIAL_FORMS": 1, "project_memberships-0-id": row.pk}
    held["project_memberships-0-project"] = acme.project.pk
    redirected(admin.post(url, {**form, **held, "project_memberships-0-role": other.pk}))
    response = admin.post(
        url, {**form, **held, "project_memberships-0-role": other.pk, "project_memberships-0-DELETE": "on"}
    )
    assert "This role protects the project." in response.content.decode()
    with tenant_scope(acme.organization):
        assert ProjectMembership.objects.get().role_id == other.pk


def test_a_refusal_in_an_inline_takes_the_parent_back_too(admin: Client, acme: SimpleNamespace) -> None:
    with tenant_scope(acme.organization):
        stage.attribute(acme.organization.pk)
        role = Role.objects.create(organization=acme.organization, key="protected", name="Protected")
        row = ProjectMembership.objects.create(
            organization=acme.organization, project=acme.project, membership=acme.membership, role=role
        )
    held = {
        "project_memberships-TOTAL_FORMS": 1,
        "project_memberships-INITIAL_FORMS": 1,
        "project_memberships-0-id": row.pk,
        "project_memberships-0-project": acme.project.pk,
        "project_memberships-0-membership": acme.membership.pk,
        "project_memberships-0-role": role.pk,
        "project_memberships-0-DELETE": "on",
    }

    response = admin.post(f"{PROJECTS}{acme.project.pk}/change/", data(slug="acme-project", name="Changed", **held))

    assert response.status_code == 200
    assert projects(acme) == {"acme-project": "acme project"}


def test_a_declared_verb_without_a_service_is_a_mistake(
    admin: Client, acme: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(stage.ProjectAdmin, "perform_create")

    with pytest.raises(ImproperlyConfigured, match="perform_create"):
        admin.post(f"{PROJECTS}add/", data())


def test_deleting_by_queryset_is_refused(admin: Client) -> None:
    with pytest.raises(ImproperlyConfigured):
        stage.site.get_model_admin(Project).delete_queryset(None, None)
