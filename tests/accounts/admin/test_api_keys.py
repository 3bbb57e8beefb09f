"""Making, changing, finding and ending keys in the console."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.key_format import KeyKind
from accounts.models import ApiKey
from accounts.services.key_authentication import authenticate_key
from tenants.services.organizations import update_organization
from tests.accounts.admin.conftest import ADD, LIST, Keys, create, make, shown_secret, state, stored
from tests.people import Tenant

CRUMB = re.compile(r'class="gh-crumb"[^>]*>\s*([^<]*?)\s*<')

XSS = "<script>alert(1)</script>\"'&"


def made_by(response: Any, tenant: Tenant) -> ApiKey:
    """Return the key whose secret a page shows."""
    return stored(tenant, authenticate_key(secret=shown_secret(response), ip=None).key_id)


def names(client: Client, query: str) -> set[str]:
    """Return the names that a list shows."""
    return {key.name for key in client.get(f"{LIST}{query}").context["cl"].result_list}


def limit_life(tenant: Tenant, days: int) -> None:
    """Let the organization's keys live that long."""
    with tenant.acting("owner") as actor:
        organization = tenant.organization
        update_organization(
            organization=organization,
            name=organization.name,
            default_role=None,
            project_naming_pattern="",
            project_naming_hint="",
            api_key_max_days=days,
            actor=actor,
        )


def test_a_key_is_what_was_chosen(owner: Client, acme: Tenant) -> None:
    response = create(
        owner,
        "project",
        project=str(acme.project.pk),
        name="  Ingestion ",
        note="In the vault",
        scopes=["traces:write", "scores:write"],
        expires_at_0="30",
        allowed_networks="203.0.113.7\r\n\r\n 2001:db8::/32",
    )

    with acme.acting("owner"):
        key = ApiKey.objects.select_related("project").get()
    assert shown_secret(response).startswith("gatesk_prj_dev_")
    assert (key.name, key.note, key.kind, key.environment) == ("Ingestion", "In the vault", "project", "development")
    assert key.scopes == ["scores:write", "traces:write"]
    assert key.allowed_networks == ["203.0.113.7/32", "2001:db8::/32"]
    assert abs(key.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    assert key.created_by == acme.owner.email


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"name": ""}, "name", "This field is required"),
        ({"name": "a\x00b"}, "name", "Null characters"),
        ({"scopes": []}, "scopes", "Choose at least one scope"),
        ({"scopes": ["nonsense"]}, "scopes", "not one of the available choices"),
        ({"expires_at_0": "date"}, "expires_at", "Choose the day"),
        ({"expires_at_0": "date", "expires_at_1": "2020-01-01"}, "expires_at", "Choose a moment in the future"),
        ({"expires_at_0": "date", "expires_at_1": "never"}, "expires_at", "Enter a valid date"),
        ({"expires_at_0": "99999999999"}, "expires_at", "not one of the available choices"),
        ({"expires_at_0": ""}, "expires_at", "Choose when the key expires"),
        ({"allowed_networks": "10.0.0.0/33"}, "allowed_networks", "is no IP address or network"),
        ({"allowed_networks": "\n".join(f"10.0.0.{n}" for n in range(60))}, "allowed_networks", "at most"),
        ({"environment": "moon"}, "environment", "not one of the available choices"),
    ],
)
def test_an_error_stands_at_its_field_and_keeps_what_was_typed(
    owner: Client, acme: Tenant, values: dict[str, Any], field: str, message: str
) -> None:
    response = create(owner, "organization", **{"note": "Typed before", **values})

    assert response.status_code == 200
    form = response.context["adminform"].form
    assert message in str(form.errors[field])
    page = response.content.decode()
    assert "Typed before" in page
    assert "gatesk_" not in page
    if values.get("scopes") is None:
        assert 'value="traces:read" id="scope-traces-read" checked' in page
    with acme.acting("owner"):
        assert not ApiKey.objects.exists()


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_the_ends_of_the_calendar_are_answered(owner: Client, day: str) -> None:
    assert create(owner, "organization", expires_at_0="date", expires_at_1=day).status_code == 200


def test_a_day_counts_to_its_end(owner: Client, acme: Tenant) -> None:
    today = timezone.localdate()
    key = made_by(create(owner, "organization", expires_at_0="date", expires_at_1=today.isoformat()), acme)
    assert key.expires_at is not None
    assert key.expires_at.date() == today + timedelta(days=1)
    assert key.expires_at.time().isoformat() == "00:00:00"


def test_a_link_with_nonsense_opens_the_form(owner: Client) -> None:
    for query in ("project=nonsense", "project=%00", "expires_at=x&scopes=traces:read&environment=moon", "name=%00"):
        assert owner.get(f"{ADD}?kind=project&{query}").status_code == 200, query


def test_the_organizations_maximum_is_named_and_kept(owner: Client, acme: Tenant) -> None:
    limit_life(acme, 45)
    page = owner.get(f"{ADD}?kind=organization").content.decode()
    assert "live 45 days at most" in page
    assert 'value="never"' not in page
    assert 'value="90"' not in page

    last = (timezone.localdate() + timedelta(days=45)).isoformat()
    key = made_by(create(owner, "organization", expires_at_0="date", expires_at_1=last), acme)
    assert key.expires_at is not None
    assert key.expires_at <= timezone.now() + timedelta(days=45)
    later = (timezone.localdate() + timedelta(days=46)).isoformat()
    refused = create(owner, "organization", expires_at_0="date", expires_at_1=later)
    assert "45 days at most" in str(refused.context["adminform"].form.errors["expires_at"])
    assert "not one of" in str(create(owner, "organization", expires_at_0="never").context["adminform"].form.errors)


def settings_of(key: ApiKey, **values: Any) -> dict[str, Any]:
    """Return the answers of a key's page."""
    usual = {
        "name": key.name,
        "note": key.note,
        "scopes": key.scopes,
        "expires_at_0": "keep",
        "expires_at_1": "",
        "allowed_networks": "\n".join(key.allowed_networks),
    }
    return {**usual, **values}


def test_a_key_is_changed(owner: Client, keys: Keys) -> None:
    key = stored(keys.tenant, keys.pk("project"))
    url = f"{LIST}{key.pk}/change/"

    assert owner.post(url, settings_of(key)).status_code == 302
    assert stored(keys.tenant, key.pk).name == "Ingestion"
    data = settings_of(
        key, name="Ingest", scopes=["traces:read"], expires_at_0="30", allowed_networks="10.0.0.1", note="n"
    )
    assert owner.post(url, data).status_code == 302
    changed = stored(keys.tenant, key.pk)
    assert (changed.name, changed.note, changed.scopes) == ("Ingest", "n", ["traces:read"])
    assert changed.allowed_networks == ["10.0.0.1/32"]
    assert changed.expires_at is not None
    assert (changed.kind, changed.project_id) == (key.kind, key.project_id)
    assert owner.post(url, settings_of(changed, expires_at_0="never")).status_code == 302
    assert stored(keys.tenant, key.pk).expires_at is None


def test_a_change_above_ones_own_permissions_is_refused(admin: Client, keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        high = make(acme, owner, KeyKind.ORGANIZATION, "Reaper", ["organization:delete"]).key
    url = f"{LIST}{high.pk}/change/"

    assert "you cannot change this key" in admin.get(url).content.decode()
    response = admin.post(url, settings_of(high, name="Mine", scopes=["projects:read"]))
    assert "which you are not allowed yourself" in response.content.decode()
    assert stored(acme, high.pk).name == "Reaper"


def test_a_revoked_key_is_told_and_not_changed(owner: Client, keys: Keys) -> None:
    pk = keys.pk("project")
    owner.post(f"{LIST}{pk}/revoke/", {"reason": "Leaked in a paste"})
    page = owner.get(f"{LIST}{pk}/change/").content.decode()

    assert "Leaked in a paste" in page
    for button in ("rotate/", "revoke/", 'name="_save"'):
        assert button not in page
    assert owner.post(f"{LIST}{pk}/change/", {"name": "Again"}).status_code == 403
    assert "is not possible any more" in owner.get(f"{LIST}{pk}/rotate/", follow=True).content.decode()


def bulk(client: Client, *pks: Any, **more: Any) -> Any:
    """Send the list's action."""
    return client.post(LIST, {"action": "revoke_selected", "_selected_action": [str(pk) for pk in pks], **more})


def test_bulk_revocation_asks_first_and_tells_the_reason(owner: Client, keys: Keys) -> None:
    chosen = [keys.pk("project"), keys.pk("organization")]
    before = state(keys.tenant)

    page = bulk(owner, *chosen, index=0)
    assert page.status_code == 200
    assert "Ingestion" in page.content.decode()
    assert "Laptop" not in page.content.decode()
    assert state(keys.tenant) == before
    done = bulk(owner, *chosen, bulk_confirmed="yes", reason="Incident 7")
    assert done.status_code == 302
    ended = [stored(keys.tenant, issued.key.pk) for issued in keys.issued.values()]
    assert {key.name: key.revocation_reason for key in ended if key.revoked_at} == {
        "Ingestion": "Incident 7",
        "Terraform": "Incident 7",
    }


def test_bulk_revocation_of_one_key_that_is_not_allowed_revokes_none(member: Client, keys: Keys) -> None:
    before = state(keys.tenant)

    assert bulk(member, keys.pk("personal"), keys.pk("project"), bulk_confirmed="yes", reason="x").status_code == 403
    assert state(keys.tenant) == before
    assert bulk(member, keys.pk("personal"), bulk_confirmed="yes", reason="x").status_code == 302
    assert stored(keys.tenant, keys.pk("personal")).revoked_at


def test_bulk_revocation_of_all_touches_what_the_page_named(owner: Client, keys: Keys, acme: Tenant) -> None:
    page = bulk(owner, keys.pk("project"), index=0, select_across=1).content.decode()
    assert page.count('name="_selected_action"') == 4
    assert "select_across" not in page


def test_a_long_reason_is_refused_at_its_field(owner: Client, keys: Keys) -> None:
    before = state(keys.tenant)

    assert bulk(owner, keys.pk("project"), bulk_confirmed="yes", reason="x" * 301).status_code == 422
    assert owner.post(f"{LIST}{keys.pk('project')}/revoke/", {"reason": "x" * 301}).status_code == 422
    assert state(keys.tenant) == before


def test_keys_are_found(owner: Client, keys: Keys, acme: Tenant, superuser: Any) -> None:
    project_key = keys.issued["project"]
    owner.post(f"{LIST}{keys.pk('organization')}/revoke/", {"reason": ""})
    superuser.execute("SET session_replication_role = replica")  # time passes without an audit event
    superuser.execute(
        "UPDATE accounts_apikeysecret SET created_at = now() - interval '100 days' WHERE api_key_id = %s",
        [keys.pk("project")],
    )

    assert names(owner, "?q=ing") == {"Ingestion"}
    assert names(owner, f"?q={project_key.public_id[:24]}") == {"Ingestion"}
    assert names(owner, f"?q={project_key.secret}") == set()
    assert names(owner, "?state=revoked") == {"Terraform"}
    assert names(owner, "?state=active") == {"Ingestion", "Judge's key", "Laptop"}
    assert names(owner, "?kind__exact=personal") == {"Laptop"}
    assert names(owner, "?environment__exact=development") == {"Ingestion"}
    assert names(owner, f"?project__id__exact={acme.project.pk}") == {"Ingestion"}
    assert names(owner, "?older_than=90") == {"Ingestion"}
    assert names(owner, "?older_than=180") == set()
    assert names(owner, "?older_than=nonsense") == names(owner, "")


@pytest.mark.parametrize(
    "lookup", ["secrets__last_four", "secrets__digest__startswith", "note__startswith", "last_four"]
)
def test_no_other_column_can_be_asked_about(owner: Client, keys: Keys, lookup: str) -> None:
    response = owner.get(LIST, {lookup: "a"})
    assert response.status_code in {302, 400}


def test_markup_in_names_and_notes_stays_text(owner: Client, acme: Tenant) -> None:
    response = create(owner, "organization", name=XSS, note=XSS)
    key = made_by(response, acme)
    pages = [response]
    pages += [owner.get(url) for url in (LIST, f"{LIST}{key.pk}/change/", f"{LIST}{key.pk}/rotate/", "/o/acme/audit/")]
    pages.append(bulk(owner, key.pk, index=0))
    pages.append(owner.post(f"{LIST}{key.pk}/revoke/", {"reason": XSS}, follow=True))
    pages.append(owner.get(f"{LIST}{key.pk}/change/"))
    for page in pages:
        assert page.status_code == 200
        assert "<script>alert" not in page.content.decode()


def test_a_name_of_another_script_and_an_endless_one(owner: Client, acme: Tenant) -> None:
    assert made_by(create(owner, "organization", name="Ключ 鍵 🔑"), acme).name == "Ключ 鍵 🔑"
    assert "at most 120" in create(owner, "organization", name="x" * 121).content.decode()


def test_an_empty_list_says_what_to_do(owner: Client) -> None:
    page = owner.get(LIST).content.decode()
    assert "No API keys yet" in page
    assert f'href="{ADD}' in page


def test_without_projects_and_accounts_their_cards_say_so(owner: Client, acme: Tenant) -> None:
    page = owner.get(ADD).content.decode()
    assert "There is no service account yet." in page
    assert "/o/acme/accounts/serviceaccount/add/" in page
    assert f"{ADD}?kind=service_account" not in page


def test_pages_of_keys_go_on(owner: Client, acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        for number in range(60):
            make(acme, actor, KeyKind.ORGANIZATION, f"Key {number}", ["traces:read"])
    first = owner.get(LIST).context["cl"]
    assert len(first.result_list) == 50
    assert len(owner.get(f"{LIST}{first.older_url}").context["cl"].result_list) == 10


def test_the_pages_of_a_key_are_called_by_its_name(owner: Client, keys: Keys) -> None:
    for part in ("change", "rotate", "revoke"):
        page = owner.get(f"{LIST}{keys.pk('project')}/{part}/").content.decode()
        title = page.partition("<title>")[2].partition("</title>")[0].strip()
        assert title.startswith("Ingestion · ")
        assert "gatepk_" not in title
        assert CRUMB.findall(page)[-1] in {"Ingestion", part.capitalize()}
        assert "Ingestion (gatepk_" not in page
