"""Keycloak with a SCIM client extension: the whole resource by PUT, relative references, roles without a type."""

from typing import Any

import pytest

from tests.people import Tenant
from tests.scim import held
from tests.scim.stage import GROUP, USER, Scim, refused
from tests.tenants.stage import events


@pytest.fixture
def keycloak(scim: Scim) -> Scim:
    """Return acme's provider with the headers of the extension's client."""
    return scim.speaking(
        "application/scim+json",
        Accept="application/scim+json, application/json;q=0.9",
        User_Agent="Apache-HttpClient/4.5 (Java)",
    )


def profile(name: str, scim_id: str | None = None, **attributes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "schemas": [USER],
        "externalId": f"kc-{name}",
        "userName": name,
        "displayName": f"{name.title()} Person",
        "emails": [{"value": f"{name}@acme.example", "primary": True}],
        "roles": [{"value": "engineer"}],
        "active": True,
        **attributes,
    }
    return body | {"id": scim_id, "meta": {"location": f"Users/{scim_id}"}} if scim_id else body


def group_profile(name: str, users: list[dict[str, Any]], scim_id: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"schemas": [GROUP], "externalId": "kc-group", "displayName": name}
    if users:
        body["members"] = [{"value": user["id"], "$ref": f"Users/{user['id']}"} for user in users]
    return body | {"id": scim_id, "meta": {"location": f"Groups/{scim_id}"}} if scim_id else body


def test_a_full_life(acme: Tenant, keycloak: Scim) -> None:
    assert keycloak.get("/ServiceProviderConfig").status == 200
    assert keycloak.get("/Users", startIndex=1, count=100).status == 200
    grace, alan = (keycloak.post("/Users", profile(name)).json for name in ("grace", "alan"))
    assert grace["emails"] == [{"value": "grace@acme.example", "primary": True}]
    path = f"/Users/{grace['id']}"
    assert held.is_member(acme, "grace@acme.example")
    assert keycloak.found('externalId eq "kc-grace"')[0]["id"] == grace["id"]

    put = keycloak.put(path, profile("grace", grace["id"], displayName="Amazing Grace"))
    assert (put.status, put.json["displayName"]) == (200, "Amazing Grace")
    assert put.json["meta"]["location"].startswith("http")

    group = keycloak.post("/Groups", group_profile("engineers", [grace]))
    assert group.status == 201
    where = f"/Groups/{group.json['id']}"
    assert held.groups(acme) == {"engineers": {"grace@acme.example"}}
    assert keycloak.put(where, group_profile("engineers", [grace, alan], group.json["id"])).status == 200
    assert held.groups(acme) == {"engineers": {"grace@acme.example", "alan@acme.example"}}
    assert keycloak.put(where, group_profile("makers", [alan], group.json["id"])).status == 200
    assert held.groups(acme) == {"makers": {"alan@acme.example"}}
    assert keycloak.put(where, group_profile("makers", [], group.json["id"])).status == 200
    assert held.groups(acme) == {"makers": set()}

    assert keycloak.put(path, profile("grace", grace["id"], active=False)).json["active"] is False
    assert not held.is_member(acme, "grace@acme.example")
    assert keycloak.put(path, profile("grace", grace["id"])).json["active"] is True
    assert held.is_member(acme, "grace@acme.example")

    assert keycloak.delete(where).status == 204
    assert keycloak.delete(path).status == 204
    refused(keycloak.get(path), 404)
    assert held.groups(acme) == {}
    kinds = {event.actor_kind for event in events(acme) if event.action in {"group.created", "member.removed"}}
    assert kinds == {"scim_connection"}
