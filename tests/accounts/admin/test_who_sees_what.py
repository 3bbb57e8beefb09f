"""Each role sees its keys and buttons, and no others."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.key_format import KeyKind
from accounts.models import User
from tenants.services.exceptions import grant_to_member
from tenants.services.members import set_project_role
from tests.accounts.admin.conftest import ADD, LIST, Keys, asked, create, make, rotation, shown_secret, state, stored
from tests.people import Tenant, make_project, signed_in

ALL = {"Ingestion", "Terraform", "Judge's key", "Laptop"}


def listed(client: Client, query: str = "") -> set[str]:
    """Return the names of the keys in the list."""
    response = client.get(f"{LIST}{query}")
    assert response.status_code == 200
    return {key.name for key in response.context["cl"].result_list}


@pytest.mark.parametrize(
    ("person", "names"),
    [("owner", ALL), ("admin", ALL), ("member", ALL), ("viewer", set()), ("auditor", set()), ("none", set())],
)
def test_who_finds_which_keys(keys: Keys, acme: Tenant, person: str, names: set[str]) -> None:
    assert listed(signed_in(acme.people[person])) == names


@pytest.mark.parametrize(("person", "status"), [("owner", 200), ("member", 200), ("viewer", 404), ("none", 404)])
def test_who_opens_another_persons_key(keys: Keys, acme: Tenant, person: str, status: int) -> None:
    for kind in ("project", "organization", "service_account"):
        url = f"{LIST}{keys.pk(kind)}/change/"
        assert signed_in(acme.people[person]).get(url).status_code == status, kind


def test_a_member_reads_keys_and_changes_their_own_only(keys: Keys, member: Client) -> None:
    before = state(keys.tenant)

    for kind in ("project", "organization", "service_account"):
        page = member.get(f"{LIST}{keys.pk(kind)}/change/").content.decode()
        assert "rotate/" not in page
        assert "revoke/" not in page
        assert 'name="_save"' not in page
        for part in ("rotate", "revoke"):
            assert member.get(f"{LIST}{keys.pk(kind)}/{part}/").status_code == 403
            assert member.post(f"{LIST}{keys.pk(kind)}/{part}/", {"reason": ""}).status_code == 403
        assert member.post(f"{LIST}{keys.pk(kind)}/change/", {"name": "Mine"}).status_code == 403
    assert state(keys.tenant) == before

    own = f"{LIST}{keys.pk('personal')}/"
    page = member.get(f"{own}change/").content.decode()
    assert f"{own}rotate/" in page
    assert f"{own}revoke/" in page
    assert shown_secret(member.post(f"{own}rotate/", rotation(member, keys.pk("personal"))))
    assert member.post(f"{own}revoke/", {"reason": "Lost"}).status_code == 302
    assert stored(keys.tenant, keys.pk("personal")).state == "revoked"


def test_admins_revoke_a_personal_key_and_change_it_in_no_other_way(keys: Keys, admin: Client) -> None:
    url = f"{LIST}{keys.pk('personal')}/"
    page = admin.get(f"{url}change/").content.decode()

    assert f"{url}revoke/" in page
    assert f"{url}rotate/" not in page
    assert 'name="_save"' not in page
    assert admin.post(f"{url}rotate/", {"overlap": "0", "expected": "x"}).status_code == 403
    assert admin.post(f"{url}change/", {"name": "Mine"}).status_code == 403
    assert admin.post(f"{url}revoke/", {"reason": "Stolen laptop"}).status_code == 302
    assert stored(keys.tenant, keys.pk("personal")).revocation_reason == "Stolen laptop"


@pytest.mark.parametrize(
    ("person", "kinds"),
    [
        ("owner", {"project", "service_account", "organization", "personal"}),
        ("member", {"personal"}),
        ("viewer", {"personal"}),
    ],
)
def test_who_makes_which_kind_of_key(keys: Keys, acme: Tenant, person: str, kinds: set[str]) -> None:
    client = signed_in(acme.people[person])
    page = client.get(ADD)

    if len(kinds) == 1:
        assert page["Location"] == f"{ADD}?kind={kinds.pop()}"
        assert client.get(f"{ADD}?kind=organization").status_code == 302
    else:
        assert {kind for kind in KeyKind if f"?kind={kind}" in page.content.decode()} == kinds
    before = state(acme)
    if person != "owner":
        for kind in ("project", "organization", "service_account", "platform", "nonsense"):
            client.post(f"{ADD}?kind={kind}", {**asked(client, "personal"), "project": str(acme.project.pk)})
        assert state(acme) == before


def test_a_viewer_makes_a_personal_key_and_finds_it_among_theirs(keys: Keys, acme: Tenant, viewer: Client) -> None:
    assert shown_secret(create(viewer, "personal", name="Notebook"))

    page = viewer.get(LIST)
    assert page.context["title"] == "API keys", "as the menu calls it"
    assert listed(viewer) == {"Notebook"}
    assert listed(signed_in(acme.owner), "?whose=mine") == set()


def test_only_scopes_that_the_actor_holds_are_offered_and_accepted(keys: Keys, viewer: Client) -> None:
    page = viewer.get(f"{ADD}?kind=personal").content.decode()
    assert 'value="traces:read"' in page
    assert 'value="traces:write"' not in page
    assert "not offered" in page

    refused = create(viewer, "personal", scopes=["traces:read", "traces:write"]).content.decode()
    assert "never allows more than you may do yourself" in refused
    assert "gatesk_" not in refused


def test_a_project_key_offers_what_counts_in_a_project(keys: Keys, owner: Client) -> None:
    page = owner.get(f"{ADD}?kind=project").content.decode()
    assert 'value="traces:read"' in page
    assert 'value="members:read"' not in page
    assert 'name="environment"' not in page


def test_who_manages_one_project_makes_its_keys_and_sees_no_others(keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        other = make_project(acme, "other")
        make(acme, actor, KeyKind.PROJECT, "Other's", ["traces:read"], project=other)
        set_project_role(membership=acme.membership("none"), project=acme.project, role=acme.role("admin"), actor=actor)
    client = signed_in(acme.people["none"])

    assert listed(client) == {"Ingestion"}
    page = client.get(f"{ADD}?kind=project").content.decode()
    assert str(acme.project.pk) in page
    assert str(other.pk) not in page
    assert shown_secret(create(client, "project", project=str(acme.project.pk)))
    refused = create(client, "project", project=str(other.pk)).content.decode()
    assert "gatesk_" not in refused
    assert "other" not in refused.lower().replace("another", "")


def test_a_hidden_projects_keys_are_hidden(keys: Keys, acme: Tenant, member: Client) -> None:
    with acme.acting("owner") as actor:
        set_project_role(
            membership=acme.membership("member"), project=acme.project, role=acme.role("none"), actor=actor
        )

    assert listed(member) == ALL - {"Ingestion"}
    assert member.get(f"{LIST}{keys.pk('project')}/change/").status_code == 404


def test_an_exception_to_rotate_lets_rotate_and_no_more(keys: Keys, acme: Tenant, member: Client) -> None:
    with acme.acting("owner") as actor:
        grant_to_member(
            project=acme.project, membership=acme.membership("member"), permission="api_keys:rotate", actor=actor
        )
    url = f"{LIST}{keys.pk('project')}/"
    page = member.get(f"{url}change/").content.decode()

    assert f"{url}rotate/" in page
    assert f"{url}revoke/" not in page
    assert shown_secret(member.post(f"{url}rotate/", rotation(member, keys.pk("project"))))
    assert member.post(f"{url}revoke/", {"reason": ""}).status_code == 403


def test_an_operator_in_support_sees_keys_and_touches_none(operator: User, keys: Keys) -> None:
    client = signed_in(operator)
    client.post(f"/admin/support/{keys.tenant.organization.pk}/", {"reason": "Ticket 4711: a key is refused"})
    before = state(keys.tenant)

    assert listed(client) == ALL
    for url in ("accounts/apikey/", f"accounts/apikey/{keys.pk('project')}/change/", "accounts/serviceaccount/"):
        page = client.get(f"/o/acme/{url}")
        assert page.status_code == 200, url
        for button in ("/add/", "rotate/", "revoke/", 'name="_save"', "revoke_selected"):
            assert button not in page.content.decode(), (url, button)
    for url in (ADD, f"{ADD}?kind=personal", f"{ADD}?kind=organization", "/o/acme/accounts/serviceaccount/add/"):
        assert client.get(url).status_code == 403, url
        assert client.post(url, {"name": "x", "scopes": ["projects:read"], "expires_at_0": "90"}).status_code == 403
    for url in keys.urls():
        client.post(f"/o/acme/{url}", {"name": "x", "reason": "", "overlap": "0", "typed_confirmation": "Judge"})
    assert state(keys.tenant) == before


def test_pages_show_their_keys(keys: Keys, owner: Client, viewer: Client, acme: Tenant) -> None:
    project = f"/o/acme/tenants/project/{acme.project.pk}/change/"
    page = owner.get(project).content.decode()
    assert "Ingestion" in page
    assert "Terraform" not in page
    assert f"{ADD}?kind=project&amp;project={acme.project.pk}" in page
    assert "Ingestion" not in viewer.get(project).content.decode()

    account = owner.get(f"/o/acme/accounts/serviceaccount/{keys.account}/change/").content.decode()
    assert "Judge&#x27;s key" in account
    assert f"{ADD}?kind=service_account&amp;service_account={keys.account}" in account


def test_keys_lead_to_their_events(keys: Keys, owner: Client, member: Client) -> None:
    url = f"{LIST}{keys.pk('project')}/"
    assert f"{url}history/" in owner.get(f"{url}change/").content.decode()
    assert f"{url}history/" not in member.get(f"{url}change/").content.decode()
    history = owner.get(f"{url}history/", follow=True)
    assert "created the API key Ingestion" in history.content.decode()
    assert "Terraform" not in history.content.decode()


@pytest.mark.parametrize("person", ["viewer", "auditor"])
def test_who_makes_personal_keys_only_is_offered_no_others(acme: Tenant, person: str) -> None:
    page = signed_in(acme.people[person]).get(LIST).content.decode()
    assert "Make one for your own scripts." in page
    assert "a service account or for" not in page


@pytest.mark.parametrize(("person", "numbers"), [("owner", (6, 1)), ("member", (6, 1)), ("viewer", None)])
def test_the_overview_counts_keys_for_who_reads_them(
    keys: Keys, acme: Tenant, globex: Tenant, person: str, numbers: tuple[int, int] | None
) -> None:
    for tenant in (acme, globex):
        with tenant.acting("owner") as actor:
            for days in (13, 15):
                expires = timezone.now() + timedelta(days=days)
                make(tenant, actor, KeyKind.ORGANIZATION, f"Ends in {days}", ["projects:read"], expires_at=expires)
    client = signed_in(acme.people[person])
    figures = {figure["key"]: figure["number"] for figure in client.get("/o/acme/").context["figures"]}
    found = (figures["keys"], figures["expiring_keys"]) if "keys" in figures else None
    assert found == numbers
    if found:
        assert listed(client, "?expires=soon") == {"Ends in 13"}
