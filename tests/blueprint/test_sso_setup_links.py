"""Set-up links in a blueprint: a token makes one link, once; and domains whose record is looked for."""

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import SsoSetupLink
from isolation.scope import tenant_scope
from tenants.models import Domain
from tests.blueprint.conftest import File, exported
from tests.people import Tenant
from tests.sso.test_command import run
from tests.tenants.domains.conftest import zone
from tests.tenants.domains.nameserver import NameServer
from tests.tenants.domains.stage import claim, stored

__all__ = ["zone"]

pytestmark = pytest.mark.django_db
LINKS = """
version: 1
organizations:
  acme:
    sso_setup_links:
      it@partner.example:
        days: 2
        token: {env: SETUP_TOKEN}
"""
VERIFIED = "version: 1\norganizations:\n  acme:\n    domains:\n      acme.example: {verified: true}\n"


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, acme: Tenant) -> str:
    """Put a token into the environment; return the path of its link."""
    made = run("setup-token", "--organization", "acme")
    monkeypatch.setenv("SETUP_TOKEN", made["token"])
    return str(made["url"].removeprefix(settings.PUBLIC_URL))


def states(tenant: Tenant) -> list[str]:
    with tenant_scope(tenant.organization):
        return [link.state for link in SsoSetupLink.objects.order_by("created_at")]


def test_a_token_makes_one_link_once(
    acme: Tenant, globex: Tenant, file: File, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Client().get(path, follow=True).status_code == 404
    assert file.write(LINKS).changes() == [("create", "set-up link", "it@partner.example")]
    assert "token: env:SETUP_TOKEN" in file.plan()[1]
    file.apply()
    assert "Acme" in Client().get(path, follow=True).text
    assert (states(acme), states(globex)) == (["open"], [])
    assert file.changes() == []
    monkeypatch.setenv("SETUP_TOKEN", run("setup-token", "--organization", "acme")["token"])
    file.apply()
    assert states(acme) == ["open", "open"]
    monkeypatch.delenv("SETUP_TOKEN")
    assert file.changes() == [], "it has done its work"
    assert "setup" not in exported("acme")


def test_who_is_not_named_loses_an_open_link(acme: Tenant, file: File, path: str) -> None:
    file.write(LINKS).apply()
    file.write("version: 1\norganizations:\n  acme:\n    sso_setup_links: {}\n    prune: [sso_setup_links]\n").apply()
    assert states(acme) == ["revoked"]
    assert Client().get(path, follow=True).status_code == 410
    assert file.changes() == []
    file.write(LINKS)
    assert file.changes() == [], "a token that was used makes no second link"


def test_what_is_refused_has_its_line(
    acme: Tenant, globex: Tenant, file: File, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write(LINKS).apply()
    (line,) = file.write(LINKS.replace("acme:", "globex:")).refused()
    assert line.startswith("7:9: ")
    assert "has made a link already" in line
    (line,) = file.write(LINKS.replace("{env: SETUP_TOKEN}", "abc")).refused()
    assert "must be a map" in line
    assert "abc" not in line
    (line,) = file.write(LINKS.replace("days: 2", "days: 8")).refused()
    assert "7" in line
    monkeypatch.setenv("SETUP_TOKEN", "too short")
    (line,) = file.write(LINKS.replace("it@", "other@")).refused()
    assert "no token for a set-up link" in line
    assert "too short" not in line
    monkeypatch.delenv("SETUP_TOKEN")
    (line,) = file.refused()
    assert "SETUP_TOKEN is not set" in line
    assert states(globex) == []


def test_it_takes_the_permission(acme: Tenant, file: File, path: str) -> None:
    (line,) = file.write(LINKS).refused("--as", "member@acme.example")
    assert "sso:manage" in line


def test_a_claimed_domain_is_looked_for(acme: Tenant, file: File, zone: NameServer) -> None:
    code, said = file.write(VERIFIED).plan()
    assert code == 2
    assert "Publish the record" in said
    file.apply()
    with tenant_scope(acme.organization):
        domain = Domain.objects.select_related("organization").get()
    code, said = file.plan()
    assert (code, "_gatehouse.acme.example" in said) == (0, True), said
    zone.publish(domain)
    assert file.changes() == [("update", "domain", "acme.example")]
    assert not stored(acme, domain).is_verified, "a plan changes nothing"
    file.apply()
    assert stored(acme, domain).is_verified
    assert file.changes() == []
    assert "verified: true" in exported("acme")
    file.write(exported("acme"))
    assert file.changes() == []


def test_false_is_no_wish(acme: Tenant, file: File) -> None:
    (line,) = file.write(VERIFIED.replace("true", "false")).refused()
    assert line.startswith("5:")


def test_another_organizations_domain_stays_theirs(acme: Tenant, globex: Tenant, file: File, zone: NameServer) -> None:
    theirs = claim(globex, "acme.example")
    zone.publish(theirs)
    file.write(VERIFIED).apply()
    code, said = file.plan()
    assert (code, "_gatehouse.acme.example" in said) == (0, True), said
    with tenant_scope(acme.organization):
        assert Domain.objects.get().state == "pending"
