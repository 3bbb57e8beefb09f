"""Okta, an app of its integration network: (de)activation and groups by PATCH, the rest by PUT."""

from typing import Any

import pytest

from tests.people import Tenant
from tests.scim import held
from tests.scim.stage import GROUP, Scim, operation, patch, user_body
from tests.tenants.stage import events


@pytest.fixture
def okta(scim: Scim) -> Scim:
    """Return acme's provider with Okta's headers."""
    return scim.speaking("application/scim+json", User_Agent="Okta SCIM Client 1.0.0", Accept="application/scim+json")


def member(user: dict[str, Any]) -> dict[str, Any]:
    return {"value": user["id"], "display": user["userName"]}


def test_a_full_life(acme: Tenant, okta: Scim) -> None:
    assert (
        okta.get("/Users", filter='userName eq "grace@acme.example"', startIndex=1, count=100).json["totalResults"] == 0
    )
    grace = okta.post("/Users", user_body("grace", password="x9$generated", groups=[])).json
    alan = okta.post("/Users", user_body("alan", password="x9$generated", groups=[])).json
    path = f"/Users/{grace['id']}"

    changed = okta.put(path, okta.get(path).json | {"displayName": "Amazing Grace", "password": "another"})
    assert (changed.status, changed.json["displayName"]) == (200, "Amazing Grace")
    assert okta.patch(path, patch(operation("replace", value={"password": "synced"}))).status in {200, 204}
    assert "password" not in okta.get(path).json

    group = okta.post("/Groups", {"schemas": [GROUP], "displayName": "Engineers", "members": [member(grace)]})
    assert group.status == 201
    where = f"/Groups/{group.json['id']}"
    assert held.groups(acme) == {"Engineers": {"grace@acme.example"}}

    both = patch(operation("remove", f'members[value eq "{grace["id"]}"]'), operation("add", "members", [member(alan)]))
    assert okta.patch(where, both).status in {200, 204}
    assert held.groups(acme) == {"Engineers": {"alan@acme.example"}}

    rename = patch(operation("replace", value={"id": group.json["id"], "displayName": "Makers"}))
    assert okta.patch(where, rename).status in {200, 204}
    assert okta.patch(where, patch(operation("replace", "members", [member(grace), member(alan)]))).status in {200, 204}
    assert held.groups(acme) == {"Makers": {"grace@acme.example", "alan@acme.example"}}

    assert okta.patch(path, patch(operation("replace", value={"active": False}))).status in {200, 204}
    assert okta.get(path).json["active"] is False
    assert not held.is_member(acme, "grace@acme.example")
    assert okta.patch(path, patch(operation("replace", value={"active": True}))).status in {200, 204}
    assert held.is_member(acme, "grace@acme.example")
    assert okta.members(group.json) == {grace["id"], alan["id"]}

    assert okta.patch(where, patch(operation("replace", "members", []))).status in {200, 204}
    assert okta.delete(where).status == 204
    assert held.groups(acme) == {}
    actions = [event.action for event in events(acme) if event.target_label == "grace@acme.example"]
    assert actions.index("member.added") < actions.index("member.deactivated") < actions.index("member.reactivated")
