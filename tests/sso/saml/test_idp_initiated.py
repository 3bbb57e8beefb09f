"""Sign-ins that begin at the provider: only where that is switched on, and a page asks first."""

import base64
import re
from typing import Any

import pytest
from django.test import Client

from tests.people import Tenant, signed_in
from tests.sso.saml.provider import SamlIdp, Wrong
from tests.sso.saml.stage import Saml, connect_saml
from tests.sso.stage import verify_domain

_TOKEN = re.compile(r'name="token" value="([^"]+)"')


@pytest.fixture
def open_saml(acme: Tenant, idp: SamlIdp) -> Saml:
    """Return a connection that takes answers which nobody asked for."""
    verify_domain(acme)
    return connect_saml(acme, idp, allows_idp_initiated=True)


def confirm(saml: Saml, browser: Client, page: Any) -> Any:
    token = _TOKEN.search(page.content.decode())
    assert token, page.content.decode()
    return browser.post(saml.path("confirm"), {"token": token[1]})


def test_it_is_off_at_first(saml: Saml, idp: SamlIdp) -> None:
    browser = Client()
    response = saml.bring(browser, idp.response(saml.unasked))
    assert response.status_code == 403
    assert browser.session.get("_auth_user_id") is None
    assert "began at the provider" in saml.logins()[-1].reason


def test_a_page_asks_before_anybody_is_signed_in(open_saml: Saml, idp: SamlIdp) -> None:
    browser = Client()
    page = open_saml.bring(browser, idp.response(open_saml.unasked), RelayState="/o/acme/tenants/project/")
    assert page.status_code == 200
    assert "Continue as member@acme.example" in page.content.decode()
    assert browser.session.get("_auth_user_id") is None
    done = confirm(open_saml, browser, page)
    assert done.headers["Location"] == "/o/acme/tenants/project/"
    assert browser.session.get("_auth_user_id") == str(open_saml.tenant.member.pk)


@pytest.mark.parametrize("state", ["https://evil.example/", "//evil.example", "/o/globex/", "/o/acme/%2e%2E/globex/"])
def test_relay_state_stays_inside_the_organization(open_saml: Saml, idp: SamlIdp, state: str) -> None:
    browser = Client()
    page = open_saml.bring(browser, idp.response(open_saml.unasked), RelayState=state)
    assert confirm(open_saml, browser, page).headers["Location"] == "/o/acme/"


def test_somebody_else_who_is_signed_in_stays_so_until_they_say_yes(
    open_saml: Saml, idp: SamlIdp, globex: Tenant
) -> None:
    browser = signed_in(globex.owner)
    page = open_saml.bring(browser, idp.response(open_saml.unasked))
    assert "You are signed in as owner@globex.example at present." in page.content.decode()
    assert browser.session.get("_auth_user_id") == str(globex.owner.pk)
    confirm(open_saml, browser, page)
    assert browser.session.get("_auth_user_id") == str(open_saml.tenant.member.pk)


def test_it_is_replayed_in_no_other_browser(open_saml: Saml, idp: SamlIdp) -> None:
    content = idp.response(open_saml.unasked)
    assert open_saml.bring(Client(), content).status_code == 200
    thief = Client()
    again = open_saml.bring(thief, content)
    assert again.status_code == 403
    assert "used before" in open_saml.logins()[-1].reason


def test_the_question_is_answered_in_the_browser_that_was_asked(open_saml: Saml, idp: SamlIdp) -> None:
    page = open_saml.bring(Client(), idp.response(open_saml.unasked))
    other = Client()
    assert confirm(open_saml, other, page).status_code == 403
    assert other.session.get("_auth_user_id") is None


def test_the_question_is_answered_once(open_saml: Saml, idp: SamlIdp) -> None:
    browser = Client()
    page = open_saml.bring(browser, idp.response(open_saml.unasked))
    assert confirm(open_saml, browser, page).status_code == 302
    assert confirm(open_saml, browser, page).status_code == 403


def test_the_answer_needs_the_forms_token_of_this_site(open_saml: Saml, idp: SamlIdp) -> None:
    browser = Client(enforce_csrf_checks=True)
    page = open_saml.bring(browser, idp.response(open_saml.unasked))
    assert confirm(open_saml, browser, page).status_code == 403
    assert browser.session.get("_auth_user_id") is None


def test_an_answer_to_a_request_of_another_browser_is_none_without_one(open_saml: Saml, idp: SamlIdp) -> None:
    """Stripping InResponseTo breaks the signature; naming none in the response only does not help either."""
    asked = open_saml.leave(Client())
    victim = Client()
    response = open_saml.bring(victim, idp.response(asked, Wrong(in_response_to=None)))
    assert response.status_code == 403
    assert victim.session.get("_auth_user_id") is None


def test_another_site_takes_nobodys_session_away(open_saml: Saml, idp: SamlIdp) -> None:
    """Its form comes without the session's cookie; an answer that set another one would sign somebody out."""
    content = base64.b64encode(idp.response(open_saml.unasked)).decode()
    form = {"SAMLResponse": content, "relayed": "1"}
    answer = Client().post(open_saml.path("acs"), form, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert "Continue as" not in answer.text
