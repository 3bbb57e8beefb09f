"""The stranger comes first: nothing of Acme's provisioning opens for them, or exists in their own organization."""

from django.test import Client

from tests.accounts.admin.conftest import state
from tests.accounts.admin.provisioning_stage import Provisioning, provisioned
from tests.browsers import assert_closed, assert_not_in_ones_own, words_of
from tests.people import Tenant

LISTS = [
    "accounts/scimconnection/",
    "accounts/scimconnection/add/",
    "accounts/scimtoken/",
    "accounts/scimrequest/",
    "accounts/provisioneduser/",
]
EVERYTHING = {
    "name": "Stolen",
    "provider": "other",
    "role": "",
    "reason": "because",
    "connection": "x",
    "expires_at_0": "never",
    "typed_confirmation": "Corporate directory",
}


def test_no_page_of_another_organization_opens(elsewhere: Client, provisioning: Provisioning) -> None:
    before = state(provisioning.tenant)
    new_token = f"accounts/scimtoken/add/?connection={provisioning.connection}"

    assert_closed(elsewhere, [*LISTS, new_token, *provisioning.urls()], EVERYTHING)
    assert state(provisioning.tenant) == before


def test_rows_of_another_organization_do_not_exist_in_ones_own(
    elsewhere: Client, provisioning: Provisioning, globex: Tenant
) -> None:
    provisioned(globex)
    before = state(provisioning.tenant)
    new_token = f"accounts/scimtoken/add/?connection={provisioning.connection}"

    assert_not_in_ones_own(elsewhere, [new_token, *provisioning.changing_urls()], EVERYTHING)
    for url in provisioning.urls():
        assert elsewhere.get(f"/o/globex/{url}").status_code == 404, url
    assert state(provisioning.tenant) == before


def test_lists_name_nothing_of_another_organization(
    elsewhere: Client, provisioning: Provisioning, globex: Tenant
) -> None:
    own = provisioned(globex, "Globex directory")
    by_connection = f"?connection__id__exact={provisioning.connection}"

    for url in (*LISTS, own.page.removeprefix("/o/acme/"), own.drift.removeprefix("/o/acme/")):
        for query in ("", by_connection) if url in LISTS[2:] else ("",):
            page = elsewhere.get(f"/o/globex/{url}{query}", follow=True)
            assert page.status_code == 200, url
            assert b"acme" not in words_of(page.content), url
            assert b"Corporate directory" not in page.content, url


def test_a_group_is_not_handed_over_to_a_foreign_connection(
    elsewhere: Client, provisioning: Provisioning, globex: Tenant
) -> None:
    own = provisioned(globex)
    elsewhere.post(f"/o/globex/tenants/group/{own.groups['Idle']}/manage_by_hand/")
    page = elsewhere.post(
        f"/o/globex/tenants/group/{own.groups['Idle']}/hand_over/", {"connection": str(provisioning.connection)}
    )

    assert page.status_code == 422
    assert b"Corporate directory</option>" in page.content, "its own connection, of the same name"


def test_nobody_signed_in_is_led_to_sign_in(provisioning: Provisioning) -> None:
    for url in [*LISTS, *provisioning.urls()]:
        response = Client().get(f"/o/acme/{url}")
        assert response.status_code == 302, url
        assert response["Location"].startswith("/accounts/login/"), url
