"""Many connections in one organization: lists page, and no page or sign-in costs more for them."""

import re
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import SsoConnection, SsoRequired
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants.models import Domain
from tenants.services.domains import claim_domain, remove_domain
from tenants.tasks import check_domains
from tests.accounts.api.stage import organization_key, with_key
from tests.accounts.factors import give_totp, prove_totp
from tests.api.calls import by
from tests.people import PASSWORD, Tenant, make_user, signed_in
from tests.sso.hostile import Hostile
from tests.sso.stage import Sso, connect, verify_domain
from tests.sso.test_command import run
from tests.sso.test_losing_a_domain import notices
from tests.sso.test_required import require
from tests.sso.test_strangers import join
from tests.tenants.domains.conftest import zone
from tests.tenants.domains.nameserver import NameServer
from tests.tenants.domains.stage import proven

__all__ = ["zone"]

FEW, MANY = 3, 60


@pytest.fixture
def few(sso: Sso) -> Sso:
    """Return acme's first of three connections, by which its member comes."""
    for number in range(1, FEW):
        connect(sso.tenant, sso.idp, name=name_of(number))
    return sso


def name_of(number: int) -> str:
    return f"Subsidiary {number:02}"


def grow(sso: Sso) -> None:
    """Let there be sixty."""
    for number in range(FEW, MANY):
        connect(sso.tenant, sso.idp, name=name_of(number))
    with tenant_scope(sso.tenant.organization):
        assert SsoConnection.objects.filter(is_enabled=True).count() == MANY


def queries(ask: Any) -> int:
    """Return how many statements a request takes, on both connections, once what it caches is there."""
    ask()
    with CaptureQueriesContext(connections["default"]) as app, CaptureQueriesContext(connections["operator"]) as wide:
        ask()
    return len(app) + len(wide)


def test_nothing_costs_more_for_many(few: Sso) -> None:
    acme = few.tenant
    few.sign_in()
    give_totp(acme.owner)
    guest = make_user("guest@elsewhere.example")
    join(acme, guest, "viewer")
    require(few)
    owner, held = signed_in(acme.owner), signed_in(guest)
    prove_totp(owner, acme.owner)
    changes = f"/o/acme/accounts/ssoconnection/{few.connection.pk}/change/"
    reader = with_key(organization_key(acme, "sso:read").secret)
    pages = {
        "the console's list": lambda: found(owner.get("/o/acme/accounts/ssoconnection/")),
        "a connection's page": lambda: found(owner.get(changes)),
        "recent sign-ins": lambda: found(owner.get("/o/acme/accounts/ssologin/")),
        "who has signed in": lambda: found(owner.get("/o/acme/accounts/ssoidentity/")),
        "the API's list": lambda: found(reader.get("/organizations/acme/sso/connections?limit=100")),
        "discovery": lambda: found(Client().post("/sso/", {"email": "grace@acme.example"})),
        "a password that opens nothing": lambda: password_of(acme.viewer),
        "the organization's door": lambda: held.get("/o/acme/"),
        "a sign-in": few.sign_in,
        "the command's list": lambda: run("list", "--organization", "acme"),
        "an export": lambda: call_command("blueprint", "export", "acme", stdout=StringIO()),
    }
    before = {name: queries(ask) for name, ask in pages.items()}
    grow(few)
    assert {name: queries(ask) for name, ask in pages.items()} == before


def found(response: Any) -> Any:
    assert response.status_code == 200, response.content
    return response


def password_of(user: Any) -> None:
    response = Client().post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert response.status_code == 403


def test_each_of_them_is_reached_page_by_page(few: Sso) -> None:
    grow(few)
    reader, path, seen = by(few.tenant.owner), "/organizations/acme/sso/connections?limit=25", []
    while path:
        answer = reader.get(path).json()
        seen += [connection["name"] for connection in answer["data"]]
        path = (answer["next"] or "").partition("/api/v1")[2]
    assert seen == ["Corporate", *(name_of(number) for number in range(1, MANY))]
    console = signed_in(few.tenant.owner)
    pages = [console.get(f"/o/acme/accounts/ssoconnection/?p={page}").text for page in (1, 2)]
    listed = [name for name in seen if any(f">{name}<" in page for page in pages)]
    assert listed == seen
    assert "Subsidiary 59" in console.get("/o/acme/accounts/ssoconnection/?q=Subsidiary 59").text
    assert len(run("list", "--organization", "acme")) == MANY


def test_a_long_choice_has_all_of_them_and_a_search(few: Sso) -> None:
    page = Client().post("/sso/", {"email": "grace@acme.example"})
    assert page.text.count("/start/?login_hint=grace%40acme.example") == FEW
    assert "ways-filter" not in page.text
    grow(few)
    page = Client().post("/sso/", {"email": "grace@acme.example"})
    assert page.text.count("/start/?login_hint=grace%40acme.example") == MANY
    assert "Search 60 identity providers" in page.text


# Which of them speaks for whom ------------------------------------------------------------------------


def domains_of(tenant: Tenant, *names: str) -> None:
    for name in names:
        verify_domain(tenant, name)


def doors(email: str) -> list[str]:
    """Return the names of the connections that the sign-in page leads an address to."""
    context = Client().post("/sso/", {"email": email}).context
    return [door.name for door in context.get("doors") or ([context["door"]] if "door" in context else [])]


def test_another_organizations_domain_is_none(acme: Tenant, globex: Tenant, idp: Hostile) -> None:
    verify_domain(globex)
    verify_domain(acme)
    with pytest.raises(DomainError, match="no domain of this organization"):
        connect(acme, idp, domains=["globex.example"])
    connect(acme, idp)
    connect(globex, idp, domains=["globex.example"])
    assert doors("ada@globex.example") == ["Corporate"]
    assert doors("ada@acme.example") == ["Corporate"]
    (only,) = by(acme.owner).get("/organizations/acme/sso/connections").json()["data"]
    changed = by(acme.owner).patch(f"/organizations/acme/sso/connections/{only['id']}", {"domains": ["globex.example"]})
    assert (changed.status_code, changed.json()["code"]) == (422, "unknown")


def test_an_address_lands_at_the_connection_of_its_domain(acme: Tenant, idp: Hostile) -> None:
    domains_of(acme, "acme.example", "acme.fr", "acme.de", "acme.it")
    connect(acme, idp, name="France", domains=["acme.fr"])
    connect(acme, idp, name="Germany", domains=["acme.de", "acme.fr"])
    assert doors("ada@acme.de") == ["Germany"]
    assert doors("ada@acme.fr") == ["France", "Germany"]
    assert doors("ada@acme.it") == ["France", "Germany"], "no connection names it: nobody is left without any"
    connect(acme, idp, name="Everybody else")
    assert doors("ada@acme.it") == ["Everybody else"]
    assert doors("ada@acme.de") == ["Germany"]


def test_the_organizations_door_leads_there_too(acme: Tenant, idp: Hostile) -> None:
    domains_of(acme, "acme.example", "acme.de")
    connect(acme, idp, name="France", domains=["acme.example"])
    sso = connect(acme, idp, name="Germany", domains=["acme.de"])
    idp.claims |= {"sub": "u-1", "email": "known@acme.de"}
    join(acme, make_user("known@acme.de"), "viewer")
    sso.sign_in()
    give_totp(acme.owner)
    german, guest = make_user("late@acme.de"), make_user("guest@elsewhere.example")
    require(sso)
    for person in (german, guest):
        join(acme, person, "viewer")
    assert ways(signed_in(german)) == ["Germany"]
    assert ways(signed_in(guest)) == ["France", "Germany"]


def ways(browser: Client) -> list[str]:
    """Return the names of the connections that the organization's door offers."""
    page = browser.get("/o/acme/")
    assert page.status_code == 403
    return re.findall(r"Continue with ([^<]+)</a>", page.text)


def test_it_speaks_for_nobody_in_another_domain(acme: Tenant, idp: Hostile) -> None:
    domains_of(acme, "acme.example", "acme.fr")
    sso = connect(acme, idp, domains=["acme.fr"], joining="anybody")
    idp.claims |= {"sub": "u-1", "email": "member@acme.example"}
    visit = sso.sign_in()
    assert visit.user_id is None
    assert "another identity provider for your e-mail address" in visit.response.text
    assert "in none of the domains that Corporate speaks for (acme.fr)" in sso.logins()[-1].reason
    idp.claims |= {"sub": "u-2", "email": "new@acme.fr"}
    assert sso.sign_in().user_id


def test_a_domain_that_is_removed_counts_no_more_and_hinders_no_change(acme: Tenant, idp: Hostile) -> None:
    domains_of(acme, "acme.example", "acme.fr")
    sso = connect(acme, idp, domains=["acme.fr"], joining="anybody")
    with acme.acting("owner") as actor:
        remove_domain(domain=Domain.objects.get(name="acme.fr"), actor=actor)
    idp.claims |= {"sub": "u-2", "email": "new@acme.fr"}
    assert sso.sign_in().user_id is None
    api, address = by(acme.owner), f"/organizations/acme/sso/connections/{sso.connection.pk}"
    assert api.patch(address, {"domains": ["acme.fr", "acme.example"], "name": "New"}).json()["name"] == "New"
    assert api.patch(address, {"domains": ["acme.example"]}).json()["domains"] == ["acme.example"]
    assert api.patch(address, {"domains": ["acme.fr"]}).json()["code"] == "unknown"


def test_people_are_held_although_no_connection_names_their_domain(acme: Tenant, idp: Hostile) -> None:
    """A policy that asks for single sign-on must not end where a list of domains has a gap."""
    domains_of(acme, "acme.example", "acme.fr")
    sso = connect(acme, idp)
    idp.claims |= {"sub": "u-1", "email": "member@acme.example"}
    sso.sign_in()
    give_totp(acme.owner)
    require(sso, SsoRequired.DOMAINS)
    run("update", "--organization", "acme", "--name", "Corporate", "--domains", "acme.fr")
    password_of(acme.viewer)
    assert sso.sign_in().user_id == str(acme.member.pk), "who has come before is known"


def test_console_api_blueprint_and_command_say_the_same(acme: Tenant, idp: Hostile, tmp_path: Any) -> None:
    domains_of(acme, "acme.example", "acme.fr")
    with acme.acting("owner") as actor:
        claim_domain(organization=acme.organization, name="bücher.example", actor=actor)
    sso = connect(acme, idp)
    api, address = by(acme.owner), f"/organizations/acme/sso/connections/{sso.connection.pk}"
    assert api.get(address).json()["domains"] == []
    assert api.patch(address, {"domains": ["ACME.fr", "acme.fr"]}).json()["domains"] == ["acme.fr"]
    changed = run("update", "--organization", "acme", "--name", "Corporate", "--domains", "bücher.example acme.fr")
    assert changed["domains"] == ["acme.fr", "xn--bcher-kva.example"]
    form = signed_in(acme.owner).get(f"/o/acme/accounts/ssoconnection/{sso.connection.pk}/change/").text
    assert "acme.fr\nxn--bcher-kva.example</textarea>" in form
    exported = StringIO()
    call_command("blueprint", "export", "acme", stdout=exported)
    assert "domains:\n          - acme.fr\n          - xn--bcher-kva.example" in exported.getvalue()
    file = tmp_path / "acme.yaml"
    file.write_text(exported.getvalue().replace("          - xn--bcher-kva.example\n", ""))
    call_command("blueprint", "apply", str(file), "--yes", stdout=StringIO())
    assert api.get(address).json()["domains"] == ["acme.fr"]
    assert run("update", "--organization", "acme", "--name", "Corporate", "--domains", "")["domains"] == []


def test_a_mail_about_a_domain_names_a_few_of_those_that_speak_for_it(
    acme: Tenant, idp: Hostile, zone: NameServer
) -> None:
    proven(acme, zone)
    verify_domain(acme, "acme.fr")
    for number in range(1, 9):
        connect(acme, idp, name=name_of(number), domains=["acme.fr"] if number == 1 else [])
    zone.records.clear()
    check_domains()
    told = notices(mail.outbox)["owner@acme.example"]
    assert "to Subsidiary 02, Subsidiary 03, Subsidiary 04, Subsidiary 05, Subsidiary 06, 2 more." in told
