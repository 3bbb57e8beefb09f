"""authentik: reads the config first, creates groups without members, then one PATCH operation for each member."""

from typing import Any

import pytest

from tests.people import Tenant
from tests.scim import held
from tests.scim.stage import GROUP, USER, Scim, operation, patch, refused
from tests.tenants.stage import events


@pytest.fixture
def authentik(scim: Scim) -> Scim:
    """Return acme's provider with authentik's headers."""
    return scim.speaking("application/scim+json", Accept="application/scim+json", User_Agent="authentik/2026.2")


def profile(name: str, /, **attributes: Any) -> dict[str, Any]:
    return {
        "schemas": [USER],
        "externalId": f"uid-{name}",
        "userName": name,
        "name": {"formatted": f"{name.title()} Person", "givenName": name.title(), "familyName": "Person"},
        "displayName": f"{name.title()} Person",
        "photos": [],
        "emails": [{"value": f"{name}@acme.example", "type": "other", "primary": True}],
        "active": True,
        "locale": "en-US",
        **attributes,
    }


def chunked(authentik: Scim, path: str, op: str, users: list[dict[str, Any]]) -> None:
    """Send an operation for each user, as many at once as bulk.maxOperations says."""
    most = authentik.get("/ServiceProviderConfig").json["bulk"]["maxOperations"]
    for start in range(0, len(users), most):
        chunk = users[start : start + most]
        body = patch(*(operation(op, "members", [{"value": user["id"]}]) for user in chunk))
        assert authentik.patch(path, body).status in {200, 204}


def test_a_full_life(acme: Tenant, authentik: Scim) -> None:
    config = authentik.get("/ServiceProviderConfig").json
    assert config["patch"]["supported"]
    assert config["filter"]["supported"]
    grace, alan, linus = (authentik.post("/Users", profile(name)).json for name in ("grace", "alan", "linus"))
    assert {"grace@acme.example", "alan@acme.example", "linus@acme.example"} <= held.active_members(acme)
    path = f"/Users/{grace['id']}"

    put = authentik.put(path, profile("grace", id=grace["id"], displayName="Amazing Grace"))
    assert (put.status, put.json["displayName"], put.json["id"]) == (200, "Amazing Grace", grace["id"])

    body = {"schemas": [GROUP], "displayName": "engineers", "externalId": "5c1b6e0e"}
    created = authentik.post("/Groups", body)
    assert created.status == 201
    refused(authentik.post("/Groups", body), 409, "uniqueness")
    (group,) = authentik.found('displayName eq "engineers"', at="/Groups")
    assert group["id"] == created.json["id"]
    where = f"/Groups/{group['id']}"
    chunked(authentik, where, "add", [grace, alan, linus])
    assert authentik.members(group) == {one["id"] for one in (grace, alan, linus)}
    chunked(authentik, where, "remove", [alan])
    assert held.groups(acme) == {"engineers": {"grace@acme.example", "linus@acme.example"}}

    whole = operation("replace", value=body | {"id": group["id"], "displayName": "makers"})
    assert authentik.patch(where, patch(whole)).status in {200, 204}
    assert held.groups(acme) == {"makers": {"grace@acme.example", "linus@acme.example"}}

    put = authentik.put(path, profile("grace", id=grace["id"], active=False))
    assert put.json["active"] is False
    assert not held.is_member(acme, "grace@acme.example")
    assert authentik.members(group) == {grace["id"], linus["id"]}
    assert authentik.put(path, profile("grace", id=grace["id"])).json["active"] is True
    assert held.is_member(acme, "grace@acme.example")

    assert authentik.delete(path).status == 204
    refused(authentik.put(path, profile("grace", id=grace["id"])), 404)
    assert authentik.members(group) == {linus["id"]}
    assert authentik.delete(where).status == 204
    assert held.groups(acme) == {}
    assert [event.actor_kind for event in events(acme, "group.deleted")] == ["scim_connection"]


def test_what_is_there_already_is_discovered(authentik: Scim) -> None:
    for number in range(3):
        authentik.group(f"group {number}")
    seen: list[str] = []
    page = authentik.get("/Groups").json
    while True:
        seen += [one["displayName"] for one in page["Resources"]]
        if len(seen) >= page["totalResults"]:
            break
        page = authentik.get("/Groups", startIndex=len(seen) + 1).json
    assert sorted(seen) == ["group 0", "group 1", "group 2"]
