"""Domains in a blueprint: claimed, confirmed on the installation's word, exported, pruned."""

import pytest

from isolation.scope import tenant_scope
from tenants.models import Domain
from tests.blueprint.conftest import File, exported
from tests.people import Tenant
from tests.tenants.domains.conftest import zone
from tests.tenants.domains.nameserver import NameServer
from tests.tenants.domains.stage import proven

__all__ = ["zone"]

pytestmark = pytest.mark.django_db
DOMAINS = """
version: 1
organizations:
  acme:
    domains:
      Bücher.example: {}
      acme.example:
        confirmed: A contract of ours names it
"""


def stored(tenant: Tenant) -> dict[str, tuple[str, str]]:
    with tenant_scope(tenant.organization):
        return {domain.name: (domain.state, domain.reason) for domain in Domain.objects.all()}


def test_they_are_made_once_and_their_export_plans_empty(acme: Tenant, globex: Tenant, file: File) -> None:
    file.write(DOMAINS).apply()
    assert stored(acme) == {
        "acme.example": ("verified", "A contract of ours names it"),
        "xn--bcher-kva.example": ("pending", ""),
    }
    assert stored(globex) == {}
    assert file.changes() == []
    file.write(exported("acme"))
    assert file.plan() == (0, "No changes: everything is as the blueprint says.\n")


def test_a_record_that_was_found_stays_found(acme: Tenant, file: File, zone: NameServer) -> None:
    proven(acme, zone)
    file.write("version: 1\norganizations:\n  acme:\n    domains:\n      acme.example: {}\n")
    assert file.changes() == []
    assert stored(acme) == {"acme.example": ("verified", "")}


def test_a_word_is_given_taken_back_and_pruned(acme: Tenant, file: File) -> None:
    file.write(DOMAINS).apply()
    file.write(DOMAINS.replace("confirmed: A contract of ours names it", "confirmed: null")).apply()
    assert stored(acme)["acme.example"] == ("pending", "")
    file.write(DOMAINS).apply()
    assert stored(acme)["acme.example"][0] == "verified"
    file.write(
        "version: 1\norganizations:\n  acme:\n    domains:\n      acme.example: {}\n    prune: [domains]\n"
    ).apply()
    assert set(stored(acme)) == {"acme.example"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("gmail.com", "public mail service"), ("co.uk", "public suffix"), ("a@b.example", "Give the domain alone")],
)
def test_a_name_that_is_nobodys_is_refused_with_its_line(acme: Tenant, file: File, wrong: str, said: str) -> None:
    (line,) = file.write(DOMAINS.replace("Bücher.example", wrong)).refused()
    assert line.startswith("5:7: ")
    assert said in line


def test_another_organizations_domain_is_not_taken(acme: Tenant, globex: Tenant, file: File) -> None:
    file.write(DOMAINS.replace("acme:", "globex:", 1)).apply()
    assert "verified by another organization" in str(file.write(DOMAINS).refused())
    assert stored(acme) == {}
