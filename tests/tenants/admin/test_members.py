"""The members page: roles, activity, removal."""

from typing import Any

from django.test import Client

from tenants.models import Membership
from tenants.services.members import add_member
from tests.people import Tenant, make_user
from tests.tenants.admin.conftest import Furniture, member_of, state

MEMBERS = "/o/acme/tenants/membership/"


def change(client: Client, tenant: Tenant, name: str, role: str, **more: str) -> object:
    """Post the form of one member."""
    membership = member_of(tenant, name)
    with tenant.acting("owner"):
        pk = tenant.role(role).pk
    return client.post(f"{MEMBERS}{membership.pk}/change/", {"role": str(pk), **more})


def test_the_list_names_everybody_with_role_and_state(owner: Client, acme: Tenant) -> None:
    page = owner.get(MEMBERS).content.decode()

    for name in ("owner", "admin", "member", "viewer", "auditor", "none"):
        assert f"{name}@acme.example" in page
    assert "Created the organization" in page
    assert "Invite members" in page


def test_the_search_finds_the_beginning_of_an_address_in_any_case(owner: Client, acme: Tenant) -> None:
    page = owner.get(MEMBERS, {"q": "VIEW"}).content.decode()

    assert "viewer@acme.example" in page
    assert "member@acme.example" not in page
    assert "Nothing matches" in owner.get(MEMBERS, {"q": "acme"}).content.decode()


def test_filters_narrow_by_role_and_activity(owner: Client, acme: Tenant) -> None:
    change(owner, acme, "viewer", "viewer")
    with acme.acting("owner"):
        role = acme.role("viewer").pk

    by_role = owner.get(MEMBERS, {"role__id__exact": str(role)}).content.decode()
    assert "viewer@acme.example" in by_role
    assert "member@acme.example" not in by_role
    inactive = owner.get(MEMBERS, {"is_active__exact": "0"}).content.decode()
    assert "viewer@acme.example" in inactive
    assert "member@acme.example" not in inactive


def test_a_role_is_changed(owner: Client, acme: Tenant) -> None:
    response = change(owner, acme, "viewer", "member", is_active="on")

    assert response.status_code == 302  # type: ignore[attr-defined]
    assert member_of(acme, "viewer").role.key == "member"


def test_roles_above_ones_own_cannot_be_chosen(admin: Client, acme: Tenant) -> None:
    page = admin.get(f"{MEMBERS}{member_of(acme, 'viewer').pk}/change/").content.decode()
    with acme.acting("owner"):
        pk = acme.role("owner").pk

    assert f'<option value="{pk}" disabled' in page
    assert "Owner (above your own permissions)" in page
    assert "Roles above your own permissions cannot be chosen." in page


def test_a_posted_role_above_ones_own_is_refused_in_the_form(admin: Client, acme: Tenant) -> None:
    response = change(admin, acme, "viewer", "owner", is_active="on")

    assert "You cannot give the role Owner" in response.content.decode()  # type: ignore[attr-defined]
    assert member_of(acme, "viewer").role.key == "viewer"


def test_an_owner_is_not_changed_by_an_admin(admin: Client, acme: Tenant) -> None:
    response = change(admin, acme, "owner", "viewer", is_active="on")

    assert "You cannot change the role Owner" in response.content.decode()  # type: ignore[attr-defined]
    assert member_of(acme, "owner").role.key == "owner"


def test_the_last_owner_stays(owner: Client, acme: Tenant) -> None:
    for field, role, more in (("role", "admin", {"is_active": "on"}), ("is_active", "owner", {})):
        response: Any = change(owner, acme, "owner", role, **more)
        errors = response.context["adminform"].form.errors
        assert "an organization keeps at least one active owner" in errors[field][0]
    membership = member_of(acme, "owner")
    assert (membership.role.key, membership.is_active) == ("owner", True)


def test_a_member_is_deactivated_and_let_in_again(owner: Client, acme: Tenant) -> None:
    change(owner, acme, "viewer", "viewer")
    assert not member_of(acme, "viewer").is_active
    assert "Inactive" in owner.get(MEMBERS).content.decode()
    change(owner, acme, "viewer", "viewer", is_active="on")
    assert member_of(acme, "viewer").is_active


def test_removing_asks_first_and_ends_everything(owner: Client, rows: Furniture) -> None:
    url = f"{MEMBERS}{rows.member}/remove/"

    assert "They lose access at once" in owner.get(url).content.decode()
    response = owner.post(url, {"reason": "left the company"}, follow=True)
    assert "member@acme.example is no longer a member." in response.content.decode()
    with rows.tenant.acting("owner"):
        assert not Membership.objects.filter(pk=rows.member).exists()
    assert state(rows.tenant)["ProjectUserGrant"] == []


def test_removing_somebody_above_oneself_is_refused(admin: Client, acme: Tenant) -> None:
    response = admin.post(f"{MEMBERS}{member_of(acme, 'owner').pk}/remove/", {"reason": ""})

    assert response.status_code == 422
    assert "You cannot remove somebody with the role Owner" in response.content.decode()


def test_nothing_is_added_or_deleted_around_the_services(owner: Client, acme: Tenant) -> None:
    pk = member_of(acme, "viewer").pk

    assert owner.get(f"{MEMBERS}add/").status_code == 403
    assert owner.post(f"{MEMBERS}{pk}/delete/", {}).status_code == 403
    owner.post(MEMBERS, {"action": "delete_selected", "_selected_action": str(pk), "index": 0})
    assert member_of(acme, "viewer").is_active


def test_names_are_shown_as_text(owner: Client, acme: Tenant) -> None:
    user = make_user("x@acme.example", name="<script>alert(1)</script>")
    with acme.acting("owner") as actor:
        add_member(organization=acme.organization, user=user, role=acme.role("viewer"), source="manual", actor=actor)
        pk = Membership.objects.get(user=user).pk

    for url in (MEMBERS, f"{MEMBERS}{pk}/change/", f"/o/acme/members/{pk}/why/"):
        assert "<script>alert(1)" not in owner.get(url).content.decode()


def deactivate(client: Client, *members: Membership) -> str:
    """Run the bulk action and return the page after it."""
    data = {"action": "deactivate", "index": 0, "_selected_action": [str(member.pk) for member in members]}
    return client.post(MEMBERS, data, follow=True).content.decode()


def test_several_members_are_deactivated_all_or_none(owner: Client, acme: Tenant) -> None:
    viewer, member, last = (member_of(acme, name) for name in ("viewer", "member", "owner"))

    assert "an organization keeps at least one active owner" in deactivate(owner, viewer, last)
    assert member_of(acme, "viewer").is_active
    assert "2 members were deactivated." in deactivate(owner, viewer, member)
    assert not member_of(acme, "viewer").is_active
    assert not member_of(acme, "member").is_active


def test_a_viewer_deactivates_nobody(viewer: Client, acme: Tenant) -> None:
    deactivate(viewer, member_of(acme, "member"))

    assert member_of(acme, "member").is_active
    assert "Deactivate" not in viewer.get(MEMBERS).content.decode()
