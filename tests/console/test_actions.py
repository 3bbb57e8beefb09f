"""Buttons and bulk actions re-read their rows, want a POST and ask for the permission of each row."""

from types import SimpleNamespace
from typing import Any

from django.test import Client

from isolation.actor import Actor, ActorKind
from isolation.scope import tenant_scope
from tenants.authority import GrantSource, MemberAuthority, RoleGrant
from tenants.models import Project
from tenants.permissions import P
from tests.console import stage
from tests.console.stage import redirected

PROJECTS = "/tenants/project/"


def add_project(scene: SimpleNamespace, slug: str) -> Any:
    """Add a project to an organization."""
    with tenant_scope(scene.organization):
        stage.attribute(scene.organization.pk)
        return Project.objects.create(organization=scene.organization, slug=slug, name=slug)


def state(scene: SimpleNamespace) -> dict[str, tuple[str, str]]:
    """What the projects look like."""
    with tenant_scope(scene.organization):
        return {row.slug: (row.name, row.description) for row in Project.objects.all()}


def bulk(client: Client, action: str, *pks: Any, **more: Any) -> Any:
    """Run a bulk action."""
    return client.post(PROJECTS, {"action": action, "index": 0, "_selected_action": [str(pk) for pk in pks], **more})


def test_a_bulk_action_leaves_foreign_rows_alone(admin: Client, acme: SimpleNamespace, globex: SimpleNamespace) -> None:
    bulk(admin, "rename_all", acme.project.pk, globex.project.pk)

    assert state(acme)["acme-project"][0] == "acme project!"
    assert state(globex)["globex-project"][0] == "globex project"


def test_selecting_everything_means_everything_of_ones_own(
    admin: Client, acme: SimpleNamespace, globex: SimpleNamespace
) -> None:
    bulk(admin, "rename_all", acme.project.pk, select_across=1)

    assert state(globex)["globex-project"][0] == "globex project"


def test_a_bulk_action_asks_for_each_row(enter: Any, acme: SimpleNamespace) -> None:
    other = add_project(acme, "other")
    grants = (P.PROJECTS_READ, P.PROJECTS_MANAGE)
    client = enter(*grants)
    authority = MemberAuthority(
        acme.organization.pk,
        organization_roles=(RoleGrant(GrantSource.MEMBERSHIP, "Admin", frozenset(grants)),),
        project_roles={other.pk: (RoleGrant(GrantSource.PROJECT_MEMBERSHIP, "Viewer", frozenset({P.PROJECTS_READ})),)},
    )
    stage.scene.actor = Actor(ActorKind.USER, acme.user.pk, acme.user.email, acme.organization.pk, authority)

    assert bulk(client, "rename_all", acme.project.pk, other.pk).status_code == 403
    assert {name for name, _ in state(acme).values()} == {"acme project", "other"}


def test_a_refused_bulk_action_changes_nothing(admin: Client, acme: SimpleNamespace) -> None:
    kept = add_project(acme, "kept")

    response = admin.post(
        PROJECTS,
        {"action": "rename_all", "index": 0, "_selected_action": [str(acme.project.pk), str(kept.pk)]},
        follow=True,
    )

    assert "This project must stay as it is. Nothing was changed." in response.content.decode()
    assert {name for name, _ in state(acme).values()} == {"acme project", "kept"}


def test_a_selection_of_nonsense_changes_nothing(admin: Client, acme: SimpleNamespace) -> None:
    response = admin.post(
        PROJECTS, {"action": "rename_all", "index": 0, "_selected_action": ["nonsense", "\x00"]}, follow=True
    )

    assert "That selection names no rows." in response.content.decode()
    assert state(acme)["acme-project"][0] == "acme project"


def test_there_is_no_bulk_delete(admin: Client, acme: SimpleNamespace) -> None:
    assert "delete_selected" not in admin.get(PROJECTS).content.decode()
    bulk(admin, "delete_selected", acme.project.pk)
    assert "acme-project" in state(acme)


def test_actions_are_offered_to_those_who_may_use_them(enter: Any, acme: SimpleNamespace) -> None:
    url = f"{PROJECTS}{acme.project.pk}/"

    assert f"{url}archive/" in enter(*P).get(f"{url}change/").content.decode()
    viewer = enter(P.PROJECTS_READ)
    assert "archive/" not in viewer.get(f"{url}change/").content.decode()
    page = viewer.get(PROJECTS).content.decode()
    assert "archive/" not in page
    assert "rename_all" not in page


def test_an_action_asks_first_and_runs_on_post(admin: Client, acme: SimpleNamespace) -> None:
    url = f"{PROJECTS}{acme.project.pk}/archive/"

    page = admin.get(url).content.decode()
    assert "Nobody can use it then." in page
    assert state(acme)["acme-project"][1] == ""
    assert admin.post(url, {}).status_code == 422
    refused = admin.post(url, {"reason": "none"})
    assert "Give a better reason." in refused.content.decode()
    assert refused.status_code == 422
    assert state(acme)["acme-project"][1] == ""
    assert redirected(admin.post(url, {"reason": "tidy"})) == f"{PROJECTS}{acme.project.pk}/change/"
    assert state(acme)["acme-project"][1] == "archived"


def test_an_action_that_makes_no_sense_any_more_is_refused(admin: Client, acme: SimpleNamespace) -> None:
    url = f"{PROJECTS}{acme.project.pk}/"
    admin.post(f"{url}archive/", {"reason": "tidy"})

    assert "archive/" not in admin.get(f"{url}change/").content.decode()
    assert "is not possible any more" in admin.post(f"{url}archive/", {"reason": "x"}, follow=True).content.decode()


def test_actions_are_protected_against_forged_posts(admin: Client, acme: SimpleNamespace) -> None:
    strict = Client(enforce_csrf_checks=True)

    assert strict.post(f"{PROJECTS}{acme.project.pk}/archive/", {"reason": "x"}).status_code == 403
    assert (
        strict.post(f"{PROJECTS}{acme.project.pk}/delete/", {"typed_confirmation": "acme project"}).status_code == 403
    )
    assert state(acme)["acme-project"] == ("acme project", "")


def test_a_list_action_opens_its_page(admin: Client) -> None:
    assert admin.get(f"{PROJECTS}report/").content == b"report"
