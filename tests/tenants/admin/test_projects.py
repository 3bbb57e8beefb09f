"""Projects: creation by pattern, change, exceptions, deletion in two steps, transfer."""

import json
from html import unescape
from typing import Any

import pytest
from django.test import Client

from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.models import Membership, Project, ProjectGroupGrant, ProjectMembership, ProjectUserGrant, Role
from tenants.services.members import add_member, set_project_role
from tenants.services.projects import update_project
from tests.people import Tenant, signed_in
from tests.tenants.admin.conftest import Furniture, inline, member_of

PROJECTS = "/o/acme/tenants/project/"
NEW = {"name": "Search", "slug": "acme-search-prod", "environment": "production", "description": ""}


def stored(tenant: Tenant, slug: str) -> Project | None:
    """Return a project by its identifier."""
    with tenant_scope(tenant.organization):
        project: Project | None = Project.objects.filter(slug=slug).first()
        return project


def set_pattern(client: Client) -> None:
    """Give the organization a naming pattern."""
    data = {
        "name": "Acme",
        "project_naming_pattern": "acme-[a-z]+-(prod|dev)",
        "project_naming_hint": "acme-chatbot-prod",
    }
    assert client.post("/o/acme/settings/", data).status_code == 302


def test_a_project_is_created(owner: Client, acme: Tenant) -> None:
    assert owner.post(f"{PROJECTS}add/", NEW).status_code == 302
    project = stored(acme, "acme-search-prod")
    assert project is not None
    assert (project.name, project.environment) == ("Search", "production")
    assert "Production" in owner.get(PROJECTS).content.decode()


def test_the_naming_pattern_is_shown_and_holds(owner: Client, acme: Tenant) -> None:
    set_pattern(owner)

    assert "choose one such as acme-chatbot-prod" in owner.get(f"{PROJECTS}add/").content.decode()
    refused = owner.post(f"{PROJECTS}add/", {**NEW, "slug": "search"})
    assert "Here, identifiers follow a pattern: choose one such as acme-chatbot-prod." in refused.content.decode()
    assert stored(acme, "search") is None
    assert owner.post(f"{PROJECTS}add/", NEW).status_code == 302


def test_a_taken_identifier_is_refused_in_the_form(owner: Client, acme: Tenant) -> None:
    page = owner.post(f"{PROJECTS}add/", {**NEW, "slug": "chatbot"}).content.decode()

    assert "There is already a project with this identifier." in page


def test_a_project_is_changed_but_not_its_identifier(owner: Client, acme: Tenant) -> None:
    data = {**NEW, "name": "Renamed", "slug": "other", **inline("project_memberships")}
    assert owner.post(f"{PROJECTS}{acme.project.pk}/change/", data).status_code == 302

    project = stored(acme, "chatbot")
    assert project is not None
    assert (project.name, project.environment) == ("Renamed", "production")
    assert stored(acme, "other") is None


def test_metadata_is_shown_escaped_and_survives_the_form(owner: Client, viewer: Client, acme: Tenant) -> None:
    url = f"{PROJECTS}{acme.project.pk}/change/"
    assert "tn-json" not in owner.get(url).content.decode(), "an empty one is not shown"
    metadata = {"</pre><script>alert(1)</script>": ["<img src=x onerror=alert(2)>", {"wörter": "Ünï & “so”"}]}
    with acme.acting("owner") as actor:
        update_project(project=acme.project, name="Chatbot", environment="development", metadata=metadata, actor=actor)

    for client in (owner, viewer):
        page = client.get(url).content.decode()
        shown = page.partition('<pre class="tn-json"')[2].partition(">")[2].partition("</pre>")[0]
        assert json.loads(unescape(shown)) == metadata
        assert not set('<>"') & set(shown)
        assert "\n  &quot;" in shown, "one entry a line"
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    data = {**NEW, "name": "Renamed", "metadata": "{}", **inline("project_memberships")}
    assert owner.post(url, data).status_code == 302
    project = stored(acme, "chatbot")
    assert project is not None
    assert (project.name, project.metadata) == ("Renamed", metadata)


def test_a_role_in_the_project_is_given_and_replaced(owner: Client, admin: Client, acme: Tenant) -> None:
    pk = str(member_of(acme, "viewer").pk)
    base = {"name": "Chatbot", "environment": "development", "description": ""}
    with acme.acting("owner"):
        keys = {key: str(acme.role(key).pk) for key in ("admin", "none", "owner")}
    url = f"{PROJECTS}{acme.project.pk}/change/"

    for key in ("admin", "none"):
        response = owner.post(url, {**base, **inline("project_memberships", membership=pk, role=keys[key])})
        assert response.status_code == 302
        with acme.acting("owner"):
            assert ProjectMembership.objects.select_related("role").get().role.key == key
    refused = admin.post(url, {**base, **inline("project_memberships", membership=pk, role=keys["owner"])})
    assert "You cannot give the role Owner" in refused.content.decode()


@pytest.mark.parametrize("holder", ["member", "group"])
def test_an_exception_is_granted_listed_and_revoked(owner: Client, rows: Furniture, holder: str) -> None:
    value = "viewer@acme.example" if holder == "member" else str(rows.group)
    url = f"{PROJECTS}{rows.project}/"
    response = owner.post(f"{url}grant_exception/", {holder: value, "permission": "audit_log:read"}, follow=True)

    page = response.content.decode()
    assert "The exception was granted." in page
    assert "Read the audit log" in page
    model: Any = ProjectUserGrant if holder == "member" else ProjectGroupGrant
    with rows.tenant.acting("owner"):
        pk = model.objects.get(permission__codename="audit_log:read").pk
    revoke = f"/o/acme/projects/{rows.project}/exceptions/{holder}/{pk}/revoke/"
    assert "will no longer hold" in owner.get(revoke).content.decode()
    assert owner.post(revoke)["Location"] == f"{url}change/"
    with rows.tenant.acting("owner"):
        assert not model.objects.filter(pk=pk).exists()
    assert owner.post(revoke).status_code == 404


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"member": "nobody@acme.example", "permission": "prompts:read"}, "Nobody with this address is a member here."),
        ({"permission": "prompts:read"}, "Name either a member or a group."),
        ({"member": "viewer@acme.example", "permission": "members:manage"}, "Select a valid choice."),
        ({"member": "viewer@acme.example", "permission": "projects:transfer"}, "Select a valid choice."),
    ],
)
def test_a_wrong_exception_is_refused_in_the_form(
    admin: Client, acme: Tenant, data: dict[str, str], message: str
) -> None:
    response = admin.post(f"{PROJECTS}{acme.project.pk}/grant_exception/", data)

    assert response.status_code == 422
    assert message in response.content.decode()
    with acme.acting("owner"):
        assert not ProjectUserGrant.objects.exists()


def test_deletion_is_typed_scheduled_and_called_off(owner: Client, acme: Tenant) -> None:
    url = f"{PROJECTS}{acme.project.pk}/"

    assert owner.post(f"{url}schedule_deletion/", {"typed_confirmation": "Chatbot"}).status_code == 422
    page = owner.post(f"{url}schedule_deletion/", {"typed_confirmation": "chatbot", "reason": "old"}, follow=True)
    assert "This project is being deleted." in page.content.decode()
    assert "Deletion on" in owner.get(PROJECTS).content.decode()
    project = stored(acme, "chatbot")
    assert project is not None
    assert project.is_being_deleted
    assert "stays." in owner.post(f"{url}restore/", follow=True).content.decode()
    project = stored(acme, "chatbot")
    assert project is not None
    assert not project.is_being_deleted


def test_transfer_offers_the_organizations_that_may_take_it(owner: Client, acme: Tenant, globex: Tenant) -> None:
    url = f"{PROJECTS}{acme.project.pk}/transfer/"
    assert "You belong to no other organization" in owner.get(url).content.decode()
    _join(globex, acme, "viewer")
    assert "Globex</option>" not in owner.get(url).content.decode()


def test_a_project_is_transferred(owner: Client, acme: Tenant, globex: Tenant) -> None:
    owner.post(f"{PROJECTS}add/", {**NEW, "slug": "moving"})
    moving = stored(acme, "moving")
    assert moving is not None
    _join(globex, acme, "owner")
    url = f"{PROJECTS}{moving.pk}/transfer/"

    assert "Globex</option>" in owner.get(url).content.decode()
    target = str(globex.organization.pk)
    assert owner.post(url, {"target": target, "typed_confirmation": "Moving"}).status_code == 422
    response = owner.post(url, {"target": target, "typed_confirmation": "moving", "reason": "sold"}, follow=True)
    assert "was moved" in response.content.decode()
    assert stored(acme, "moving") is None
    assert stored(globex, "moving") is not None


def test_a_transfer_onto_a_taken_identifier_is_refused_in_the_form(owner: Client, acme: Tenant, globex: Tenant) -> None:
    _join(globex, acme, "owner")
    response = owner.post(
        f"{PROJECTS}{acme.project.pk}/transfer/",
        {"target": str(globex.organization.pk), "typed_confirmation": "chatbot"},
    )

    assert "Globex already has a project with the identifier chatbot." in response.content.decode()
    assert stored(acme, "chatbot") is not None


def test_an_admin_does_not_transfer(admin: Client, acme: Tenant) -> None:
    assert admin.get(f"{PROJECTS}{acme.project.pk}/transfer/").status_code == 403


def test_the_search_of_the_palette_finds_visible_projects_only(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        set_project_role(
            membership=acme.membership("viewer"), project=acme.project, role=acme.role("none"), actor=actor
        )

    assert "Chatbot" in signed_in(acme.member).get("/o/acme/search/", {"s": "chat"}).content.decode()
    assert "Chatbot" not in signed_in(acme.viewer).get("/o/acme/search/", {"s": "chat"}).content.decode()


def _join(globex: Tenant, acme: Tenant, role: str) -> Membership:
    with tenant_scope(globex.organization):
        stored_role = Role.objects.get(key=role, is_builtin=True)
        return add_member(
            organization=globex.organization, user=acme.owner, role=stored_role, source="manual", actor=SYSTEM
        )
