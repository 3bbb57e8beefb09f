"""Service accounts in the console."""

from typing import Any

import pytest
from django.test import Client

from accounts.key_format import KeyKind
from accounts.models import ApiKey, ServiceAccount, ServiceAccountProjectRole
from tests.accounts.admin.conftest import Keys, account_of, create, make, shown_secret, state
from tests.people import Tenant, make_project, signed_in

LIST = "/o/acme/accounts/serviceaccount/"


def inline(*, initial: list[Any] = (), **values: Any) -> dict[str, Any]:  # type: ignore[assignment]
    """Return the POST data of the roles in projects: those that go, and one that is new."""
    data: dict[str, Any] = {
        "project_roles-TOTAL_FORMS": len(initial) + (1 if values else 0),
        "project_roles-INITIAL_FORMS": len(initial),
    }
    for number, pk in enumerate(initial):
        data[f"project_roles-{number}-id"] = str(pk)
        data[f"project_roles-{number}-DELETE"] = "on"
    return data | {f"project_roles-{len(initial)}-{name}": str(value) for name, value in values.items()}


def settings_of(keys: Keys, **values: Any) -> dict[str, Any]:
    """Return the answers of the account's page."""
    account = account_of(keys)
    usual = {
        "name": account.name,
        "kind": account.kind,
        "role": str(account.role_id),
        "description": account.description,
        "is_active": "on",
        **inline(),
    }
    return {name: value for name, value in {**usual, **values}.items() if value is not None}


@pytest.mark.parametrize(("person", "status"), [("owner", 200), ("member", 200), ("viewer", 403), ("auditor", 403)])
def test_who_sees_them(keys: Keys, acme: Tenant, person: str, status: int) -> None:
    client = signed_in(acme.people[person])
    for url in (LIST, f"{LIST}{keys.account}/change/"):
        response = client.get(url)
        assert response.status_code in ({status, 404} if status == 403 else {status}), url
        if status == 200 and person == "member":
            for button in ("/add/", "delete/", 'name="_save"'):
                assert button not in response.content.decode(), (url, button)
    if person != "owner":
        before = state(acme)
        for url in (f"{LIST}add/", f"{LIST}{keys.account}/change/", f"{LIST}{keys.account}/delete/"):
            assert client.post(url, settings_of(keys, name="Mine", typed_confirmation="Judge")).status_code in {
                403,
                404,
            }
        assert state(acme) == before


def test_one_is_made_and_gets_a_key(owner: Client, acme: Tenant) -> None:
    with acme.acting("owner"):
        role = str(acme.role("member").pk)
    response = owner.post(f"{LIST}add/", {"name": "Judge", "kind": "evaluator", "role": role, "description": "Scores"})

    with acme.acting("owner"):
        account = ServiceAccount.objects.get()
    assert response["Location"] == f"{LIST}{account.pk}/change/"
    assert (account.name, account.kind, account.description, account.is_active) == (
        "Judge",
        "evaluator",
        "Scores",
        True,
    )
    assert "Without a key" in owner.get(response["Location"]).content.decode()
    made = create(owner, "service_account", service_account=str(account.pk))
    assert shown_secret(made).startswith("gatesk_svc_prod_")
    with acme.acting("owner"):
        assert ApiKey.objects.get().service_account_id == account.pk


def test_a_role_above_ones_own_is_not_given(admin: Client, keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner"):
        role = str(acme.role("owner").pk)
    before = state(acme)

    for url, data in (
        (f"{LIST}add/", {"name": "Boss", "kind": "service", "role": role}),
        (f"{LIST}{keys.account}/change/", settings_of(keys, role=role)),
    ):
        response = admin.post(url, data)
        assert response.status_code == 200
        assert "You cannot give the role Owner" in response.content.decode()
    assert state(acme) == before


def test_a_taken_name_is_refused_at_its_field(owner: Client, keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner"):
        role = str(acme.role("viewer").pk)
    response = owner.post(f"{LIST}add/", {"name": "JUDGE", "kind": "service", "role": role})
    assert "already a service account with this name" in str(response.context["adminform"].form.errors["name"])


def test_it_is_changed_and_switched_off(owner: Client, keys: Keys) -> None:
    response = owner.post(f"{LIST}{keys.account}/change/", settings_of(keys, name="Jury", is_active=None))

    assert response.status_code == 302
    account = account_of(keys)
    assert (account.name, account.is_active) == ("Jury", False)
    assert "none of its keys is accepted" in owner.get(f"{LIST}{keys.account}/change/").content.decode()


def test_roles_in_projects_are_set_and_ended(owner: Client, keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner"):
        other = make_project(acme, "other")
        role = acme.role("admin").pk
    url = f"{LIST}{keys.account}/change/"

    data = settings_of(keys, **inline(initial=[keys.project_role], project=other.pk, role=role))
    assert owner.post(url, data).status_code == 302
    with acme.acting("owner"):
        rows = ServiceAccountProjectRole.objects.values_list("project_id", "role_id")
        assert list(rows) == [(other.pk, role)]


def test_deleting_names_how_many_keys_end(owner: Client, keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        make(acme, actor, KeyKind.SERVICE_ACCOUNT, "Second", ["scores:write"], service_account=account_of(keys))
    url = f"{LIST}{keys.account}/delete/"

    assert "2 keys end with it." in owner.get(url).content.decode()
    assert owner.post(url, {}).status_code == 422
    assert owner.post(url, {"typed_confirmation": "Judge"}).status_code == 302
    with acme.acting("owner"):
        assert not ServiceAccount.objects.exists()
        assert not ApiKey.objects.filter(kind=KeyKind.SERVICE_ACCOUNT).exists()


def test_markup_stays_text(owner: Client, keys: Keys) -> None:
    xss = "<script>alert(1)</script>"
    owner.post(f"{LIST}{keys.account}/change/", settings_of(keys, name=xss, description=xss))
    for url in (LIST, f"{LIST}{keys.account}/change/", f"{LIST}{keys.account}/delete/"):
        assert "<script>alert" not in owner.get(url).content.decode()


def test_the_kind_says_that_it_changes_no_rights(owner: Client) -> None:
    assert "it changes no rights" in owner.get(f"{LIST}add/").content.decode()
