"""JumpCloud: tests with a user and a group that it deletes, takes groups over by name, deactivates on unbinding."""

from typing import Any

import pytest

from tests.people import Tenant
from tests.scim import held
from tests.scim.stage import GROUP, USER, Scim, operation, patch, refused
from tests.tenants.stage import events


@pytest.fixture
def jumpcloud(scim: Scim) -> Scim:
    """Return acme's provider with JumpCloud's headers."""
    return scim.speaking("application/json; charset=utf-8", Accept="application/json", User_Agent="JumpCloud")


def profile(name: str, /, **attributes: Any) -> dict[str, Any]:
    return {
        "schemas": [USER],
        "userName": f"{name}@acme.example",
        "externalId": f"jc-{name}",
        "name": {"givenName": name.title(), "familyName": "Cloud"},
        "displayName": f"{name.title()} Cloud",
        "emails": [{"primary": True, "type": "work", "value": f"{name}@acme.example"}],
        "active": True,
        **attributes,
    }


def test_the_connection_test_leaves_nothing(acme: Tenant, jumpcloud: Scim) -> None:
    before = held.active_members(acme)
    assert jumpcloud.get("/Users", count=1).status == 200
    user = jumpcloud.post("/Users", profile("jumpcloud-test")).json
    path = f"/Users/{user['id']}"
    assert jumpcloud.put(path, profile("jumpcloud-test", active=False)).json["active"] is False
    group = jumpcloud.post("/Groups", {"schemas": [GROUP], "displayName": "JumpCloud test group"}).json
    where = f"/Groups/{group['id']}"
    assert jumpcloud.patch(where, patch(operation("add", "members", [{"value": user["id"]}]))).status in {200, 204}
    assert jumpcloud.delete(where).status == 204
    assert jumpcloud.delete(path).status == 204
    assert held.active_members(acme) == before
    assert held.groups(acme) == {}


def test_a_full_life(acme: Tenant, jumpcloud: Scim) -> None:
    assert jumpcloud.found('userName eq "grace@acme.example"') == []
    grace, alan = (jumpcloud.post("/Users", profile(name)).json for name in ("grace", "alan"))
    paths = {one["id"]: f"/Users/{one['id']}" for one in (grace, alan)}

    existing = jumpcloud.post("/Groups", {"schemas": [GROUP], "displayName": "Engineers"}).json
    (group,) = jumpcloud.found('displayName eq "Engineers"', at="/Groups")
    assert group["id"] == existing["id"]
    where = f"/Groups/{group['id']}"
    members = [{"value": one["id"]} for one in (grace, alan)]
    taken = jumpcloud.put(where, {"schemas": [GROUP], "displayName": "Engineers", "members": members})
    assert taken.status == 200
    assert held.groups(acme) == {"Engineers": {"grace@acme.example", "alan@acme.example"}}

    renamed = patch(operation("replace", "displayName", "Makers"))
    assert jumpcloud.patch(where, renamed).status in {200, 204}
    assert jumpcloud.patch(where, patch(operation("remove", f'members[value eq "{alan["id"]}"]'))).status in {200, 204}
    assert held.groups(acme) == {"Makers": {"grace@acme.example"}}

    new = profile("grace", displayName="Amazing Grace", userName="hopper@acme.example")
    assert jumpcloud.put(paths[grace["id"]], new).json["displayName"] == "Amazing Grace"
    for one in (grace, alan):  # the group is unbound: its members are deactivated, the group stays
        answer = jumpcloud.put(paths[one["id"]], jumpcloud.get(paths[one["id"]]).json | {"active": False})
        assert answer.json["active"] is False
    assert not held.is_member(acme, "alan@acme.example")
    assert jumpcloud.members(group) == {grace["id"]}
    assert len(events(acme, "member.deactivated")) == 2

    answer = jumpcloud.patch(paths[grace["id"]], patch(operation("replace", "active", value=True)))
    assert answer.json["active"] is True
    for path in paths.values():
        assert jumpcloud.delete(path).status == 204
        refused(jumpcloud.get(path), 404)
    assert jumpcloud.members(group) == set()
