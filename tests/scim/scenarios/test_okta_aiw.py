"""Okta, an app of the App Integration Wizard: users and groups change by PUT, GET before each."""

from typing import Any

import pytest

from tests.people import Tenant
from tests.scim import held
from tests.scim.stage import GROUP, USER, Scim, operation, patch, refused
from tests.tenants.stage import events

PROFILE: dict[str, Any] = {
    "schemas": [USER],
    "userName": "test.user@acme.example",
    "name": {"givenName": "Test", "familyName": "User"},
    "emails": [{"primary": True, "value": "test.user@acme.example", "type": "work"}],
    "displayName": "Test User",
    "locale": "en-US",
    "externalId": "00ujl29u0le5T6Aj10h7",
    "groups": [],
    "password": "1mz050nq",
    "active": True,
}


@pytest.fixture
def okta(scim: Scim) -> Scim:
    """Return acme's provider with Okta's headers."""
    return scim.speaking(
        "application/scim+json; charset=utf-8",
        User_Agent="Okta SCIM Client 1.0.0",
        Accept="application/scim+json",
        Accept_Charset="utf-8",
    )


def assign(okta: Scim, **changes: Any) -> dict[str, Any]:
    """Look for somebody and create them, as Okta does on assignment."""
    profile = PROFILE | changes
    found = okta.get("/Users", filter=f'userName eq "{profile["userName"]}"', startIndex=1, count=100)
    assert (found.status, found.json["totalResults"]) == (200, 0)
    answer = okta.post("/Users", profile)
    assert answer.status == 201
    return dict(answer.json)


def put(okta: Scim, path: str, **changes: Any) -> dict[str, Any]:
    """Read a resource, change it and put the whole of it back."""
    read = okta.get(path)
    assert read.status == 200
    answer = okta.put(path, read.json | changes)
    assert answer.status == 200
    return dict(answer.json)


def test_the_connection_is_tested(okta: Scim) -> None:
    page = okta.get("/Users", count=2, startIndex=1)
    assert page.status == 200
    assert page.json["Resources"][0]["name"]["givenName"]
    assert page.json["Resources"][0]["emails"][0]["value"]
    assert okta.get("/Groups", count=100, startIndex=1).json["totalResults"] == 0
    refused(okta.get("/Users/010101001010101011001010101011"), 404)


def test_a_persons_life(acme: Tenant, okta: Scim) -> None:
    person = assign(okta)
    path = f"/Users/{person['id']}"
    assert "password" not in person
    assert held.is_member(acme, "test.user@acme.example")
    assert [event.actor_kind for event in events(acme, "member.added")][-1] == "scim_connection"
    refused(okta.post("/Users", PROFILE), 409, "uniqueness")

    name = {"givenName": "Another", "middleName": "Excited", "familyName": "User"}
    changed = put(okta, path, name=name, displayName="Another User")
    assert (changed["name"], changed["displayName"]) == (name, "Another User")

    assert put(okta, path, active=False)["active"] is False
    assert not held.is_member(acme, "test.user@acme.example")
    assert events(acme, "member.deactivated")[-1].actor_kind == "scim_connection"
    found = okta.get("/Users", filter='userName eq "test.user@acme.example"', startIndex=1, count=100)
    assert [(one["id"], one["active"]) for one in found.json["Resources"]] == [(person["id"], False)]

    again = put(okta, path, active=True)
    assert (again["id"], again["active"]) == (person["id"], True)
    assert held.is_member(acme, "test.user@acme.example")
    assert events(acme, "member.reactivated")


def test_users_are_imported_page_by_page(okta: Scim) -> None:
    for number in range(4):
        name = f"user{number}@acme.example"
        emails = [{"primary": True, "value": name, "type": "work"}]
        assign(okta, userName=name, emails=emails, externalId=f"00u{number}")
    seen: list[str] = []
    while True:
        page = okta.get("/Users", startIndex=len(seen) + 1, count=2).json
        seen += [one["userName"] for one in page["Resources"]]
        if len(seen) >= page["totalResults"]:
            break
    assert len(seen) == len(set(seen)) == 5


def test_a_pushed_groups_life(acme: Tenant, okta: Scim) -> None:
    person, seed = assign(okta), okta.seed
    created = okta.post("/Groups", {"schemas": [GROUP], "displayName": "Test SCIMv2", "members": []})
    assert created.status == 201
    path = f"/Groups/{created.json['id']}"

    value = {"value": person["id"], "display": "test.user@acme.example"}
    assert put(okta, path, members=[value])["displayName"] == "Test SCIMv2"
    assert held.groups(acme) == {"Test SCIMv2": {"test.user@acme.example"}}
    put(okta, path, members=[value, {"value": seed["id"], "display": "ada@acme.example"}])
    put(okta, path, displayName="Renamed SCIMv2")
    assert held.groups(acme) == {"Renamed SCIMv2": {"test.user@acme.example", "ada@acme.example"}}
    put(okta, path, members=[value])
    assert held.groups(acme) == {"Renamed SCIMv2": {"test.user@acme.example"}}

    put(okta, f"/Users/{person['id']}", active=False)
    assert okta.members(created.json) == {person["id"]}
    put(okta, f"/Users/{person['id']}", active=True)
    assert held.groups(acme) == {"Renamed SCIMv2": {"test.user@acme.example"}}

    body = patch(operation("replace", value={"id": created.json["id"], "displayName": "Third"}))
    assert okta.patch(path, body).status == 204
    assert okta.delete(path).status == 204
    assert held.groups(acme) == {}
    assert held.is_member(acme, "test.user@acme.example")
    assert [event.action for event in events(acme) if event.action in {"group.created", "group.deleted"}] == [
        "group.created",
        "group.deleted",
    ]
