"""Settings, leaving, deleting, restoring, and the overview."""

from typing import Any

from django.test import Client

from tenants.models import Membership, Organization
from tests.people import Tenant, make_tenant, signed_in
from tests.tenants.admin.conftest import member_of

SETTINGS = "/o/acme/settings/"


def organization(tenant: Tenant) -> Any:
    """Return the organization as it is stored now."""
    with tenant.acting("owner"):
        return Organization.objects.select_related("default_role").get()


def test_settings_are_saved(owner: Client, acme: Tenant) -> None:
    with acme.acting("owner"):
        viewer = acme.role("viewer").pk
    data = {"name": "Acme Inc.", "default_role": str(viewer), "project_naming_pattern": "acme-[a-z]+"}
    assert owner.post(SETTINGS, {**data, "slug": "other"}).status_code == 302

    stored = organization(acme)
    assert (stored.name, stored.slug, stored.default_role.key) == ("Acme Inc.", "acme", "viewer")
    assert stored.project_naming_pattern == "acme-[a-z]+"


def test_a_wrong_pattern_is_refused_on_its_field(owner: Client, acme: Tenant) -> None:
    response = owner.post(SETTINGS, {"name": "Acme", "project_naming_pattern": "(a+)+"})

    assert response.status_code == 422
    assert "Do not repeat a repetition" in response.content.decode()
    assert organization(acme).project_naming_pattern == ""


def test_a_default_role_above_ones_own_is_refused(admin: Client, acme: Tenant) -> None:
    with acme.acting("owner"):
        pk = acme.role("owner").pk
    response = admin.post(SETTINGS, {"name": "Acme", "default_role": str(pk)})

    assert "You cannot make Owner the default role" in response.content.decode()
    assert organization(acme).default_role.key == "member"


def test_a_viewer_reads_the_settings_only(viewer: Client, acme: Tenant) -> None:
    page = viewer.get(SETTINGS).content.decode()

    assert "Changing them needs the permission" in page
    assert "settings/delete/" not in page
    response = viewer.post(SETTINGS, {"name": "Mine"})
    assert response.status_code == 403
    assert organization(acme).name == "Acme"


def test_the_last_owner_cannot_leave(owner: Client, acme: Tenant) -> None:
    response = owner.post(f"{SETTINGS}leave/")

    assert response.status_code == 422
    assert "You cannot leave: an organization keeps at least one active owner." in response.content.decode()
    assert member_of(acme, "owner").is_active


def test_a_member_leaves(acme: Tenant) -> None:
    member = signed_in(acme.member)

    assert "You lose access to Acme at once." in member.get(f"{SETTINGS}leave/").content.decode()
    assert member.post(f"{SETTINGS}leave/")["Location"] == "/"
    with acme.acting("owner"):
        assert not Membership.objects.filter(user=acme.member).exists()
    assert member.get("/o/acme/").status_code == 404


def test_deletion_is_typed_scheduled_and_called_off(owner: Client, acme: Tenant) -> None:
    url = f"{SETTINGS}delete/"

    assert "For 7 days nothing is lost" in owner.get(url).content.decode()
    assert owner.post(url, {"typed_confirmation": "Acme"}).status_code == 422
    page = owner.post(url, {"typed_confirmation": "acme", "reason": "sold"}, follow=True).content.decode()
    assert "This organization is being deleted." in page
    assert organization(acme).is_being_deleted
    assert "This organization is being deleted." in owner.get("/o/acme/").content.decode()
    assert "An owner can call it off." in signed_in(acme.viewer).get("/o/acme/").content.decode()
    again = owner.post(url, {"typed_confirmation": "acme", "reason": ""})
    assert "The deletion is scheduled already." in again.content.decode()
    assert "Acme stays." in owner.post(f"{SETTINGS}restore/", follow=True).content.decode()
    assert not organization(acme).is_being_deleted


def test_an_admin_neither_deletes_nor_restores(admin: Client, acme: Tenant) -> None:
    for url in (f"{SETTINGS}delete/", f"{SETTINGS}restore/"):
        assert admin.get(url).status_code == 403
        assert admin.post(url, {"typed_confirmation": "acme"}).status_code == 403


def test_the_overview_counts_what_one_may_see(owner: Client, acme: Tenant) -> None:
    page = " ".join(owner.get("/o/acme/").content.decode().split())

    assert '<strong>6</strong><span class="gh-muted">active members</span>' in page
    assert '<strong>1</strong><span class="gh-muted">project</span>' in page
    assert "Latest events" in page
    assert "Created a project" in page
    viewer = signed_in(acme.viewer).get("/o/acme/").content.decode()
    assert "active members" in viewer
    assert "Latest events" not in viewer
    auditor = signed_in(acme.auditor).get("/o/acme/").content.decode()
    assert "active members" not in auditor
    assert "Latest events" in auditor


def test_a_fresh_organization_is_told_what_to_do_first(db: None) -> None:
    fresh = make_tenant("fresh", everybody=False)
    client = signed_in(fresh.owner)
    client.post(f"/o/fresh/tenants/project/{fresh.project.pk}/schedule_deletion/", {"typed_confirmation": "chatbot"})

    assert "Invite a colleague" in client.get("/o/fresh/").content.decode()
