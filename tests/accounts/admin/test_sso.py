"""Single sign-on in the console: connections, people and recent sign-ins."""

import re
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import SsoConnection, SsoIdentity
from accounts.models.sso import LONGEST_URL
from accounts.sso.oidc.registration import redirect_uri
from isolation.scope import tenant_scope
from tests.accounts.admin.conftest import ONCE, state
from tests.browsers import assert_closed, assert_not_in_ones_own, words_of
from tests.people import Tenant, signed_in
from tests.sso.hostile import Answer, Behaviour, Hostile
from tests.sso.stage import CLIENT_ID, CLIENT_SECRET, Sso, connect
from tests.tenants.stage import events

LIST = "/o/acme/accounts/ssoconnection/"
LISTS = ["accounts/ssoconnection/", "accounts/ssoidentity/", "accounts/ssologin/"]
REDIRECT_URI = re.compile(r'value="(http[^"]+/sso/([0-9a-f-]{36})/callback/)"')
CONFIRMED = {"typed_confirmation": "Corporate", "name": "Stolen", "client_secret": "x", "secret": "x"}


def page_of(sso: Sso) -> str:
    return f"{LIST}{sso.connection.pk}/change/"


def asked(browser: Client, idp: Hostile, **values: str) -> dict[str, str]:
    """Return the answers of a new connection's form, with the token of a form that was just opened."""
    found = ONCE.search(browser.get(f"{LIST}add/?protocol=oidc").content.decode())
    assert found
    return {**answers(idp), "once": found[1], **values}


def answers(idp: Hostile) -> dict[str, str]:
    """Return the answers of a filled-in form."""
    return {
        "name": "Okta",
        "provider": "okta",
        "issuer": idp.issuer,
        "client_id": CLIENT_ID,
        "secret": CLIENT_SECRET,
        "joining": "known",
        "role": "",
        "email_claim": "email",
        "name_claim": "name",
        "external_id_claim": "sub",
        "scopes": "openid email profile",
        "groups_claim": "",
    }


def stored(tenant: Tenant) -> list[SsoConnection]:
    with tenant_scope(tenant.organization):
        return list(SsoConnection.objects.select_related("role").order_by("name"))


def urls(sso: Sso) -> list[str]:
    """Return every page about one of the rows, below the organization's address."""
    with tenant_scope(sso.tenant.organization):
        identity = SsoIdentity.objects.get(connection=sso.connection).pk
    parts = ("change", "delete", "history", "enable", "disable", "owners", "no_owners")
    return [
        *(f"accounts/ssoconnection/{sso.connection.pk}/{part}/" for part in parts),
        f"accounts/ssoidentity/{identity}/change/",
        f"accounts/ssoidentity/{identity}/forget/",
        f"accounts/ssologin/{sso.logins()[0].pk}/change/",
        f"sso/{sso.connection.pk}/test/",
    ]


def test_no_page_of_another_organization_opens(elsewhere: Client, sso: Sso) -> None:
    sso.sign_in()
    before = state(sso.tenant)
    assert_closed(elsewhere, [*LISTS, "accounts/ssoconnection/add/", *urls(sso)], CONFIRMED)
    assert state(sso.tenant) == before


def test_rows_of_another_organization_do_not_exist_in_ones_own(elsewhere: Client, sso: Sso) -> None:
    sso.sign_in()
    before = state(sso.tenant)
    shown = [url for url in urls(sso) if "ssologin" in url or ("ssoidentity" in url and "change" in url)]
    assert_not_in_ones_own(elsewhere, [url for url in urls(sso) if url not in shown], CONFIRMED)
    for url in shown:
        assert elsewhere.get(f"/o/globex/{url}").status_code == 404, url
    for url in LISTS:
        query = "" if url == LISTS[0] else f"?connection__id__exact={sso.connection.pk}"
        page = elsewhere.get(f"/o/globex/{url}{query}", follow=True)
        assert page.status_code == 200
        assert b"Corporate" not in page.content
        assert b"acme" not in words_of(page.content)
    assert state(sso.tenant) == before


@pytest.mark.parametrize("role", ["member", "viewer", "auditor", "none"])
def test_who_does_not_manage_it_sees_and_changes_nothing(sso: Sso, role: str) -> None:
    sso.sign_in()
    browser, before = signed_in(sso.tenant.people[role]), state(sso.tenant)
    for url in [*LISTS, *urls(sso)]:
        assert browser.get(f"/o/acme/{url}").status_code == 403, url
        assert browser.post(f"/o/acme/{url}", CONFIRMED).status_code == 403, url
    assert state(sso.tenant) == before


def test_a_form_shows_the_redirect_uri_of_the_connection_that_it_makes(
    owner: Client, acme: Tenant, idp: Hostile
) -> None:
    form = owner.get(f"{LIST}add/?protocol=oidc").content.decode()
    shown = REDIRECT_URI.search(form)
    once = ONCE.search(form)
    assert shown
    assert once
    made = owner.post(f"{LIST}add/?protocol=oidc", {**answers(idp), "once": once[1]})
    (connection,) = stored(acme)
    assert redirect_uri(connection.pk) == shown[1]
    assert made.headers["Location"] == f"{LIST}{connection.pk}/change/"
    page = owner.get(made.headers["Location"])
    assert shown[1] in page.content.decode()
    assert "was created. Test it, then switch it on." in page.content.decode()
    assert not connection.is_enabled


def test_a_form_that_was_refused_keeps_its_redirect_uri(owner: Client, acme: Tenant, idp: Hostile) -> None:
    values = asked(owner, idp)
    before = REDIRECT_URI.search(owner.post(f"{LIST}add/?protocol=oidc", values | {"name": ""}).content.decode())
    idp.behaviour = Behaviour(discovery_answer=Answer.HTML_500)
    page = owner.post(f"{LIST}add/?protocol=oidc", values)
    text = page.content.decode()
    shown, once = REDIRECT_URI.search(text), ONCE.search(text)
    assert "not JSON (status 500)" in text
    assert CLIENT_SECRET not in text
    assert before
    assert shown
    assert once
    assert stored(acme) == []
    idp.behaviour = Behaviour()
    owner.post(f"{LIST}add/?protocol=oidc", values | {"once": once[1]})
    (connection,) = stored(acme)
    assert before[1] == shown[1] == redirect_uri(connection.pk)


def test_two_forms_are_two_connections(owner: Client, idp: Hostile) -> None:
    first, second = (owner.get(f"{LIST}add/?protocol=oidc").content.decode() for _ in range(2))
    assert REDIRECT_URI.findall(first) != REDIRECT_URI.findall(second)


def test_a_form_that_is_sent_twice_makes_one(owner: Client, acme: Tenant, idp: Hostile) -> None:
    values = asked(owner, idp)
    assert owner.post(f"{LIST}add/?protocol=oidc", values).status_code == 302
    again = owner.post(f"{LIST}add/?protocol=oidc", values | {"name": "Okta again"})
    assert "sent twice" in again.content.decode()
    assert len(stored(acme)) == 1
    assert len(events(acme, "sso_connection.created")) == 1


def test_nobody_chooses_the_id_of_a_connection(owner: Client, admin: Client, acme: Tenant, idp: Hostile) -> None:
    stolen = asked(admin, idp)["once"]
    for once in ("", "b0415263-7d8e-4f90-8192-c3d4e5f60718", stolen):
        page = owner.post(f"{LIST}add/?protocol=oidc", answers(idp) | {"once": once})
        assert "open for too long" in page.content.decode()
    assert stored(acme) == []


def test_an_empty_secret_stays_the_stored_one_and_another_replaces_it(owner: Client, sso: Sso) -> None:
    page = owner.get(page_of(sso)).content.decode()
    assert "s3cret" not in page
    assert "Leave it empty to keep the stored one." in page
    values = answers(sso.idp)
    assert owner.post(page_of(sso), values | {"secret": "", "client_id": "renamed"}).status_code == 302
    assert owner.post(page_of(sso), values | {"secret": ""}).status_code == 302
    assert sso.sign_in().user_id
    sso.idp.client_secret = "the next one"
    assert sso.sign_in().user_id is None
    assert owner.post(page_of(sso), values | {"secret": "the next one"}).status_code == 302
    assert sso.sign_in().user_id
    assert "next one" not in owner.get(page_of(sso)).content.decode()


def test_the_switch_asks_first(owner: Client, acme: Tenant, idp: Hostile) -> None:
    sso = connect(acme, idp, enabled=False)
    switch = f"{LIST}{sso.connection.pk}"
    assert "Passwords go on working" in owner.get(f"{switch}/enable/").content.decode()
    assert [one.is_enabled for one in stored(acme)] == [False], "a GET changes nothing"
    assert "can sign in through Corporate now" in owner.post(f"{switch}/enable/", follow=True).content.decode()
    assert Client().get(sso.start).status_code == 302
    assert "end with their" in owner.get(f"{switch}/disable/").content.decode()
    assert [one.is_enabled for one in stored(acme)] == [True]
    assert "Nobody signs in through Corporate" in owner.post(f"{switch}/disable/", follow=True).content.decode()
    assert Client().get(sso.start).status_code == 404


def test_a_page_offers_the_switch_that_can_be_thrown(owner: Client, sso: Sso) -> None:
    page = owner.get(page_of(sso)).content.decode()
    assert f"{sso.connection.pk}/disable/" in page
    assert f"{sso.connection.pk}/enable/" not in page
    owner.post(f"{LIST}{sso.connection.pk}/disable/")
    page = owner.get(page_of(sso)).content.decode()
    assert f"{sso.connection.pk}/enable/" in page
    assert f"{sso.connection.pk}/disable/" not in page


def test_people_are_listed_and_forgotten(owner: Client, sso: Sso) -> None:
    sso.sign_in()
    listed = owner.get(f"/o/acme/accounts/ssoidentity/?connection__id__exact={sso.connection.pk}")
    assert "member@acme.example" in listed.content.decode()
    (identity,) = listed.context["cl"].result_list
    page = owner.get(f"/o/acme/accounts/ssoidentity/{identity.pk}/change/").content.decode()
    assert sso.idp.issuer in page
    assert "u-1" in page
    forget = f"/o/acme/accounts/ssoidentity/{identity.pk}/forget/"
    assert "recognized by the externalId or the e-mail address again" in owner.get(forget).content.decode()
    assert sso.identities() == ["u-1"], "a GET changes nothing"
    assert "was forgotten" in owner.post(forget, follow=True).content.decode()
    assert sso.identities() == []
    assert len(events(sso.tenant, "sso_identity.unlinked")) == 1
    sso.idp.claims |= {"sub": "u-replaced"}
    assert sso.sign_in().user_id == str(sso.tenant.member.pk)
    assert sso.identities() == ["u-replaced"]


def test_recent_sign_ins_tell_why(owner: Client, sso: Sso) -> None:
    sso.sign_in()
    sso.idp.claims |= {"sub": "u-2", "email": "grace@elsewhere.example", "note": "<script>alert(1)</script>"}
    sso.sign_in()
    page = owner.get(page_of(sso)).content.decode()
    assert "grace@elsewhere.example is in no domain" in page
    everything = owner.get("/o/acme/accounts/ssologin/")
    refused = owner.get("/o/acme/accounts/ssologin/?outcome=refused")
    assert (len(everything.context["cl"].result_list), len(refused.context["cl"].result_list)) == (2, 1)
    (login,) = refused.context["cl"].result_list
    page = owner.get(f"/o/acme/accounts/ssologin/{login.pk}/change/").content.decode()
    for text in ("Failed", "Passed", "in no domain that this organization has verified", "u-2", "127.0.0.1"):
        assert text in page, text
    assert "<script>alert" not in page


@pytest.mark.parametrize("path", LISTS)
def test_the_sidebar_marks_single_sign_on(owner: Client, sso: Sso, path: str) -> None:
    sso.sign_in()
    sidebar = owner.get(f"/o/acme/{path}").context["sidebar_navigation"]
    active = [item["title"] for group in sidebar for item in group["items"] if item["active"]]
    assert active == ["Single sign-on"]


def test_an_empty_list_says_what_a_connection_is_for(owner: Client, acme: Tenant) -> None:
    page = owner.get(LIST).content.decode()
    assert "No connections yet" in page
    assert "Connect your identity provider" in page


def test_deleting_wants_the_name_and_leaves_the_people(owner: Client, sso: Sso) -> None:
    visit = sso.sign_in()
    delete = f"{LIST}{sso.connection.pk}/delete/"
    page = owner.get(delete).content.decode()
    assert "People who signed in through it: 1." in page
    assert owner.post(delete, {}).status_code == 422
    assert owner.post(delete, {"typed_confirmation": "corporation"}).status_code == 422
    assert len(stored(sso.tenant)) == 1
    assert owner.post(delete, {"typed_confirmation": "Corporate"}).status_code == 302
    assert stored(sso.tenant) == []
    assert visit.browser.get("/o/acme/").headers["Location"] == "/accounts/login/"
    with tenant_scope(sso.tenant.organization):
        assert sso.tenant.membership("member").is_active


def test_owner_is_no_role_for_everybody_new(owner: Client, acme: Tenant, idp: Hostile) -> None:
    with tenant_scope(acme.organization):
        role = str(acme.role("owner").pk)
    assert ">Owner<" not in owner.get(f"{LIST}add/?protocol=oidc").content.decode()
    page = owner.post(f"{LIST}add/?protocol=oidc", asked(owner, idp, role=role)).content.decode()
    assert "cannot become owners by themselves" in page
    assert stored(acme) == []


def test_long_names_and_markup_are_shown_as_they_are(owner: Client, sso: Sso) -> None:
    sso.sign_in()
    for name in ("Z̈" * 60, "<script>alert(1)</script>", "X" * 120):
        changed = {"name": name, "secret": "", "client_id": "c" * 255, "email_claim": "e" * 120}
        assert owner.post(page_of(sso), answers(sso.idp) | changed).status_code == 302
        for url in [*LISTS, *urls(sso)[:6]]:
            response = owner.get(f"/o/acme/{url}")
            assert response.status_code in {200, 302}, url
            assert "<script>alert" not in response.content.decode(), url
    before = state(sso.tenant)
    for longer in ({"name": "X" * 121}, {"issuer": "https://idp.example/" + "x" * LONGEST_URL}):
        assert "at most" in owner.post(page_of(sso), answers(sso.idp) | longer).content.decode()
    assert state(sso.tenant) == before


def test_the_number_of_questions_does_not_grow(owner: Client, sso: Sso) -> None:
    pages: list[Any] = [*LISTS, page_of(sso).removeprefix("/o/acme/"), "accounts/ssologin/?outcome=refused"]

    def questions() -> dict[str, int]:
        found = {}
        for page in pages:
            owner.get(f"/o/acme/{page}")
            with CaptureQueriesContext(database) as captured:
                assert owner.get(f"/o/acme/{page}").status_code == 200
            found[page] = len(captured)
        return found

    def comes(name: str) -> None:
        sso.idp.claims |= {"sub": f"u-{name}", "email": f"{name}@acme.example"}
        sso.sign_in()

    comes("member")
    comes("nobody")
    few = questions()
    for name in ("viewer", "auditor", "none", "nobody"):
        comes(name)
        connect(sso.tenant, sso.idp, name=f"Connection {name}")
    assert questions() == few
    assert len(sso.identities()) == 4


def test_another_issuer_takes_its_own_secret(owner: Client, sso: Sso, other_idp: Hostile) -> None:
    moved = answers(other_idp) | {"secret": ""}
    page = owner.post(page_of(sso), moved)
    assert "is not sent to another" in page.content.decode()
    assert [one.issuer for one in stored(sso.tenant)] == [sso.idp.issuer]
    assert owner.post(page_of(sso), moved | {"secret": CLIENT_SECRET}).status_code == 302
    assert [one.issuer for one in stored(sso.tenant)] == [other_idp.issuer]
