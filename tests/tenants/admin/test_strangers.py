"""The stranger comes first: no page of Acme opens for them, and no page of theirs does anything to Acme's rows."""

from django.test import Client

from tests.browsers import assert_closed, assert_not_in_ones_own
from tests.people import Tenant
from tests.tenants.admin.conftest import Furniture, furnish, inline, state

LISTS = [
    "",
    "tenants/membership/",
    "tenants/invitation/",
    "members/invite/",
    "tenants/group/",
    "tenants/group/add/",
    "roles/",
    "tenants/role/add/",
    "tenants/project/",
    "tenants/project/add/",
    "settings/",
    "settings/leave/",
    "settings/delete/",
    "settings/restore/",
    "search/?s=acme",
    "autocomplete/?app_label=tenants&model_name=groupmember&field_name=membership",
]
EVERYTHING = {
    "role": "",
    "name": "Stolen",
    "slug": "stolen",
    "is_active": "",
    "reason": "because",
    "emails": "mallory@example.org",
    "typed_confirmation": "acme",
    "environment": "production",
    **inline("roles"),
    **inline("members"),
    **inline("project_memberships"),
}


def test_no_page_of_another_organization_opens(elsewhere: Client, rows: Furniture) -> None:
    before = state(rows.tenant)

    assert_closed(elsewhere, [*LISTS, *rows.urls()], EVERYTHING)
    assert state(rows.tenant) == before


def test_rows_of_another_organization_do_not_exist_in_ones_own(elsewhere: Client, rows: Furniture) -> None:
    before = state(rows.tenant)

    assert_not_in_ones_own(elsewhere, rows.urls(), EVERYTHING)
    assert state(rows.tenant) == before


def test_foreign_rows_cannot_be_chosen_in_ones_own_forms(
    elsewhere: Client, rows: Furniture, globex: Tenant, acme: Tenant
) -> None:
    own = furnish(globex, "owner")
    with acme.acting("owner"):
        foreign_role = str(acme.role("admin").pk)
    before = {"acme": state(acme), "globex": state(globex)}
    posts = {
        f"tenants/membership/{own.member}/change/": {"role": foreign_role, "is_active": "on"},
        f"members/{own.member}/projects/": {f"project-{rows.project}": foreign_role},
        "members/invite/": {"emails": "x@example.org", "role": foreign_role},
        f"tenants/group/{own.group}/change/": {
            "name": "Science",
            **inline("roles", role=foreign_role, project=str(rows.project)),
            **inline("members", membership=str(rows.member)),
        },
        f"tenants/project/{own.project}/change/": {
            "name": "Chatbot",
            "environment": "development",
            **inline("project_memberships", membership=str(rows.member), role=foreign_role),
        },
        f"tenants/project/{own.project}/grant_exception/": {
            "group": str(rows.group),
            "permission": "prompts:read",
        },
        f"tenants/project/{own.project}/transfer/": {
            "target": str(acme.organization.pk),
            "typed_confirmation": "chatbot",
        },
        "settings/": {"name": "Globex", "default_role": foreign_role},
    }

    for url, data in posts.items():
        response = elsewhere.post(f"/o/globex/{url}", data)
        assert response.status_code in {200, 404, 422}, url
        assert b"acme.example" not in response.content, url
        assert b"Acme" not in response.content, url
    assert state(acme) == before["acme"]
    assert state(globex) == before["globex"]


def test_a_garbled_project_in_the_form_is_not_found(owner: Client, rows: Furniture) -> None:
    assert owner.post(f"/o/acme/members/{rows.member}/projects/", {"project-nonsense": ""}).status_code == 404


def test_nobody_signed_in_is_led_to_sign_in(db: None, rows: Furniture) -> None:
    for url in [*LISTS, *rows.urls()]:
        response = Client().get(f"/o/acme/{url}")
        assert response.status_code == 302, url
        assert response["Location"].startswith("/accounts/login/"), url
