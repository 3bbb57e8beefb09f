"""Provisioning in the console: who sees it, connections and tokens, requests, drift."""

import re
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.key_format import KeyKind
from accounts.models import IdentityProvider, ProvisionedUser, ScimConnection, ScimRequest, ScimToken
from accounts.scim_providers import GUIDES
from accounts.services.scim_connections import create_scim_connection
from tests.accounts.admin.conftest import ONCE, SECRET, make, state
from tests.accounts.admin.provisioning_stage import LIST, Provisioning, user_body
from tests.accounts.admin.provisioning_stage import SECRET as PASSWORD
from tests.people import Tenant, signed_in

PAGES = [
    "accounts/scimconnection/",
    "accounts/scimconnection/{connection}/change/",
    "accounts/scimtoken/",
    "accounts/scimrequest/",
    "accounts/scimrequest/?outcome=failed",
    "accounts/provisioneduser/",
    "provisioning/{connection}/drift/",
]


def new_token(client: Client, connection: Any, **values: Any) -> Any:
    """Return the answer to the filled-in form of a new token."""
    url = f"/o/acme/accounts/scimtoken/add/?connection={connection}"
    found = ONCE.search(client.get(url).content.decode())
    assert found
    usual = {"name": "Second", "expires_at_0": "365", "expires_at_1": "", "allowed_networks": "", "once": found[1]}
    return client.post(url, {**usual, **values})


@pytest.mark.parametrize(
    ("person", "sees", "manages"),
    [
        ("owner", True, True),
        ("admin", True, True),
        ("member", False, False),
        ("viewer", False, False),
        ("none", False, False),
    ],
)
def test_who_sees_and_who_changes(
    provisioning: Provisioning, acme: Tenant, person: str, *, sees: bool, manages: bool
) -> None:
    client = signed_in(acme.people[person])
    for page in PAGES:
        response = client.get(f"/o/acme/{page.format(connection=provisioning.connection)}")
        assert (response.status_code == 200) == sees, page
    shown = client.get(provisioning.page).content.decode()
    assert ("accounts/scimtoken/add/" in shown) == manages
    if not manages:
        before = state(acme)
        for url in provisioning.urls():
            client.post(
                f"/o/acme/{url}", {"typed_confirmation": "Corporate directory", "name": "x", "provider": "okta"}
            )
        assert state(acme) == before


def test_an_auditor_reads_and_changes_nothing(provisioning: Provisioning, acme: Tenant) -> None:
    client = signed_in(acme.people["auditor"])
    response = client.get(provisioning.page)
    if response.status_code == 200:
        page = response.content.decode()
        for button in ("accounts/scimtoken/add/", "/revoke/", 'name="_save"', "/delete/"):
            assert button not in page, button
    before = state(acme)
    for url in provisioning.urls():
        assert client.post(f"/o/acme/{url}", {"typed_confirmation": "Corporate directory"}).status_code in {403, 404}
    assert state(acme) == before


def test_an_empty_list_says_what_a_connection_is_for(owner: Client, acme: Tenant) -> None:
    page = owner.get(LIST).content.decode()
    assert "No connections yet" in page
    assert "Provisioning" in page


def test_one_is_made_and_leads_to_its_page(owner: Client, acme: Tenant) -> None:
    page = owner.post(f"{LIST}add/", {"name": "Okta", "provider": "okta", "role": ""}, follow=True).content.decode()

    assert "Make a token for it." in page
    assert "No tokens" in page
    assert "No request has come yet." in page
    assert 'value="http://testserver/scim/v2"' in page
    assert 'value="http://testserver/scim/v2/oauth2/token"' in page
    with acme.acting("owner"):
        assert ScimConnection.objects.get().provider == "okta"


def test_owner_is_no_role_for_everybody_new(owner: Client, acme: Tenant) -> None:
    with acme.acting("owner"):
        role = str(acme.role("owner").pk)
    assert ">Owner<" not in owner.get(f"{LIST}add/").content.decode()
    page = owner.post(f"{LIST}add/", {"name": "Okta", "provider": "okta", "role": role}).content.decode()
    assert "cannot become owners by themselves" in page


@pytest.mark.parametrize("provider", IdentityProvider.values)
def test_each_provider_has_instructions(owner: Client, acme: Tenant, provider: str) -> None:
    with acme.acting("owner") as actor:
        made = create_scim_connection(organization=acme.organization, name="X", provider=provider, actor=actor)
    page = owner.get(f"{LIST}{made.pk}/change/").content.decode()
    for guide in GUIDES[provider]:
        assert guide.title in page.replace("&#x27;", "'")
        assert "userName" in page


def test_the_page_tells_numbers_and_the_last_failure(owner: Client, provisioning: Provisioning) -> None:
    response = owner.get(provisioning.page)

    figures = response.context["figures"]
    assert (figures.active, figures.inactive, figures.waiting) == (2, 0, 2)
    assert (figures.mapped, figures.unmapped) == (1, 1)
    assert "Last failure" in response.content.decode()
    for name in ("people_url", "requests_url"):
        listed = owner.get(response.context[name])
        assert len(listed.context["cl"].result_list) == {"people_url": 4, "requests_url": 7}[name]
    assert figures.last_failure.status == 409


def test_a_token_is_shown_once_with_a_command_that_works(
    owner: Client, provisioning: Provisioning, acme: Tenant
) -> None:
    response = new_token(owner, provisioning.connection, allowed_networks="127.0.0.0/8")
    page = response.content.decode()
    secret = SECRET.findall(page)[0]

    assert secret.startswith("gatesk_scm_prod_")
    assert f'curl -H "Authorization: Bearer {secret}" "http://testserver/scim/v2/Users?count=1"' in page
    assert "no-store" in response["Cache-Control"]
    assert Client().get("/scim/v2/Users?count=1", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    with acme.acting("owner"):
        last_four = ScimToken.objects.get(name="Second").last_four
    for url in (provisioning.page, "/o/acme/accounts/scimtoken/"):
        again = owner.get(url).content.decode().replace("\u2060", "")
        assert secret not in again
        assert f"…{last_four}" in again


def test_a_form_that_is_sent_twice_makes_one_token(owner: Client, provisioning: Provisioning, acme: Tenant) -> None:
    url = f"/o/acme/accounts/scimtoken/add/?connection={provisioning.connection}"
    found = re.search(ONCE, owner.get(url).content.decode())
    assert found
    answers = {"once": found[1]}
    assert new_token(owner, provisioning.connection, **answers).status_code == 200
    again = new_token(owner, provisioning.connection, **answers)

    assert again.status_code == 409
    assert "gatesk_" not in again.content.decode()
    with acme.acting("owner"):
        assert ScimToken.objects.count() == 2


def test_a_revoked_token_opens_nothing(owner: Client, provisioning: Provisioning, acme: Tenant) -> None:
    url = f"/o/acme/accounts/scimtoken/{provisioning.token}/revoke/"
    assert owner.get(url).status_code == 200
    assert "was revoked" in owner.post(url, {"reason": "Leaked"}, follow=True).content.decode()

    assert provisioning.client.get("/Users").status == 401
    with acme.acting("owner"):
        assert ScimToken.objects.get().revocation_reason == "Leaked"


def test_requests_tell_reason_and_body_without_secrets(owner: Client, provisioning: Provisioning) -> None:
    everything = owner.get("/o/acme/accounts/scimrequest/")
    failed = owner.get("/o/acme/accounts/scimrequest/?outcome=failed")

    assert len(failed.context["cl"].result_list) == 1 < len(everything.context["cl"].result_list)
    page = owner.get(f"/o/acme/accounts/scimrequest/{provisioning.failure}/change/").content.decode()
    assert "uniqueness" in page
    assert "ada@elsewhere.example" in page
    assert "[redacted]" in page
    assert PASSWORD not in page


def test_requests_are_paged_by_cursor(owner: Client, provisioning: Provisioning) -> None:
    for _ in range(55):
        provisioning.client.get("/ServiceProviderConfig")
        provisioning.client.get("/Users", count="0")
    page = owner.get("/o/acme/accounts/scimrequest/").context["cl"]
    older = owner.get(f"/o/acme/accounts/scimrequest/{page.older_url}").context["cl"]
    assert len(page.result_list) == 50
    assert not {row.pk for row in page.result_list} & {row.pk for row in older.result_list}


def test_drift_names_who_waits_and_why(owner: Client, provisioning: Provisioning, acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        make(acme, actor, KeyKind.ORGANIZATION, "Robot", ["projects:read"])
    page = owner.get(provisioning.drift).content.decode()

    assert "elsewhere.example is no verified domain" in page
    assert "sends no e-mail address" in page
    assert "Idle" in page
    assert ">Staff<" not in page
    assert "auditor@acme.example" in page, "no identity provider knows them"
    assert "member@acme.example" not in page


def test_drift_names_inactive_people_whose_keys_are_in_force(
    owner: Client, admin: Client, provisioning: Provisioning, acme: Tenant
) -> None:
    made = provisioning.client.post("/Users", user_body("admin", "acme.example"))
    with acme.acting("admin") as actor:
        make(acme, actor, KeyKind.ORGANIZATION, "Robot", ["projects:read"])
    provisioning.client.patch(
        f"/Users/{made.json['id']}",
        {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "active", "value": False}],
        },
    )

    assert "Made keys of others that are in force." in owner.get(provisioning.drift).content.decode()


def test_somebody_is_released_from_the_report(owner: Client, provisioning: Provisioning, acme: Tenant) -> None:
    url = f"/o/acme/accounts/provisioneduser/{provisioning.people['member']}/release/"
    assert owner.get(url).status_code == 200
    assert "is managed by hand now" in owner.post(url, follow=True).content.decode()
    with acme.acting("owner"):
        assert acme.membership("member").source == "manual"
        assert not ProvisionedUser.objects.filter(pk=provisioning.people["member"]).exists()


def test_deleting_wants_the_name_and_leaves_people_and_groups(
    owner: Client, provisioning: Provisioning, acme: Tenant
) -> None:
    url = f"{LIST}{provisioning.connection}/delete/"
    assert "managed by hand" in owner.get(url).content.decode()
    assert owner.post(url, {}).status_code == 422
    assert owner.post(url, {"typed_confirmation": "Corporate directory"}).status_code == 302
    with acme.acting("owner"):
        assert not ScimConnection.objects.exists()
        assert acme.membership("member").source == "manual"


def test_markup_stays_text(owner: Client, provisioning: Provisioning) -> None:
    xss = "<script>alert(1)</script>"
    owner.post(provisioning.page, {"name": xss, "provider": "okta", "role": ""})
    provisioning.client.post("/Users", user_body("mallory", "evil.example", displayName=xss, userName=xss))
    for page in PAGES:
        response = owner.get(f"/o/acme/{page.format(connection=provisioning.connection)}")
        assert "<script>alert" not in response.content.decode(), page


def test_the_number_of_questions_does_not_grow(owner: Client, provisioning: Provisioning, acme: Tenant) -> None:
    def questions() -> dict[str, int]:
        found = {}
        for page in PAGES:
            url = f"/o/acme/{page.format(connection=provisioning.connection)}"
            owner.get(url)
            with CaptureQueriesContext(database) as captured:
                assert owner.get(url).status_code == 200
            found[page] = len(captured)
        return found

    few = questions()
    with acme.acting("owner") as actor:
        create_scim_connection(organization=acme.organization, name="Other", actor=actor)
    for number in range(8):
        new_token(owner, provisioning.connection, name=f"T{number}")
        provisioning.client.post("/Users", user_body(f"p{number}", f"d{number}.example"))
        provisioning.client.post("/Users", user_body(f"p{number}", f"d{number}.example"))
    assert questions() == few
    with acme.acting("owner"):
        assert ScimRequest.objects.filter(status=409).count() == 9
