"""The stranger comes first: no page of Acme's keys opens for them, and no form of theirs reaches Acme's rows."""

from typing import Any

from django.test import Client

from tests.accounts.admin.conftest import Keys, asked, furnish, state
from tests.browsers import assert_closed, assert_not_in_ones_own, words_of
from tests.people import Tenant

LISTS = [
    "accounts/apikey/",
    "accounts/apikey/add/",
    "accounts/apikey/add/?kind=organization",
    "accounts/serviceaccount/",
    "accounts/serviceaccount/add/",
]
EVERYTHING = {
    "name": "Stolen",
    "scopes": ["traces:read"],
    "expires_at_0": "never",
    "reason": "because",
    "overlap": "0",
    "expected": "x",
    "typed_confirmation": "Judge",
    "kind": "service",
    "project_roles-TOTAL_FORMS": 0,
    "project_roles-INITIAL_FORMS": 0,
}


def test_no_page_of_another_organization_opens(elsewhere: Client, keys: Keys) -> None:
    before = state(keys.tenant)

    assert_closed(elsewhere, [*LISTS, *keys.urls()], EVERYTHING)
    assert state(keys.tenant) == before


def test_rows_of_another_organization_do_not_exist_in_ones_own(elsewhere: Client, keys: Keys) -> None:
    before = state(keys.tenant)

    assert_not_in_ones_own(elsewhere, keys.urls(), EVERYTHING)
    assert state(keys.tenant) == before


def test_foreign_rows_cannot_be_chosen_in_ones_own_forms(
    elsewhere: Client, keys: Keys, globex: Tenant, acme: Tenant
) -> None:
    own = furnish(globex, "owner")
    with acme.acting("owner"):
        role = str(acme.role("admin").pk)
    before = {"acme": state(acme), "globex": state(globex)}
    add = "/o/globex/accounts/apikey/add/"
    project, account = str(acme.project.pk), str(keys.account)
    posts: dict[str, dict[str, Any]] = {
        f"{add}?kind=project&project={project}": asked(elsewhere, "project", add, project=project),
        f"{add}?kind=service_account&service_account={account}": asked(
            elsewhere, "service_account", add, service_account=account
        ),
        "/o/globex/accounts/serviceaccount/add/": {"name": "X", "kind": "service", "role": role},
        f"/o/globex/accounts/serviceaccount/{own.account}/change/": {
            "name": "Judge",
            "kind": "service",
            "role": role,
            "is_active": "on",
            "project_roles-TOTAL_FORMS": 1,
            "project_roles-INITIAL_FORMS": 0,
            "project_roles-0-project": project,
            "project_roles-0-role": role,
        },
    }

    for url, data in posts.items():
        response = elsewhere.post(url, data)
        assert response.status_code == 200, url
        assert b"errors" in response.content, url
        assert b"acme" not in words_of(response.content), url
    assert {"acme": state(acme), "globex": state(globex)} == before


def test_a_bulk_revocation_leaves_foreign_keys_alone(elsewhere: Client, keys: Keys) -> None:
    before = state(keys.tenant)

    elsewhere.post(
        "/o/globex/accounts/apikey/",
        {
            "action": "revoke_selected",
            "_selected_action": [str(issued.key.pk) for issued in keys.issued.values()],
            "bulk_confirmed": "yes",
            "select_across": "1",
        },
    )
    assert state(keys.tenant) == before


def test_a_form_opened_elsewhere_makes_nothing_here(acme: Tenant, elsewhere: Client, owner: Client) -> None:
    before = state(acme)
    foreign = asked(elsewhere, "organization", "/o/globex/accounts/apikey/add/")["once"]

    response = owner.post("/o/acme/accounts/apikey/add/?kind=organization", asked(owner, "organization", once=foreign))
    assert "open for too long" in response.content.decode()
    assert state(acme) == before


def test_nobody_signed_in_is_led_to_sign_in(db: None, keys: Keys) -> None:
    for url in [*LISTS, *keys.urls()]:
        response = Client().get(f"/o/acme/{url}")
        assert response.status_code == 302, url
        assert response["Location"].startswith("/accounts/login/"), url
