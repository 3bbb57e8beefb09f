"""The matrix is drawn from the catalogue; custom roles never exceed their maker."""

from html import escape
from typing import Any

from django.test import Client

from tenants.models import Role
from tenants.permissions import BUILTIN_ROLES, PERMISSIONS
from tests.people import Tenant
from tests.tenants.admin.conftest import Furniture, member_of

ROLES = "/o/acme/tenants/role/"


def stored(tenant: Tenant, name: str) -> Role | None:
    """Return a role by its name."""
    with tenant.acting("owner"):
        role: Role | None = Role.objects.filter(name=name).first()
        return role


def create(client: Client, *permissions: str, name: str = "Reader") -> Any:
    """Post the form of a new role."""
    return client.post(f"{ROLES}add/", {"name": name, "description": "", "granted": permissions})


def test_the_matrix_shows_every_permission_and_role(owner: Client, rows: Furniture) -> None:
    page = owner.get("/o/acme/roles/").content.decode()

    for permission in PERMISSIONS.values():
        assert escape(permission.label) in page
        assert escape(permission.help) in page
    for role in BUILTIN_ROLES.values():
        assert f">{role.name}</a>" in page
    assert ">Prompter</a>" in page
    assert page.count('aria-label="Yes"') == sum(len(role.permissions) for role in BUILTIN_ROLES.values()) + 1
    assert "1 member<" in page


def test_the_list_of_roles_is_the_matrix(owner: Client, acme: Tenant) -> None:
    assert owner.get(ROLES)["Location"] == "/o/acme/roles/"


def test_a_role_is_created_and_changed(owner: Client, acme: Tenant) -> None:
    assert create(owner, "prompts:read", "traces:read").status_code == 302
    role = stored(acme, "Reader")
    assert role is not None
    assert role.custom_permissions == ["prompts:read", "traces:read"]
    owner.post(f"{ROLES}{role.pk}/change/", {"name": "Reader", "description": "d", "granted": ["traces:read"]})
    changed = stored(acme, "Reader")
    assert changed is not None
    assert (changed.custom_permissions, changed.description) == (["traces:read"], "d")


def test_a_name_is_taken_in_any_case_of_letters_and_says_so(owner: Client, acme: Tenant) -> None:
    assert create(owner, name="Prompt engineer").status_code == 302
    page = create(owner, name="prompt ENGINEER").content.decode()

    assert "There is already a role with this name." in page
    assert 'value="prompt ENGINEER"' in page


def test_names_that_come_to_the_same_letters_or_none_are_different_roles(owner: Client, acme: Tenant) -> None:
    names = ("Read only", "Read-only!", "读者", "编辑", "Ow ner", "Owner!")
    assert [create(owner, name=name).status_code for name in names] == [302] * len(names)

    with acme.acting("owner"):
        keys = set(Role.objects.filter(is_builtin=False).values_list("key", flat=True))
    assert keys == {"read-only", "read-only-2", "role", "role-2", "ow-ner", "custom-owner"}


def test_check_boxes_above_ones_own_are_off(admin: Client, acme: Tenant) -> None:
    page = " ".join(admin.get(f"{ROLES}add/").content.decode().split())

    assert 'value="organization:delete" id="permission-organization-delete" disabled' in page
    assert 'value="prompts:read" id="permission-prompts-read">' in page
    assert "Permissions that you do not hold yourself cannot be given." in page


def test_a_role_above_ones_own_is_refused_in_the_form(admin: Client, acme: Tenant) -> None:
    response = create(admin, "organization:delete")

    assert response.status_code == 200
    assert "You cannot make this role" in response.content.decode()
    assert stored(acme, "Reader") is None


def test_an_unknown_permission_is_no_choice(owner: Client, acme: Tenant) -> None:
    assert "Select a valid choice" in create(owner, "everything:do").content.decode()


def test_a_role_above_ones_own_keeps_what_it_allows(owner: Client, admin: Client, acme: Tenant) -> None:
    create(owner, "organization:delete", "prompts:read")
    role = stored(acme, "Reader")
    assert role is not None

    response = admin.post(f"{ROLES}{role.pk}/change/", {"name": "Reader", "description": "", "granted": []})
    assert "You cannot change the role Reader" in response.content.decode()
    kept = stored(acme, "Reader")
    assert kept is not None
    assert kept.custom_permissions == ["organization:delete", "prompts:read"]


def test_built_in_roles_are_shown_and_never_changed(owner: Client, acme: Tenant) -> None:
    role = stored(acme, "Viewer")
    assert role is not None
    page = owner.get(f"{ROLES}{role.pk}/change/").content.decode()

    assert "Built in, cannot be changed" in page
    assert "See members" in page
    assert 'name="granted"' not in page
    url = f"{ROLES}{role.pk}/change/"
    assert owner.post(url, {"name": "Spectator", "granted": []}).status_code == 403
    assert stored(acme, "Spectator") is None


def test_a_role_in_use_is_not_deleted(owner: Client, rows: Furniture) -> None:
    acme = rows.tenant
    viewer = member_of(acme, "viewer")
    owner.post(f"/o/acme/tenants/membership/{viewer.pk}/change/", {"role": str(rows.role), "is_active": "on"})
    url = f"{ROLES}{rows.role}/delete_custom/"

    refused = owner.post(url, {"reason": ""})
    assert refused.status_code == 422
    assert "The role Prompter is in use" in refused.content.decode()
    with acme.acting("owner"):
        pk = acme.role("viewer").pk
    owner.post(f"/o/acme/tenants/membership/{viewer.pk}/change/", {"role": str(pk), "is_active": "on"})
    assert owner.post(url, {"reason": ""}).status_code == 302
    assert stored(acme, "Prompter") is None
