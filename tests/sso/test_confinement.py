"""What a session by single sign-on reaches: every address of the installation and of the API, asked with one."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from portal.middleware.scope import OPEN_WHEN_CONFINED
from tenants.services.invitations import invite_member
from tests.people import Tenant, make_user, signed_in
from tests.sso.hostile import Hostile
from tests.sso.stage import Sso
from tests.sso.test_strangers import join

VALUES = {
    "uuid": "00000000-0000-4000-8000-000000000000",
    "reference": "globex",
    "int": "1",
    "slug": "globex",
    "path": "x",
    "str": "x",
}
# Signing out, proving who one is and signing in again; the rest needs no session: keys, tokens, a probe.
OPEN = (*OPEN_WHEN_CONFINED, "/.well-known/", "/api/", "/scim/")


def addresses(patterns: Any, before: str = "/") -> Iterator[str]:
    """Yield an address for every pattern, with something in each place."""
    for pattern in patterns:
        text = str(pattern.pattern)
        converters = pattern.pattern.converters
        for name, converter in converters.items():
            kind = type(converter).__name__.removesuffix("Converter").lower()
            value = VALUES.get(kind, "x")
            for written in (f"<{kind}:{name}>", f"<{name}>"):
                text = text.replace(written, value)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, f"{before}{text}")
        elif isinstance(pattern, URLPattern):
            yield f"{before}{text.lstrip('^').rstrip('$').removesuffix('Z').rstrip(chr(92))}"


@pytest.fixture
def confined(sso: Sso, globex: Tenant) -> Client:
    """Return acme's member, who owns globex as well, in a browser that acme's provider opened."""
    join(globex, sso.tenant.member)
    browser: Client = sso.sign_in().browser
    return browser


def test_no_address_of_the_installation_opens(confined: Client) -> None:
    tried = [path for path in addresses(get_resolver().url_patterns) if not path.startswith(OPEN)]
    assert len(tried) > 60
    assert {"/", "/organizations/new/", "/accounts/password/change/", "/accounts/profile/"} <= set(tried)
    for path in tried:
        assert confined.get(path).status_code == (302 if path == "/" else 403), path
        assert confined.post(path, {}).status_code == (302 if path == "/" else 403), path
    assert confined.get("/o/acme/").status_code == 200, "the session is still there"


def test_no_endpoint_speaks_of_another_organization(confined: Client, globex: Tenant, settings: Any) -> None:
    settings.API_RATE_PER_KEY = 1_000_000
    foreign = [
        path for path in addresses(get_resolver().url_patterns) if path.startswith("/api/v1/organizations/globex")
    ]
    assert len(foreign) > 50
    for path in foreign:
        for place in ("globex", str(globex.organization.pk)):
            for method in ("GET", "POST", "PATCH", "PUT", "DELETE"):
                address = path.replace("globex", place, 1)
                response = confined.generic(method, address, "{}", content_type="application/json")
                assert response.status_code in {404, 405}, (method, address)
                assert b"Globex" not in response.content


def test_what_is_everybodys_of_the_api_stays_inside(confined: Client, sso: Sso) -> None:
    listed = confined.get("/api/v1/organizations").json()["data"]
    assert [one["slug"] for one in listed] == ["acme"]
    me = confined.get("/api/v1/me").json()
    assert (me["organization"]["slug"], me["organizations"]) == ("acme", [])
    new = {"slug": "mine", "name": "Mine"}
    made = confined.post("/api/v1/organizations", new, content_type="application/json")
    assert (made.status_code, made.json()["code"]) == (403, "confined_session")


def test_a_project_leaves_no_organization(sso: Sso, globex: Tenant) -> None:
    """An owner of both gives nothing from the one to the other, neither in the console nor by the API."""
    owner = sso.tenant.owner
    join(globex, owner)
    sso.idp.claims |= {"sub": "u-9", "email": "owner@acme.example"}
    sso.sign_in(signed_in(owner))
    browser = sso.sign_in().browser
    project = sso.tenant.project
    transfer = {"organization": "globex", "reason": "Sold"}
    response = browser.post(
        f"/api/v1/organizations/acme/projects/{project.pk}/transfer", transfer, content_type="application/json"
    )
    assert (response.status_code, response.json()["code"]) == (403, "confined_session")
    page = f"/o/acme/tenants/project/{project.pk}/transfer/"
    assert "Globex" not in browser.get(page).content.decode()
    answers = {"target": str(globex.organization.pk), "reason": "Sold", "typed_confirmation": project.slug}
    assert browser.post(page, answers).status_code != 302
    with tenant_scope(sso.tenant.organization):
        assert type(project).objects.filter(pk=project.pk).exists()


def test_an_invitation_elsewhere_is_not_accepted(sso: Sso, globex: Tenant) -> None:
    with tenant_scope(globex.organization), acting_as(SYSTEM):
        role = globex.role("viewer")
        sent = invite_member(organization=globex.organization, email="member@acme.example", role=role, actor=SYSTEM)
    browser = sso.sign_in().browser
    assert browser.post(f"/invitations/{sent.invitation.pk}/accept/").status_code == 403
    with tenant_scope(globex.organization):
        assert type(globex.membership("owner")).objects.count() == 1


@pytest.mark.parametrize(
    "name", ["password/reset/", "password/reset/key/x-set-password/", "confirm-email/x/", "signup/"]
)
def test_pages_that_end_in_a_session_are_shut(confined: Client, name: str) -> None:
    assert confined.get(f"/accounts/{name}").status_code == 403
    assert confined.post(f"/accounts/{name}", {"email": "a@b.example", "password1": "x"}).status_code == 403


@pytest.mark.parametrize(
    "path", ["//accounts/profile/", "/accounts//profile/", "/sso/../accounts/profile/", "/sso/%2e%2e/accounts/profile/"]
)
def test_no_spelling_of_an_address_opens_it(confined: Client, path: str) -> None:
    assert confined.get(path).status_code in {403, 404}


def test_an_operator_visits_nobody(sso: Sso, globex: Tenant, idp: Hostile) -> None:
    """A visit that the same person began with their password does not come along."""
    operator = make_user("root@acme.example", is_operator=True)
    join(sso.tenant, operator, "viewer")
    idp.claims |= {"sub": "u-op", "email": "root@acme.example"}
    browser = sso.sign_in().browser
    session = browser.session
    session["support"] = {
        "globex": {"organization": str(globex.organization.pk), "reason": "x", "until": "2999-01-01T00:00:00+00:00"}
    }
    session.save()
    assert browser.get("/o/globex/").status_code == 404
    assert browser.post(f"/admin/support/{globex.organization.pk}/", {"reason": "x"}).status_code == 403


def test_the_session_gets_another_key(sso: Sso) -> None:
    """A session that somebody else put into the browser is not the one that is signed in (session fixation)."""
    browser = Client()
    back = sso.leave(browser)
    planted = browser.cookies["gatehouse_session"].value
    browser.get(back)
    assert browser.cookies["gatehouse_session"].value != planted
    other = Client()
    other.cookies["gatehouse_session"] = planted
    assert other.get("/o/acme/").headers["Location"].startswith("/accounts/login/")


def test_nothing_of_another_persons_session_comes_along(sso: Sso, globex: Tenant) -> None:
    browser = signed_in(globex.owner)
    session = browser.session
    session["of_the_other"] = "x"
    session.save()
    sso.sign_in(browser)
    assert "of_the_other" not in browser.session
