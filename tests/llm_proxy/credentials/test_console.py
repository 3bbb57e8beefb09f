"""The pages of provider credentials: who opens them, what they show and hide, what their buttons do."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gateway.models import ProviderCredential
from isolation.scope import tenant_scope
from tenants.permissions import P
from tenants.services.exceptions import grant_to_member
from tests.audit.sinks.receivers import Answer, Receiver
from tests.llm_proxy.credentials.stage import OTHER, SECRET, credential_of
from tests.people import Tenant, make_project, signed_in
from tests.sso.test_fresh_sign_in import stale
from tests.tenants.stage import events

LIST = "/o/acme/provider-credentials/"
PAGES = ("", "change/", "rotate/", "delete/")
ACTS = ("test/", "put-back/", "forget/", "enable/", "disable/")


def filled(**values: Any) -> dict[str, Any]:
    """Return the form of a new API key as it is sent."""
    return {
        "project": "",
        "name": "Production",
        "base_url": "",
        "secret": SECRET,
        "allowed_models": "gpt-4*\r\no3",
        "priority": "10",
        **values,
    }


def only(tenant: Tenant) -> ProviderCredential:
    with tenant_scope(tenant.organization):
        found: ProviderCredential = ProviderCredential.objects.select_related("project").get()
        return found


def test_a_stranger_finds_nothing_of_it(acme: Tenant, globex: Tenant) -> None:
    stored = credential_of(acme, name="Acme OpenAI", project=acme.project)
    elsewhere = signed_in(globex.owner)
    for page in (*PAGES, *ACTS):
        for path in (f"{LIST}{stored.pk}/{page}", f"/o/globex/provider-credentials/{stored.pk}/{page}"):
            for method in (elsewhere.get, elsewhere.post):
                response = method(path)
                assert response.status_code in {404, 405}, path
                assert b"Acme OpenAI" not in response.content
    asked = {"project": str(acme.project.pk)}
    for path in ("", "resolve/"):
        assert b"Acme OpenAI" not in elsewhere.get(f"/o/globex/provider-credentials/{path}", asked).content
    made = elsewhere.post("/o/globex/provider-credentials/new/openai/", filled(project=str(acme.project.pk)))
    assert made.status_code == 422
    for purpose in ("credential", "resolution", "usage"):
        assert elsewhere.get(f"/o/acme/llm/projects/suggestions/{purpose}/").status_code == 404
    assert only(acme).is_enabled


@pytest.mark.parametrize("who", ["viewer", "auditor", "none"])
def test_who_may_not_see_credentials_is_refused(acme: Tenant, who: str) -> None:
    stored = credential_of(acme)
    browser = signed_in(acme.people[who])
    for path in ("", "new/", "new/openai/", "resolve/"):
        assert browser.get(f"{LIST}{path}").status_code == 403, path
    for page in (*PAGES, *ACTS):
        assert browser.post(f"{LIST}{stored.pk}/{page}").status_code == 403, page


def test_who_only_reads_changes_nothing(acme: Tenant) -> None:
    stored = credential_of(acme)
    browser = signed_in(acme.member)
    assert "OpenAI" in browser.get(LIST).content.decode()
    shown = browser.get(f"{LIST}{stored.pk}/").content.decode()
    assert "What you can do" not in shown
    assert "Add a credential" not in browser.get(LIST).content.decode()
    for page in (*PAGES[1:], *ACTS):
        assert browser.post(f"{LIST}{stored.pk}/{page}").status_code == 403, page
    assert browser.get(f"{LIST}new/").status_code == 403
    assert only(acme).is_enabled


def test_changes_take_a_fresh_sign_in(acme: Tenant) -> None:
    stored = credential_of(acme)
    browser = stale(acme.owner)
    assert browser.get(f"{LIST}{stored.pk}/").status_code == 200
    for page in ("new/", "new/openai/", f"{stored.pk}/change/", f"{stored.pk}/rotate/", f"{stored.pk}/delete/"):
        assert browser.get(f"{LIST}{page}").status_code in {302, 403}, page
    browser.post(f"{LIST}{stored.pk}/disable/")
    browser.post(f"{LIST}{stored.pk}/delete/", {"typed_confirmation": "OpenAI"})
    assert only(acme).is_enabled


def test_nothing_yet(acme: Tenant) -> None:
    shown = signed_in(acme.owner).get(LIST).content.decode()
    assert "No provider credentials yet" in shown
    assert f"{LIST}new/" in shown
    assert "Whoever may manage provider credentials" in signed_in(acme.member).get(LIST).content.decode()


def test_one_is_added_changed_rotated_put_back_and_deleted(acme: Tenant) -> None:
    browser = signed_in(acme.owner)
    assert "Azure OpenAI" in browser.get(f"{LIST}new/").content.decode()
    assert browser.post(f"{LIST}new/openai/", filled()).status_code == 302
    made = only(acme)
    assert (made.project, made.allowed_models, made.priority) == (None, ["gpt-4*", "o3"], 10)
    page = f"{LIST}{made.pk}/"
    assert "…WXYZ" in browser.get(page).content.decode()
    values = filled(name="Main", secret="", allowed_models="")
    assert browser.post(f"{page}change/", values).status_code == 302
    assert (only(acme).name, only(acme).allowed_models) == ("Main", [])
    assert browser.post(f"{page}rotate/", {"secret": OTHER, "overlap": "3600"}).status_code == 302
    assert "Put the former secret back" in browser.get(page).content.decode()
    browser.post(f"{page}put-back/")
    with tenant_scope(acme.organization):
        assert only(acme).secret.reveal() == SECRET
    browser.post(f"{page}forget/")
    assert "Put the former secret back" not in browser.get(page).content.decode()
    browser.post(f"{page}disable/")
    assert not only(acme).is_enabled
    browser.post(f"{page}enable/")
    assert only(acme).is_enabled
    assert browser.post(f"{page}delete/", {"typed_confirmation": "Other"}).status_code == 422
    assert browser.post(f"{page}delete/", {"typed_confirmation": "Main"}).status_code == 302
    with tenant_scope(acme.organization):
        assert not ProviderCredential.objects.exists()


def test_each_kind_asks_for_what_it_needs(acme: Tenant) -> None:
    browser = signed_in(acme.owner)
    told = {
        "option_address": "https://vault.acme.example:8200",
        "option_path": "llm/anthropic",
        "option_kv_version": "2",
        "option_auth": "approle",
        "option_lease_seconds": "600",
    }
    url = f"{LIST}new/anthropic/?kind=vault"
    refused = browser.post(url, filled(project=str(acme.project.pk), **told))
    assert refused.status_code == 422
    assert "Role ID is needed." in refused.content.decode()
    assert browser.post(url, filled(project=str(acme.project.pk), option_role_id="r-1", **told)).status_code == 302
    made = only(acme)
    assert made.project == acme.project
    assert made.options == {
        "address": "https://vault.acme.example:8200",
        "auth": "approle",
        "auth_mount": "approle",
        "field": "value",
        "kv_version": "2",
        "lease_seconds": 600,
        "mount": "secret",
        "path": "llm/anthropic",
        "role_id": "r-1",
    }
    for path in ("new/nobody/", "new/openai/?kind=nothing"):
        assert browser.get(f"{LIST}{path}").status_code == 404


def test_a_secret_is_never_rendered_back(acme: Tenant, provider: Receiver) -> None:
    browser = signed_in(acme.owner)
    for kind in ("openai", "vertex"):
        refused = browser.post(f"{LIST}new/{kind}/", filled(base_url="https://evil.example"))
        assert refused.status_code == 422
        assert SECRET not in refused.content.decode()
    provider.rule = lambda request: Answer(401, request.headers["authorization"].encode())
    added = browser.post(f"{LIST}new/openai_compatible/", filled(base_url=provider.url), follow=True)
    page = f"{LIST}{only(acme).pk}/"
    tested = browser.post(f"{page}test/", follow=True)
    assert "It refused the credential" in tested.content.decode()
    rotated = browser.post(f"{page}rotate/", {"secret": "two words", "overlap": "0"})
    assert rotated.status_code == 422
    shown = [added, tested, rotated, *(browser.get(f"{page}{each}") for each in PAGES), browser.get(LIST)]
    for response in shown:
        assert SECRET not in response.content.decode()
        assert "two words" not in response.content.decode()


def test_a_test_says_what_came_of_it(acme: Tenant, provider: Receiver) -> None:
    stored = credential_of(acme, provider="openai_compatible", base_url=provider.url)
    browser = signed_in(acme.owner)
    page = f"{LIST}{stored.pk}/"
    assert browser.get(f"{page}test/").status_code == 405
    assert provider.requests == []
    shown = browser.post(f"{page}test/", follow=True).content.decode()
    assert "The provider accepted it." in shown
    assert "Accepted" in browser.get(page).content.decode()
    assert events(acme)[-1].action == "provider_credential.tested"


def test_a_projects_manager_works_in_the_project_alone(acme: Tenant) -> None:
    everywhere = credential_of(acme, name="Everywhere")
    with acme.acting("owner") as actor:
        grant_to_member(
            project=acme.project,
            membership=acme.membership("viewer"),
            permission=P.PROVIDER_CREDENTIALS_MANAGE,
            actor=actor,
        )
    browser = signed_in(acme.viewer)
    with tenant_scope(acme.organization):
        other = make_project(acme, "other")
    assert "every project of the organization" not in browser.get(f"{LIST}new/openai/").content.decode()
    suggestions = browser.get("/o/acme/llm/projects/suggestions/credential/").json()["options"]
    assert [one["label"] for one in suggestions] == ["chatbot"]
    assert browser.post(f"{LIST}new/openai/", filled(project=other.slug)).status_code == 422
    assert browser.post(f"{LIST}new/openai/", filled()).status_code == 422
    assert browser.post(f"{LIST}new/openai/", filled(project=str(acme.project.pk))).status_code == 302
    shown = browser.get(LIST).content.decode()
    assert "Production" in shown
    assert "Everywhere" not in shown
    assert browser.get(f"{LIST}{everywhere.pk}/").status_code == 404


def test_the_order_is_shown_with_its_reasons(acme: Tenant) -> None:
    credential_of(acme, name="Small", project=acme.project, allowed_models=["gpt-3*"])
    credential_of(acme, name="Big")
    browser = signed_in(acme.member)
    suggestions = browser.get("/o/acme/llm/projects/suggestions/resolution/", {"typed": "chat"}).json()["options"]
    assert [one["help"] for one in suggestions] == ["Chatbot"]
    asked = {"project": "chatbot", "provider": "", "model": "gpt-4o"}
    shown = browser.get(f"{LIST}resolve/", asked).content.decode()
    assert "It allows gpt-3*, and gpt-4o is none of these." in shown
    assert shown.index("Small") < shown.index("Big")
    assert "Used first" in shown
    for wrong in ({"project": "nonsense"}, {"project": "\0"}, {**asked, "provider": "nobody"}):
        assert browser.get(f"{LIST}resolve/", wrong).status_code == 200


def test_the_list_asks_as_often_for_many_as_for_few(acme: Tenant) -> None:
    browser = signed_in(acme.owner)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert browser.get(LIST).status_code == 200
        return len(asked)

    credential_of(acme, name="0", project=acme.project)
    queries()
    few = queries()
    for number in range(1, 6):
        credential_of(acme, name=str(number), project=acme.project if number % 2 else None)
    assert queries() == few


def test_the_list_is_searched_by_the_beginning_of_a_name_or_project(acme: Tenant) -> None:
    credential_of(acme, name="Alpha", project=acme.project)
    credential_of(acme, name="Beta")
    browser = signed_in(acme.owner)
    for wanted, found in {"alp": "Alpha", "chat": "Alpha", "be": "Beta"}.items():
        shown = browser.get(LIST, {"q": wanted}).content.decode()
        assert found in shown
        assert ({"Alpha", "Beta"} - {found}).pop() not in shown
    assert "Nothing found" in browser.get(LIST, {"q": "%"}).content.decode()
