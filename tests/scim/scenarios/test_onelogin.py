"""OneLogin: application/json on both sides, an object for a list, roles as groups."""

from typing import Any

import pytest

from tests.people import Tenant
from tests.scim import held
from tests.scim.stage import ENTERPRISE, USER, Scim, operation, patch, refused
from tests.tenants.stage import events


@pytest.fixture
def onelogin(scim: Scim) -> Scim:
    """Return acme's provider with OneLogin's headers."""
    return scim.speaking("application/json", Accept="application/json", User_Agent="OneLogin")


def profile(name: str, /, **attributes: Any) -> dict[str, Any]:
    return {
        "schemas": [USER, ENTERPRISE],
        "userName": f"{name}@acme.example",
        "displayName": name.title(),
        "externalId": f"1234-{name}",
        "name": {"givenName": name.title(), "familyName": "Person", "formatted": f"{name.title()} Person"},
        "emails": {"value": f"{name}@acme.example", "type": "work", "primary": True},
        "title": "",
        ENTERPRISE: {"department": "Sales"},
        "active": True,
        **attributes,
    }


def test_a_full_life(acme: Tenant, onelogin: Scim) -> None:
    first = onelogin.get("/Users", filter='userName eq "known-non-existent@onelogin.example"')
    assert (first.status, first.json["totalResults"]) == (200, 0)
    assert first.headers["Content-Type"].startswith("application/json")

    created = onelogin.post("/Users", profile("grace"))
    assert created.status == 201
    assert created.headers["Content-Type"].startswith("application/json")
    assert created.json["emails"] == [{"value": "grace@acme.example", "type": "work", "primary": True}]
    path = f"/Users/{created.json['id']}"
    assert held.is_member(acme, "grace@acme.example")
    alan = onelogin.post("/Users", profile("alan")).json

    changed = onelogin.put(path, profile("grace", displayName="Amazing", id=created.json["id"]))
    assert (changed.status, changed.json["displayName"]) == (200, "Amazing")

    found = onelogin.get("/Groups", filter='displayName eq "Sales"')
    assert found.json["totalResults"] == 0
    group = onelogin.post("/Groups", {"displayName": "Sales"})
    assert group.status == 201
    where = f"/Groups/{group.json['id']}"
    for person in (created.json, alan):
        assert onelogin.patch(where, patch(operation("add", "members", [{"value": person["id"]}]))).status in {200, 204}
    assert held.groups(acme) == {"Sales": {"grace@acme.example", "alan@acme.example"}}
    removal = patch(operation("remove", f'members[value eq "{alan["id"]}"]'))
    assert onelogin.patch(where, removal).status in {200, 204}
    assert held.groups(acme) == {"Sales": {"grace@acme.example"}}
    assert onelogin.patch(where, patch(operation("replace", "displayName", "Sellers"))).status in {200, 204}
    assert held.groups(acme) == {"Sellers": {"grace@acme.example"}}

    suspended = onelogin.put(path, profile("grace", active=False))
    assert (suspended.status, suspended.json["active"]) == (200, False)
    assert not held.is_member(acme, "grace@acme.example")
    assert onelogin.put(path, profile("grace", active=True)).json["active"] is True
    assert held.groups(acme) == {"Sellers": {"grace@acme.example"}}

    assert onelogin.delete(path).status == 204
    refused(onelogin.get(path), 404)
    assert onelogin.delete(where).status == 204
    assert held.groups(acme) == {}
    assert events(acme, "member.removed")[-1].actor_kind == "scim_connection"
