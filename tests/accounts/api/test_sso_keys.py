"""The API of one single sign-on connection: our keys of SAML, and asking the provider again."""

from typing import Any

import pytest
from django.test import Client
from lxml import etree

from tests.accounts.api.stage import organization_key, with_key
from tests.api.calls import by
from tests.people import Tenant
from tests.sso.hostile import Hostile
from tests.sso.saml.provider import SamlIdp, Wrong, encrypt, key_pair
from tests.sso.saml.stage import Saml, connect_saml
from tests.sso.stage import Sso, verify_domain
from tests.tenants.stage import events

CONNECTIONS = "/organizations/acme/sso/connections"
DS = "{http://www.w3.org/2000/09/xmldsig#}"


@pytest.fixture
def saml(acme: Tenant) -> Saml:
    verify_domain(acme)
    return connect_saml(acme, SamlIdp("https://idp.example", keys=[key_pair("idp")]), name="Contractors")


@pytest.fixture
def keys(saml: Saml) -> str:
    """Return the address of the connection's keys."""
    return f"{CONNECTIONS}/{saml.connection.pk}/keys"


def in_our_metadata(saml: Saml) -> set[str]:
    """Return the certificates that the provider reads."""
    root = etree.fromstring(Client().get(saml.path("metadata")).content)
    return {"".join((found.text or "").split()) for found in root.iter(f"{DS}X509Certificate")}


def body_of(shown: dict[str, Any]) -> str:
    """Return a key's certificate as metadata have it."""
    return "".join(line for line in shown["certificate"].splitlines() if "-----" not in line)


def test_a_stranger_finds_none(saml: Saml, keys: str, globex: Tenant) -> None:
    (first,) = by(saml.tenant.owner).get(keys).json()["data"]
    for caller in (by(globex.owner), with_key(organization_key(globex, "sso:read", "sso:manage").secret)):
        for path in (keys, keys.replace("acme", "globex")):
            assert caller.get(path).status_code == 404
            assert caller.post(path).status_code == 404
            assert caller.post(f"{path}/{first['id']}/use").status_code == 404
            assert caller.delete(f"{path}/{first['id']}").status_code == 404
    assert by(saml.tenant.owner).get(keys).json()["data"] == [first]


def test_who_reads_changes_nothing(saml: Saml, keys: str) -> None:
    reader = with_key(organization_key(saml.tenant, "sso:read").secret)
    (first,) = reader.get(keys).json()["data"]
    address = keys.removesuffix("/keys")
    for answer in (reader.post(keys), reader.delete(f"{keys}/{first['id']}"), reader.post(f"{address}/refresh")):
        assert (answer.status_code, answer.json()["permission"]) == (403, "sso:manage")


def test_our_keys_change_in_three_steps(saml: Saml, keys: str) -> None:
    owner = by(saml.tenant.owner)
    (first,) = owner.get(keys).json()["data"]
    assert first["is_signing"] is True
    assert set(first) == {"id", "is_signing", "certificate", "fingerprint", "expires_at", "created_at"}
    made = owner.post(keys)
    assert made.status_code == 201
    second = made.json()
    assert second["is_signing"] is False
    assert in_our_metadata(saml) == {body_of(first), body_of(second)}
    assert owner.post(keys).json()["code"] == "too_many"
    assert owner.delete(f"{keys}/{first['id']}").json()["code"] == "in_use"
    assert owner.delete(f"{keys}/{second['id']}/use").status_code == 405
    assert owner.post(f"{keys}/{second['id']}/use").json()["is_signing"] is True
    assert owner.delete(f"{keys}/{first['id']}").status_code == 204
    assert [key["id"] for key in owner.get(keys).json()["data"]] == [second["id"]]
    assert in_our_metadata(saml) == {body_of(second)}
    assert saml.sign_in(wrong=Wrong(after=lambda root: encrypt(root, second["certificate"]))).user_id
    for action, number in (("added", 2), ("used", 1), ("removed", 1)):
        told = events(saml.tenant, f"saml_key.{action}")
        assert len(told) == number, action
        assert "PRIVATE" not in str([(event.before, event.after) for event in told])


def test_a_key_of_another_connection_is_none_here(saml: Saml, keys: str) -> None:
    other = connect_saml(saml.tenant, SamlIdp("https://other.example"), name="Other")
    owner = by(saml.tenant.owner)
    (foreign,) = owner.get(f"{CONNECTIONS}/{other.connection.pk}/keys").json()["data"]
    assert owner.post(f"{keys}/{foreign['id']}/use").status_code == 404
    assert owner.delete(f"{keys}/{foreign['id']}").status_code == 404


def test_an_openid_connection_has_none(sso: Sso) -> None:
    address = f"{CONNECTIONS}/{sso.connection.pk}/keys"
    owner = by(sso.tenant.owner)
    assert owner.get(address).json()["data"] == []
    assert owner.post(address).json()["code"] == "not_saml"


def test_the_provider_is_asked_again(sso: Sso, idp: Hostile, saml: Saml) -> None:
    owner = by(sso.tenant.owner)
    before = len(idp.requested("/.well-known/openid-configuration"))
    answer = owner.post(f"{CONNECTIONS}/{sso.connection.pk}/refresh")
    assert (answer.status_code, answer.json()["id"]) == (200, str(sso.connection.pk))
    assert len(idp.requested("/.well-known/openid-configuration")) == before + 1
    pasted = owner.post(f"{CONNECTIONS}/{saml.connection.pk}/refresh")
    assert (pasted.status_code, pasted.json()["errors"][0]["pointer"]) == (422, "#/metadata_url")


def test_the_answer_says_where_a_test_begins(sso: Sso) -> None:
    shown = by(sso.tenant.owner).get(f"{CONNECTIONS}/{sso.connection.pk}").json()
    assert shown["test_url"].endswith(f"/o/acme/sso/{sso.connection.pk}/test/")
