"""Single Logout: the provider ends sessions by a signed request; who signs out here tells the provider."""

import base64
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client
from lxml import etree

from accounts.services.sso_connections import update_sso_connection
from accounts.sso.saml.addresses import slo_url
from tests.people import Tenant
from tests.sso.saml.provider import NS, SamlIdp, Wrong, key_pair, sign, unsigned_query
from tests.sso.saml.stage import Saml, connect_saml
from tests.tenants.stage import events


def is_in(browser: Client) -> bool:
    """Return whether a browser's session opens the organization."""
    return browser.get("/api/v1/organizations/acme").status_code == 200


def request_of(saml: Saml, *indexes: str, name_id: str = "u-1", **values: str) -> Any:
    return saml.idp.logout_request(slo_url(saml.connection.pk), name_id, *indexes, **values)


def test_a_signed_request_ends_the_session(saml: Saml, idp: SamlIdp) -> None:
    browser = saml.sign_in().browser
    assert is_in(browser)
    response = Client().get(f"{saml.path('slo')}?{idp.signed_query(request_of(saml), relay_state='back')}")
    assert not is_in(browser)
    assert browser.get("/o/acme/").headers["Location"] == "/accounts/login/"
    answer = parse_qs(urlsplit(response.headers["Location"]).query)
    assert answer["RelayState"] == ["back"]
    assert {"SAMLResponse", "Signature", "SigAlg"} <= answer.keys()
    root = etree.fromstring(zlib.decompress(base64.b64decode(answer["SAMLResponse"][0]), -15))
    assert root.find("samlp:Status/samlp:StatusCode", NS).get("Value").endswith("Success")
    (ended,) = events(saml.tenant, "sso_session.ended")
    assert ended.actor_kind == "identity_provider"
    assert is_in(saml.sign_in().browser), "a new sign-in is a new session"


def test_a_signed_form_ends_the_session(saml: Saml, idp: SamlIdp) -> None:
    browser = saml.sign_in().browser
    root = request_of(saml)
    sign(root, idp.key)
    response = Client().post(saml.path("slo"), {"SAMLRequest": base64.b64encode(etree.tostring(root)).decode()})
    assert response.status_code == 302
    assert not is_in(browser)


def test_one_session_by_its_index(saml: Saml, idp: SamlIdp) -> None:
    first = saml.sign_in(wrong=Wrong(session_index="one")).browser
    second = saml.sign_in(wrong=Wrong(session_index="two")).browser
    Client().get(f"{saml.path('slo')}?{idp.signed_query(request_of(saml, 'one'))}")
    assert (is_in(first), is_in(second)) == (False, True)


def test_nobody_elses_session_ends(saml: Saml, globex: Tenant, idp: SamlIdp) -> None:
    browser = saml.sign_in().browser
    other = connect_saml(globex, idp)
    Client().get(f"{other.path('slo')}?{idp.signed_query(request_of(other))}")
    Client().get(f"{saml.path('slo')}?{idp.signed_query(request_of(saml, name_id='u-2'))}")
    assert is_in(browser)


def packed(content: bytes) -> str:
    packer = zlib.compressobj(wbits=-15)
    return urlencode({"SAMLRequest": base64.b64encode(packer.compress(content) + packer.flush()).decode()})


def from_elsewhere(saml: Saml) -> str:
    evil = SamlIdp("https://evil.example", keys=saml.idp.keys)
    return evil.signed_query(evil.logout_request(slo_url(saml.connection.pk), "u-1"))


ENTITY = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
LONG_AGO, LATER = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"
FORGED: dict[str, Callable[[Saml], str]] = {
    "unsigned": lambda saml: unsigned_query(request_of(saml)),
    "another key": lambda saml: saml.idp.signed_query(request_of(saml), key_pair("stranger")),
    "SHA-1": lambda saml: saml.idp.signed_query(request_of(saml), algorithm=SHA1),
    "an unknown algorithm": lambda saml: saml.idp.signed_query(request_of(saml), algorithm="urn:none"),
    "a signature of another message": lambda saml: (
        f"{unsigned_query(request_of(saml))}&{saml.idp.signed_query(request_of(saml)).split('&', 1)[1]}"
    ),
    "another relay state": lambda saml: saml.idp.signed_query(request_of(saml), relay_state="a").replace(
        "RelayState=a", "RelayState=b"
    ),
    "a repeated request": lambda saml: (
        f"{unsigned_query(request_of(saml))}&{saml.idp.signed_query(request_of(saml, name_id='nobody'))}"
    ),
    "another destination": lambda saml: saml.idp.signed_query(saml.idp.logout_request("https://evil.example", "u-1")),
    "another issuer": from_elsewhere,
    "old": lambda saml: saml.idp.signed_query(request_of(saml, IssueInstant=LONG_AGO)),
    "expired": lambda saml: saml.idp.signed_query(request_of(saml, NotOnOrAfter=LONG_AGO)),
    "from the future": lambda saml: saml.idp.signed_query(request_of(saml, IssueInstant=LATER)),
    "not base64": lambda saml: "SAMLRequest=%25&SigAlg=x&Signature=eA%3D%3D",
    "not compressed": lambda saml: urlencode({"SAMLRequest": base64.b64encode(b"<a/>").decode()}),
    "a bomb": lambda saml: packed(b" " * 50_000_000),
    "an entity": lambda saml: packed(ENTITY),
    "nothing": lambda saml: "",
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_request_ends_nothing(saml: Saml, what: str) -> None:
    browser = saml.sign_in().browser
    response = Client().get(f"{saml.path('slo')}?{FORGED[what](saml)}")
    assert 400 <= response.status_code < 500
    assert is_in(browser)
    assert saml.open_sessions() == 1
    assert saml.logins()[-1].reason.startswith("A logout request was refused: ")
    assert len(events(saml.tenant, "sso.logout_refused")) == 1


@pytest.mark.parametrize("key", [None, "stranger"])
def test_a_forged_form_ends_nothing(saml: Saml, key: str | None) -> None:
    browser = saml.sign_in().browser
    root = request_of(saml)
    if key:
        sign(root, key_pair(key))
    response = Client().post(saml.path("slo"), {"SAMLRequest": base64.b64encode(etree.tostring(root)).decode()})
    assert response.status_code == 403
    assert is_in(browser)


def test_a_request_serves_once(saml: Saml, idp: SamlIdp) -> None:
    query = idp.signed_query(request_of(saml))
    saml.sign_in()
    assert Client().get(f"{saml.path('slo')}?{query}").status_code == 302
    browser = saml.sign_in().browser
    assert Client().get(f"{saml.path('slo')}?{query}").status_code == 403
    assert is_in(browser)


def test_who_signs_out_here_tells_the_provider(saml: Saml) -> None:
    browser = saml.sign_in().browser
    left = browser.post("/accounts/logout/")
    assert left.headers["Location"].startswith(saml.path("leave"))
    assert browser.session.get("_auth_user_id") is None
    assert saml.open_sessions() == 0
    page = browser.get(left.headers["Location"])
    query = parse_qs(urlsplit(page.context["url"]).query)
    assert {"SAMLRequest", "SigAlg", "Signature"} <= query.keys()
    root = etree.fromstring(zlib.decompress(base64.b64decode(query["SAMLRequest"][0]), -15))
    assert root.findtext("saml:NameID", None, NS) == "u-1"
    assert root.findtext("samlp:SessionIndex", None, NS) == "session-1"
    back = browser.get(f"{saml.path('slo')}?SAMLResponse=whatever")
    assert back.headers["Location"] == "/accounts/login/"


def test_a_provider_without_logout_hears_nothing(acme: Tenant, idp: SamlIdp) -> None:
    from tests.sso.stage import verify_domain  # noqa: PLC0415 - only here

    idp.endpoints = {"SSO-Redirect": "/sso"}
    verify_domain(acme)
    saml = connect_saml(acme, idp)
    browser = saml.sign_in().browser
    assert "/saml/" not in browser.post("/accounts/logout/").headers["Location"]
    assert saml.open_sessions() == 0


@pytest.mark.parametrize("token", ["", "made-up", "x:y:z"])
def test_nobody_leaves_with_a_token_that_was_made_up(saml: Saml, token: str) -> None:
    saml.sign_in()
    assert Client().get(saml.path("leave"), {"session": token}).headers["Location"] == "/accounts/login/"
    assert saml.open_sessions() == 1


def test_a_connection_may_let_people_sign_out_here_alone(saml: Saml) -> None:
    with saml.tenant.acting("owner") as actor:
        update_sso_connection(connection=saml.connection, ends_at_provider=False, actor=actor)
    browser = saml.sign_in().browser
    assert browser.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert saml.open_sessions() == 0


def test_no_logout_token_ends_anything_of_saml(saml: Saml) -> None:
    browser = saml.sign_in().browser
    address = f"/sso/{saml.connection.pk}/backchannel-logout/"
    assert Client().post(address, {"logout_token": "a.b.c"}).status_code == 400
    assert is_in(browser)
    assert Client().get(f"/sso/{saml.connection.pk}/sign-out/")["Location"] == "/accounts/login/"
