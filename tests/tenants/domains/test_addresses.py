"""Which addresses are at a verified domain: exactly those that every program reads the same way."""

import pytest

from isolation.exceptions import NoTenant
from isolation.scope import tenant_scope
from tenants.selectors import is_verified_domain
from tests.people import Tenant
from tests.tenants.domains.stage import claim, proven


@pytest.fixture
def verified(acme: Tenant, zone) -> Tenant:
    proven(acme, zone)
    proven(acme, zone, "bücher.example")
    claim(acme, "pending.example")
    return acme


@pytest.mark.parametrize(
    "email",
    [
        "ada@acme.example",
        "Ada.Owner+x@ACME.Example",
        "o'brien@acme.example",
        "müller@acme.example",
        "ada@bücher.example",
        "ada@BÜCHER.example",
        "ada@xn--bcher-kva.example",
        "ada@XN--BCHER-KVA.example",
    ],
)
def test_at_a_verified_domain(verified: Tenant, email: str):
    with tenant_scope(verified.organization):
        assert is_verified_domain(email)


@pytest.mark.parametrize(
    "email",
    [
        "",
        "@",
        "acme.example",
        "@acme.example",
        "ada@",
        "ada@pending.example",
        "ada@mail.acme.example",
        "ada@example",
        "ada@acme.example.com",
        "ada@notacme.example",
        "ada@acme.example.",
        "ada@.acme.example",
        "ada@acme..example",
        "ada@evil.com@acme.example",
        '"ada@evil.com"@acme.example',
        '"ada"@acme.example',
        "ada@acme.example@evil.com",
        "ada@evil.com,@acme.example",
        "<ada@acme.example>",
        "Ada <ada@acme.example>",
        "ada(comment)@acme.example",
        " ada@acme.example",
        "ada @acme.example",
        "ada@ acme.example",
        "ada@acme.example ",
        "ada@acme.example\n",
        "ada@acme.example\nbcc: x",
        "ada\x00@acme.example",
        "ada@acme.example\x00",
        "ada\u00a0x@acme.example",
        "ada@acme.example\u200b",
        "ada@\u0430cme.example",  # a Cyrillic a
        "ada@acme\u3002example",
        "ada@\uff41cme.example",
        "ada\uff20acme.example",
        "ada@[10.0.0.1]",
        "ada@%",
        "ada@acme_example",
        f"ada@{'a' * 300}.example",
    ],
)
def test_anywhere_else(verified: Tenant, email: str):
    with tenant_scope(verified.organization):
        assert not is_verified_domain(email)


def test_one_statement(verified: Tenant, django_assert_num_queries):
    with tenant_scope(verified.organization), django_assert_num_queries(1):
        is_verified_domain("ada@acme.example")


def test_it_asks_the_organization_whose_scope_is_open(verified: Tenant, globex: Tenant):
    with tenant_scope(globex.organization):
        assert not is_verified_domain("ada@acme.example")
    with pytest.raises(NoTenant):
        is_verified_domain("ada@acme.example")
