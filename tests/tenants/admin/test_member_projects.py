"""What a member is in each project: shown with its source, set, cleared, explained."""

from typing import Any

from django.test import Client

from tenants.models import Group, ProjectMembership
from tenants.services.groups import set_group_role
from tenants.services.members import set_project_role
from tests.people import Tenant, make_project, signed_in
from tests.tenants.admin.conftest import Furniture, member_of


def url(tenant: Tenant, name: str, page: str = "projects") -> str:
    """Return an address below a member's."""
    return f"/o/acme/members/{member_of(tenant, name).pk}/{page}/"


def roles_in_projects(tenant: Tenant) -> dict[tuple[str, str], str]:
    """Return (person, project) to role."""
    with tenant.acting("owner"):
        places = ProjectMembership.objects.select_related("membership__user", "project", "role")
        return {(place.membership.user.email, place.project.slug): place.role.key for place in places}


def test_the_member_page_says_what_counts_and_why(owner: Client, rows: Furniture) -> None:
    acme = rows.tenant
    with acme.acting("owner") as actor:
        other = make_project(acme, "evals")
        make_project(acme, "plain")
        set_group_role(group=_group(rows), role=acme.role("admin"), project=other, actor=actor)
    page = " ".join(owner.get(f"/o/acme/tenants/membership/{rows.member}/change/").content.decode().split())

    assert "own role in this project" in page
    assert "group Science in this project" in page
    assert "role in the organization, group Science" in page
    assert "+ 1 exception" in page


def test_a_role_is_set_changed_and_cleared(owner: Client, acme: Tenant) -> None:
    field = f"project-{acme.project.pk}"
    with acme.acting("owner"):
        viewer, none = acme.role("viewer").pk, acme.role("none").pk

    for value, expected in ((viewer, "viewer"), (none, "none"), ("", None)):
        response = owner.post(url(acme, "member"), {field: str(value)})
        assert response.status_code == 302
        assert roles_in_projects(acme).get(("member@acme.example", "chatbot")) == expected


def test_an_unchanged_form_writes_nothing(owner: Client, acme: Tenant) -> None:
    assert owner.post(url(acme, "member"), {f"project-{acme.project.pk}": ""}).status_code == 302
    assert roles_in_projects(acme) == {}


def test_a_role_above_ones_own_is_refused_on_its_select_and_undoes_the_rest(admin: Client, acme: Tenant) -> None:
    with acme.acting("owner"):
        other = make_project(acme, "another")
        owner_role, viewer = acme.role("owner").pk, acme.role("viewer").pk

    response = admin.post(
        url(acme, "member"), {f"project-{other.pk}": str(viewer), f"project-{acme.project.pk}": str(owner_role)}
    )

    assert response.status_code == 422
    assert "You cannot give the role Owner" in response.content.decode()
    assert roles_in_projects(acme) == {}


def test_whoever_manages_one_project_sets_roles_there_only(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        other = make_project(acme, "another")
        admin_role, none = acme.role("admin"), acme.role("none").pk
        set_project_role(membership=acme.membership("viewer"), project=acme.project, role=admin_role, actor=actor)
    manager = signed_in(acme.viewer)
    page = manager.get(url(acme, "member")).content.decode()

    assert f'name="project-{acme.project.pk}"' in page
    assert f'name="project-{other.pk}"' not in page
    manager.post(url(acme, "member"), {f"project-{other.pk}": str(none), f"project-{acme.project.pk}": str(none)})
    assert roles_in_projects(acme) == {
        ("viewer@acme.example", "chatbot"): "admin",
        ("member@acme.example", "chatbot"): "none",
    }


def test_many_projects_are_paged_and_searched(owner: Client, acme: Tenant) -> None:
    with acme.acting("owner"):
        for number in range(30):
            make_project(acme, f"p{number:02}")
    address = url(acme, "member")

    first = owner.get(address).content.decode()
    assert "Page 1 of 2" in first
    assert "P29" not in first
    assert "P29" in owner.get(address, {"projects": 2}).content.decode()
    assert "P29" in owner.get(address, {"project_search": "p29"}).content.decode()
    assert "No project begins like that" in owner.get(address, {"project_search": "zzz"}).content.decode()


def test_why_explains_each_permission(owner: Client, rows: Furniture) -> None:
    address = f"/o/acme/members/{rows.member}/why/"

    everywhere = owner.get(address).content.decode()
    assert "The role Member in the organization allows it." in everywhere
    one = owner.get(address, {"project": str(rows.project), "permission": "projects:manage"}).content.decode()
    assert "The role Admin in this project allows it." in one
    assert "A role in the project replaces the role in the organization." in one
    assert "Read traces" not in one.split("<tbody>")[1]
    exception = owner.get(address, {"project": str(rows.project), "permission": "api_keys:rotate"}).content.decode()
    assert "An exception grants it in this project." in exception


def test_why_answers_for_visible_projects_only(owner: Client, rows: Furniture) -> None:
    assert owner.get(f"/o/acme/members/{rows.member}/why/", {"project": "nonsense"}).status_code == 404
    assert owner.get(f"/o/acme/members/{rows.member}/why/", {"permission": "no:such"}).status_code == 200


def _group(rows: Furniture) -> Any:
    return Group.objects.get(pk=rows.group)
