"""The doors of a stock admin, one by one, tried by a member of another organization's neighbour."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from isolation.scope import tenant_scope
from tenants.models import Membership, Project, ProjectMembership, Role
from tenants.permissions import P
from tests.console import stage
from tests.console.stage import redirected

PROJECTS = "/tenants/project/"
MEMBERS = "/tenants/membership/"


def inline(membership: Any = "", role: Any = "", total: int = 1, **more: Any) -> dict[str, Any]:
    """The POST data of the project roles inline."""
    return {
        "project_memberships-TOTAL_FORMS": total,
        "project_memberships-INITIAL_FORMS": 0,
        "project_memberships-0-membership": membership,
        "project_memberships-0-role": role,
        **more,
    }


@pytest.mark.parametrize("tail", ["change/", "delete/", "history/", "archive/", ""])
def test_a_foreign_row_and_an_unknown_row_look_the_same(admin: Client, globex: SimpleNamespace, tail: str) -> None:
    foreign = admin.get(f"{PROJECTS}{globex.project.pk}/{tail}", follow=True)
    unknown = admin.get(f"{PROJECTS}00000000-0000-4000-8000-000000000000/{tail}", follow=True)
    garbage = admin.get(f"{PROJECTS}nonsense/{tail}", follow=True)

    assert foreign.status_code == unknown.status_code == garbage.status_code == 404
    assert foreign.content == unknown.content
    assert b"globex" not in foreign.content


@pytest.mark.parametrize("tail", ["change/", "delete/", "archive/"])
def test_a_foreign_row_cannot_be_posted_to(admin: Client, globex: SimpleNamespace, tail: str) -> None:
    data = {"slug": "x", "name": "stolen", "environment": "production", "reason": "x", **inline(total=0)}

    assert admin.post(f"{PROJECTS}{globex.project.pk}/{tail}", data).status_code == 404
    with tenant_scope(globex.organization):
        project = Project.objects.get()
    assert (project.name, project.description) == ("globex project", "")


def test_lists_show_own_rows_only(admin: Client, globex: SimpleNamespace) -> None:
    page = admin.get(PROJECTS).content.decode()

    assert "acme project" in page
    assert "globex" not in page


def test_select_fields_offer_own_rows_only(admin: Client, acme: SimpleNamespace, globex: SimpleNamespace) -> None:
    page = admin.get(f"{PROJECTS}{acme.project.pk}/change/").content.decode()

    assert str(acme.role.pk) in page
    assert str(globex.role.pk) not in page
    assert "globex" not in page


def test_a_posted_foreign_key_is_refused_and_not_named(
    admin: Client, acme: SimpleNamespace, globex: SimpleNamespace
) -> None:
    data = {"slug": "new", "name": "New", "environment": "production"}
    response = admin.post(f"{PROJECTS}add/", {**data, **inline(acme.membership.pk, globex.role.pk)})

    page = response.content.decode()
    assert response.status_code == 200
    assert "Select a valid choice" in page
    assert "globex" not in page
    with tenant_scope(acme.organization):
        assert not Project.objects.filter(slug="new").exists()
        assert not ProjectMembership.objects.exists()


def test_a_posted_foreign_key_is_refused_by_an_autocomplete_field(
    admin: Client, acme: SimpleNamespace, globex: SimpleNamespace
) -> None:
    response = admin.post(f"{MEMBERS}{acme.membership.pk}/change/", {"role": str(globex.role.pk)})

    assert response.status_code == 200
    assert "globex" not in response.content.decode()
    with tenant_scope(acme.organization):
        assert Membership.objects.get().role_id == acme.role.pk


def test_a_prefilled_foreign_key_is_not_named(admin: Client, globex: SimpleNamespace) -> None:
    stage.site._registry[Membership].permissions = {**stage.MembershipAdmin.permissions, "add": P.MEMBERS_INVITE}
    try:
        response = admin.get(f"{MEMBERS}add/?role={globex.role.pk}")
    finally:
        del stage.site._registry[Membership].permissions

    assert response.status_code == 200
    assert "globex" not in response.content.decode()


def test_filters_offer_and_answer_own_rows_only(admin: Client, acme: SimpleNamespace, globex: SimpleNamespace) -> None:
    page = admin.get(MEMBERS).content.decode()
    assert str(acme.role.pk) in page
    assert str(globex.role.pk) not in page

    page = admin.get(MEMBERS, {"role__id__exact": str(globex.role.pk)}).content.decode()
    assert "globex" not in page
    assert "owner@acme.test" not in page.split("result-list")[-1].split("<tbody")[-1] or "Nothing matches" in page


@pytest.mark.parametrize(
    "lookup",
    [
        "slug__startswith",
        "description",
        "organization__id__exact",
        "user__password__startswith",
        "role__name",
        "id__in",
    ],
)
def test_columns_that_are_no_filter_answer_nothing(admin: Client, lookup: str) -> None:
    for url in (PROJECTS, MEMBERS):
        response = admin.get(url, {lookup: "a"})
        assert response.status_code == 400


def test_values_the_database_cannot_hold_are_refused(admin: Client) -> None:
    assert admin.get(PROJECTS, {"environment__exact": "a\x00"}).status_code == 400
    assert admin.get(PROJECTS, {"q": "a\x00"}).status_code == 200
    assert admin.get(MEMBERS, {"role__id__exact": "no uuid"}).status_code == 302
    assert admin.get(f"{PROJECTS}%00/change/").status_code == 404


def test_inline_rows_that_may_not_be_seen_are_not_shown(
    admin: Client, acme: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tenant_scope(acme.organization):
        stage.attribute(acme.organization.pk)
        row = ProjectMembership.objects.create(
            organization=acme.organization, project=acme.project, membership=acme.membership, role=acme.role
        )
    url = f"{PROJECTS}{acme.project.pk}/change/"
    assert str(row.pk) in admin.get(url).content.decode()

    monkeypatch.setattr(stage.ProjectRoles, "permissions", {"add": P.PROJECTS_MANAGE})

    page = admin.get(url).content.decode()
    assert "project_memberships-TOTAL_FORMS" in page
    assert str(row.pk) not in page


def test_autocomplete_answers_declared_fields_with_own_rows(admin: Client, globex: SimpleNamespace) -> None:
    declared = {"app_label": "tenants", "model_name": "membership", "field_name": "role", "term": ""}

    found = admin.get("/autocomplete/", declared)
    assert [row["text"] for row in found.json()["results"]] == ["acme role"]
    assert admin.get("/autocomplete/", {**declared, "model_name": "projectmembership"}).status_code == 404
    assert admin.get("/autocomplete/", {**declared, "field_name": "user"}).status_code == 404
    assert admin.get("/autocomplete/").status_code == 404


def test_autocomplete_needs_the_permission_to_see_the_rows(enter: Any) -> None:
    client = enter(P.MEMBERS_READ, P.MEMBERS_MANAGE)
    declared = {"app_label": "tenants", "model_name": "membership", "field_name": "role", "term": ""}

    assert client.get("/autocomplete/", declared).status_code == 403


def test_the_redirector_to_any_object_does_not_exist(admin: Client, acme: SimpleNamespace) -> None:
    assert admin.get(f"/r/1/{acme.project.pk}/").status_code == 404


def test_the_palette_finds_own_rows_and_only_what_may_be_seen(
    enter: Any, acme: SimpleNamespace, globex: SimpleNamespace
) -> None:
    client = enter(P.PROJECTS_READ)

    assert "acme project" in client.get("/search/", {"s": "acme", "extended": 1}).content.decode()
    assert "globex project" not in client.get("/search/", {"s": "globex", "extended": 1}).content.decode()
    assert "owner@" not in client.get("/search/", {"s": "owner", "extended": 1}).content.decode()


def test_the_palette_remembers_nothing_of_the_organization_before(
    admin: Client, acme: SimpleNamespace, globex: SimpleNamespace
) -> None:
    assert "globex project" not in admin.get("/search/", {"s": "globex"}).content.decode()
    stage.scene.organization = globex.organization
    stage.scene.actor = stage.actor_with(acme.user, globex.organization.pk, *P)
    assert "globex project" in admin.get("/search/", {"s": "globex"}).content.decode()
    stage.scene.organization = acme.organization
    stage.scene.actor = stage.actor_with(acme.user, acme.organization.pk)
    assert "project" not in admin.get("/search/", {"s": "globex"}).content.decode()


@pytest.mark.parametrize("term", ["", "a", "\x00\x00", "x" * 5000, "'\"", "%_"])
def test_the_palette_survives_any_term(admin: Client, term: str) -> None:
    assert admin.get("/search/", {"s": term, "extended": "1", "page": "nonsense"}).status_code == 200


def test_nothing_is_written_to_djangos_own_log(admin: Client, acme: SimpleNamespace) -> None:
    data = {"slug": "new", "name": "New", "environment": "production", **inline(total=0)}
    assert redirected(admin.post(f"{PROJECTS}add/", data)) == PROJECTS
    url = f"{PROJECTS}{acme.project.pk}/"
    assert redirected(admin.post(f"{url}change/", {**data, "slug": "acme-project"})) == PROJECTS
    assert redirected(admin.post(f"{url}delete/", {"typed_confirmation": "New"})) == PROJECTS

    assert not LogEntry.objects.exists()
    assert "Recent actions" not in admin.get("/").content.decode()


def test_a_row_may_be_named_by_its_primary_key_only(admin: Client) -> None:
    assert admin.get(PROJECTS, {"_to_field": "slug"}).status_code == 400


def test_a_relation_without_an_admin_is_a_mistake_and_no_open_list(admin: Client, acme: SimpleNamespace) -> None:
    role_admin = stage.site._registry.pop(Role)
    try:
        with pytest.raises(ImproperlyConfigured, match="not registered"):
            admin.get(f"{MEMBERS}{acme.membership.pk}/change/")
    finally:
        stage.site._registry[Role] = role_admin


def test_related_rows_come_without_popup_links(admin: Client, acme: SimpleNamespace) -> None:
    page = admin.get(f"{PROJECTS}{acme.project.pk}/change/").content.decode()

    assert "_popup=1" not in page


def test_rows_that_their_own_admin_hides_are_neither_offered_nor_accepted(
    admin: Client, acme: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def narrow(self: Any, request: Any, queryset: Any) -> Any:
        return queryset.exclude(pk=acme.role.pk)

    monkeypatch.setattr(stage.RoleAdmin, "narrow", narrow)
    url = f"{PROJECTS}{acme.project.pk}/change/"
    data = {"slug": "acme-project", "name": "acme project", "environment": "development"}

    assert str(acme.role.pk) not in admin.get(url).content.decode()
    response = admin.post(url, {**data, **inline(acme.membership.pk, acme.role.pk)})
    assert "Select a valid choice" in response.content.decode()
    assert str(acme.role.pk) not in admin.get(MEMBERS).content.decode()


def test_rows_of_a_kind_that_may_not_be_seen_are_not_offered(enter: Any, acme: SimpleNamespace) -> None:
    client = enter(P.PROJECTS_READ, P.PROJECTS_MANAGE, P.MEMBERS_READ, P.MEMBERS_MANAGE)

    assert str(acme.role.pk) not in client.get(f"{PROJECTS}{acme.project.pk}/change/").content.decode()
    assert "acme role" not in client.get(f"{MEMBERS}").content.decode().split("changelist-filter")[-1]
