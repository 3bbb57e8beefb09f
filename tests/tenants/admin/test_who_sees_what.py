"""Each role sees its pages and buttons, and no others."""

import pytest
from django.test import Client

from accounts.models import User
from tenants.models import Membership
from tenants.services.members import set_project_role
from tests.people import Tenant, signed_in
from tests.tenants.admin.conftest import Furniture, state

READ = [
    "",
    "tenants/membership/",
    "tenants/invitation/",
    "tenants/group/",
    "roles/",
    "tenants/project/",
    "settings/",
]
WRITE = ["members/invite/", "tenants/group/add/", "tenants/role/add/", "tenants/project/add/", "settings/delete/"]
BUTTONS = (
    "invite/",
    "/add/",
    "remove/",
    "resend/",
    "revoke/",
    "-group/",
    "delete_custom/",
    "schedule_deletion/",
    "settings/delete/",
    "grant_exception/",
    "transfer/",
    'type="submit" name="_save"',
    "Save project roles",
    "Set roles in projects",
    "New role",
)


def test_a_viewer_reads_and_finds_no_button_that_writes(viewer: Client, rows: Furniture) -> None:
    detail = [
        f"tenants/membership/{rows.member}/change/",
        f"members/{rows.member}/projects/",
        f"members/{rows.member}/why/",
        f"tenants/group/{rows.group}/change/",
        f"tenants/role/{rows.role}/change/",
        f"tenants/project/{rows.project}/change/",
    ]
    for url in [*READ, *detail]:
        response = viewer.get(f"/o/acme/{url}")
        assert response.status_code == 200, url
        page = response.content.decode()
        assert [button for button in BUTTONS if button in page] == [], url


def test_a_viewer_cannot_write_by_address_either(viewer: Client, rows: Furniture) -> None:
    before = state(rows.tenant)

    for url in WRITE:
        assert viewer.get(f"/o/acme/{url}").status_code == 403, url
        assert viewer.post(f"/o/acme/{url}", {"name": "x"}).status_code == 403, url
    data = {"name": "x", "role": "", "reason": "", "typed_confirmation": "chatbot"}
    for url in rows.urls():
        if not url.endswith(("why/", "members/projects/")) and "invitation" not in url:
            assert viewer.post(f"/o/acme/{url}", data).status_code in {200, 302, 403, 422}, url
    assert state(rows.tenant) == before


def test_an_auditor_finds_the_audit_log_only(acme: Tenant, rows: Furniture) -> None:
    auditor = signed_in(acme.auditor)

    page = auditor.get("/o/acme/").content.decode()
    for name in ("Members", "Invitations", "Groups", "Roles", "Projects", "Settings"):
        assert f"<strong>{name}</strong>" not in page
    for url in [*READ[1:], *WRITE, f"tenants/membership/{rows.member}/change/", f"members/{rows.member}/why/"]:
        assert auditor.get(f"/o/acme/{url}").status_code == 403, url
    for url in (f"tenants/project/{rows.project}/change/", f"tenants/project/{rows.project}/transfer/"):
        assert auditor.get(f"/o/acme/{url}").status_code in {403, 404}, url


def test_an_auditor_can_leave(acme: Tenant) -> None:
    auditor = signed_in(acme.auditor)

    assert auditor.get("/o/acme/settings/leave/").status_code == 200
    assert auditor.post("/o/acme/settings/leave/")["Location"] == "/"
    with acme.acting("owner"):
        assert not Membership.objects.filter(user=acme.auditor).exists()


def test_somebody_with_a_role_in_one_project_only_finds_that_project(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        set_project_role(membership=acme.membership("none"), project=acme.project, role=acme.role("admin"), actor=actor)
    someone = signed_in(acme.people["none"])

    assert "Chatbot" in someone.get("/o/acme/tenants/project/").content.decode()
    assert someone.get(f"/o/acme/tenants/project/{acme.project.pk}/change/").status_code == 200
    assert someone.get("/o/acme/tenants/membership/").status_code == 403


@pytest.mark.parametrize("url", ["tenants/project/", "tenants/project/{pk}/change/"])
def test_a_hidden_project_does_not_exist(acme: Tenant, url: str) -> None:
    with acme.acting("owner") as actor:
        set_project_role(
            membership=acme.membership("viewer"), project=acme.project, role=acme.role("none"), actor=actor
        )
    response = signed_in(acme.viewer).get(f"/o/acme/{url.format(pk=acme.project.pk)}")

    assert "Chatbot" not in response.content.decode()
    assert response.status_code == (404 if "pk" in url else 200)


def test_an_operator_in_support_reads_and_changes_nothing(operator: User, rows: Furniture) -> None:
    client = signed_in(operator)
    organization = rows.tenant.organization
    assert client.get("/o/acme/").status_code == 404
    client.post(f"/admin/support/{organization.pk}/", {"reason": "Ticket 4711: roles look wrong"})
    before = state(rows.tenant)

    for url in [*READ, f"tenants/membership/{rows.member}/change/", f"tenants/project/{rows.project}/change/"]:
        response = client.get(f"/o/acme/{url}")
        assert response.status_code == 200, url
        assert [button for button in BUTTONS if button in response.content.decode()] == [], url
    for url in [*WRITE, *rows.urls()]:
        client.post(f"/o/acme/{url}", {"name": "x", "reason": "", "typed_confirmation": "acme"})
    assert client.post("/o/acme/settings/leave/").status_code == 404
    assert state(rows.tenant) == before


def test_the_latest_events_leave_out_hidden_projects(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        set_project_role(
            membership=acme.membership("auditor"), project=acme.project, role=acme.role("none"), actor=actor
        )
        member = acme.membership("member")
        set_project_role(membership=member, project=acme.project, role=acme.role("viewer"), actor=actor)

    page = signed_in(acme.auditor).get("/o/acme/").content.decode()
    assert "Latest events" in page
    assert "role in a project" not in page


def test_rows_lead_to_their_events(owner: Client, viewer: Client, rows: Furniture) -> None:
    for url in (
        f"/o/acme/tenants/membership/{rows.member}/",
        f"/o/acme/tenants/group/{rows.group}/",
        f"/o/acme/tenants/project/{rows.project}/",
        f"/o/acme/tenants/role/{rows.role}/",
    ):
        assert f"{url}history/" in owner.get(f"{url}change/").content.decode()
        assert f"{url}history/" not in viewer.get(f"{url}change/").content.decode()
        response = owner.get(f"{url}history/", follow=True)
        assert response.status_code == 200
        assert "owner@acme.example" in response.content.decode()
