"""G1 to G18: what identity providers do with groups."""

from typing import Any

import pytest

from tests.people import Tenant
from tests.scim import held
from tests.scim.stage import (
    GROUP,
    NOBODY,
    Answer,
    Scim,
    group_body,
    is_full,
    operation,
    patch,
    references,
    refused,
    unchanged,
    where,
)

LEGACY = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"


@pytest.fixture
def people(scim: Scim) -> list[dict[str, Any]]:
    """Return four provisioned users."""
    return [scim.user(name) for name in ("grace", "alan", "linus", "barbara")]


@pytest.fixture
def group(scim: Scim, people: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a group with the first three."""
    return scim.group("Engineers", *people[:3])


def ids(*resources: dict[str, Any]) -> set[str]:
    return {resource["id"] for resource in resources}


def patched(scim: Scim, group: dict[str, Any], *operations: dict[str, Any]) -> Answer:
    """Return the answer to a PATCH of a group: 204 without a body (conflict 5)."""
    answer = scim.patch(where(group), patch(*operations))
    assert (answer.status, answer.json) == (204, None), answer
    return answer


def test_g1_an_unknown_schema_is_ignored(acme: Tenant, scim: Scim) -> None:
    answer = scim.post(
        "/Groups",
        {
            "schemas": [GROUP, LEGACY],
            "externalId": "8aa1a0c0",
            "displayName": "Engineers",
            "meta": {"resourceType": "Group"},
        },
    )
    assert answer.status == 201
    is_full(answer.json, "Group")
    assert answer.headers["Location"] == answer.json["meta"]["location"]
    assert answer.json["schemas"] == [GROUP]
    assert (answer.json["displayName"], answer.json["externalId"]) == ("Engineers", "8aa1a0c0")
    assert answer.json.get("members", []) == []
    assert held.groups(acme) == {"Engineers": set()}


def test_g2_with_members(acme: Tenant, scim: Scim, people: list[dict[str, Any]]) -> None:
    answer = scim.post("/Groups", group_body("Engineers", *people[:2]))
    assert answer.status == 201
    assert {member["value"] for member in answer.json["members"]} == ids(*people[:2])
    for member in answer.json["members"]:
        assert member.get("type", "User") == "User"
        assert member["$ref"].endswith(f"/Users/{member['value']}")
        assert "Hopper" in member["display"] or "@acme.example" in member["display"]
    assert scim.read(answer.json) == answer.json
    assert held.groups(acme) == {"Engineers": {"grace@acme.example", "alan@acme.example"}}


@pytest.mark.parametrize("name", ["Engineers", "ENGINEERS"])
def test_g3_the_same_name_is_a_conflict_and_is_found(scim: Scim, group: dict[str, Any], name: str) -> None:
    with unchanged(scim, group):
        refused(scim.post("/Groups", group_body(name)), 409, "uniqueness")
    assert scim.get("/ServiceProviderConfig").json["filter"]["supported"] is True
    (found,) = scim.found(f'displayName eq "{name}"', at="/Groups")
    assert found["id"] == group["id"]


@pytest.mark.parametrize("changes", [{"displayName": ""}, {"displayName": None}, {"displayName": "  "}])
def test_g3_a_group_needs_a_name(scim: Scim, changes: dict[str, Any]) -> None:
    with unchanged(scim):
        refused(scim.post("/Groups", group_body("x") | changes), 400, "invalidValue")
        refused(scim.post("/Groups", {"schemas": [GROUP]}), 400, "invalidValue")


def test_g4_found_by_name_and_by_external_id(scim: Scim) -> None:
    group = scim.group("Engineers", externalId="Ext-1")
    for query, expected in {
        'displayName eq "Engineers"': [group["id"]],
        'displayName eq "Painters"': [],
        'externalId eq "Ext-1"': [group["id"]],
        'externalId eq "ext-1"': [],
        'displayName sw "Eng" and externalId pr': [group["id"]],
        f'{GROUP}:displayName eq "Engineers"': [group["id"]],
        'meta.created gt "2019-01-01T00:00:00Z"': [group["id"]],
    }.items():
        assert [one["id"] for one in scim.found(query, at="/Groups")] == expected, query


@pytest.mark.parametrize("path", ["members eq", "members.value eq", "MEMBERS Eq"])
def test_g5_is_somebody_in_a_group(scim: Scim, group: dict[str, Any], people: list[dict[str, Any]], path: str) -> None:
    for person, count in ((people[0], 1), (people[3], 0)):
        query = f'id eq "{group["id"]}" and {path} "{person["id"]}"'
        found = scim.found(query, at="/Groups", excludedAttributes="members")
        assert len(found) == count
        assert "members" not in str(found)
    assert scim.found(f'id eq "{NOBODY}" and {path} "{people[0]["id"]}"', at="/Groups") == []
    assert len(scim.found(f'members[value eq "{people[0]["id"]}"]', at="/Groups")) == 1


def test_g6_members_are_added_once(acme: Tenant, scim: Scim, people: list[dict[str, Any]]) -> None:
    group = scim.group("Engineers")
    values = [{"value": one["id"], "$ref": None, "display": one["displayName"]} for one in people]
    for _ in range(2):
        patched(scim, group, operation("add", "members", values))
        assert scim.members(group) == ids(*people)
    patched(scim, group, operation("Add", "members", references(people[0], people[0])))
    assert scim.members(group) == ids(*people)
    assert held.groups(acme)["Engineers"] == {one["userName"] for one in people}


def test_g6_a_single_object_instead_of_a_list(scim: Scim, people: list[dict[str, Any]]) -> None:
    group = scim.group("Engineers")
    patched(scim, group, operation("add", "members", {"value": people[0]["id"]}))
    assert scim.members(group) == ids(people[0])


def test_g7_one_member_is_removed_by_a_value_path(
    acme: Tenant, scim: Scim, group: dict[str, Any], people: list[dict[str, Any]]
) -> None:
    patched(scim, group, operation("remove", f'members[value eq "{people[0]["id"]}"]'))
    assert scim.members(group) == ids(*people[1:3])
    patched(scim, group, operation("Remove", f'members[value eq "{people[1]["id"]}"]'))
    assert scim.members(group) == ids(people[2])
    assert held.groups(acme) == {"Engineers": {"linus@acme.example"}}


def test_g7_removing_somebody_who_is_not_in_it_changes_nothing(
    scim: Scim, group: dict[str, Any], people: list[dict[str, Any]]
) -> None:
    for name in (people[3]["id"], NOBODY, "nonsense"):
        with unchanged(scim, group):
            answer = scim.patch(where(group), patch(operation("remove", f'members[value eq "{name}"]')))
            assert answer.status in {204, 400}, answer


@pytest.mark.parametrize("op", ["Remove", "remove"])
def test_g8_only_the_given_members_are_removed(
    scim: Scim, group: dict[str, Any], people: list[dict[str, Any]], op: str
) -> None:
    patched(scim, group, operation(op, "members", references(*people[:2])))
    assert scim.members(group) == ids(people[2])


def test_g8_an_empty_list_removes_nobody(scim: Scim, group: dict[str, Any]) -> None:
    with unchanged(scim, group):
        patched(scim, group, operation("remove", "members", []))


@pytest.mark.parametrize("path", ["members", "Members", f"{GROUP}:members"])
def test_g9_without_a_value_all_are_removed(acme: Tenant, scim: Scim, group: dict[str, Any], path: str) -> None:
    patched(scim, group, operation("remove", path))
    assert scim.members(group) == set()
    assert held.groups(acme) == {"Engineers": set()}


def test_g10_members_are_replaced_exactly(
    acme: Tenant, scim: Scim, group: dict[str, Any], people: list[dict[str, Any]]
) -> None:
    patched(scim, group, operation("replace", "members", references(people[0], people[3])))
    assert scim.members(group) == ids(people[0], people[3])
    patched(scim, group, operation("Replace", value={"members": references(people[1])}))
    assert scim.members(group) == ids(people[1])
    patched(scim, group, operation("replace", "members", []))
    assert scim.members(group) == set()
    assert held.groups(acme) == {"Engineers": set()}


@pytest.mark.parametrize("op", ["add", "Add"])
def test_g11_members_are_added_without_a_path(
    scim: Scim, group: dict[str, Any], people: list[dict[str, Any]], op: str
) -> None:
    patched(scim, group, operation(op, value={"members": references(people[3])}))
    assert scim.members(group) == ids(*people)


def test_g12_members_as_bare_strings(scim: Scim, people: list[dict[str, Any]]) -> None:
    group = scim.group("Engineers", members=[people[0]["id"]])
    patched(scim, group, operation("add", "members", [people[1]["id"]]))
    patched(scim, group, operation("add", "members", people[2]["id"]))
    assert scim.members(group) == ids(*people[:3])
    patched(scim, group, operation("remove", "members", people[2]["id"]))
    patched(scim, group, operation("remove", "members", [people[0]["id"]]))
    assert scim.members(group) == ids(people[1])


RENAMES = {
    "entra": lambda group: operation("Replace", "displayName", "Makers"),
    "entra-flag": lambda group: operation("replace", value={"displayName": "Makers"}),
    "okta": lambda group: operation("replace", value={"id": group["id"], "displayName": "Makers"}),
    "authentik": lambda group: operation(
        "replace", value={key: group[key] for key in ("schemas", "id", "externalId")} | {"displayName": "Makers"}
    ),
    "add": lambda group: operation("Add", "displayName", "Makers"),
}


@pytest.mark.parametrize("dialect", RENAMES)
def test_g13_a_rename_does_not_touch_membership(
    acme: Tenant, scim: Scim, people: list[dict[str, Any]], dialect: str
) -> None:
    group = scim.group("Engineers", *people[:3], externalId="ext-1")
    patched(scim, group, RENAMES[dialect](group))
    renamed = scim.read(group)
    assert (renamed["displayName"], renamed["externalId"]) == ("Makers", "ext-1")
    assert renamed["members"] == group["members"]
    assert scim.members(group) == ids(*people[:3])
    assert held.groups(acme) == {"Makers": {one["userName"] for one in people[:3]}}


def test_g13_a_taken_name_is_a_conflict(scim: Scim, group: dict[str, Any]) -> None:
    scim.group("Makers")
    with unchanged(scim, group):
        refused(scim.patch(where(group), patch(operation("replace", "displayName", "MAKERS"))), 409, "uniqueness")
        refused(scim.put(where(group), group | {"displayName": "Makers"}), 409, "uniqueness")


def test_g14_put_sets_members_exactly(
    acme: Tenant, scim: Scim, group: dict[str, Any], people: list[dict[str, Any]]
) -> None:
    answer = scim.put(where(group), {**group, "displayName": "Makers", "members": references(*people[2:])})
    assert answer.status == 200
    is_full(answer.json, "Group")
    assert answer.json["displayName"] == "Makers"
    assert scim.members(group) == ids(*people[2:])
    assert held.groups(acme) == {"Makers": {"linus@acme.example", "barbara@acme.example"}}


def test_g14_put_without_members_clears_them(acme: Tenant, scim: Scim, group: dict[str, Any]) -> None:
    answer = scim.put(where(group), {"schemas": [GROUP], "id": group["id"], "displayName": "Engineers"})
    assert answer.status == 200
    assert scim.members(group) == set()
    assert held.groups(acme) == {"Engineers": set()}


STRANGERS = [
    [{"value": NOBODY}],
    [{"value": "nonsense"}],
    [NOBODY],
    [{"value": ""}],
    [{"value": None}],
    [{}],
    [5],
    [None],
]


@pytest.mark.parametrize("bad", STRANGERS)
@pytest.mark.parametrize("first", [True, False])
def test_g15_an_unknown_member_is_refused_and_nothing_happens(
    scim: Scim, group: dict[str, Any], people: list[dict[str, Any]], first: bool, bad: list[Any]
) -> None:
    good: list[Any] = references(people[3])
    values = bad + good if first else good + bad
    with unchanged(scim, group):
        answers = [
            scim.patch(where(group), patch(operation("add", "members", values))),
            scim.patch(where(group), patch(operation("replace", "members", values))),
            scim.patch(where(group), patch(operation("replace", value={"displayName": "Half", "members": values}))),
            scim.patch(where(group), patch(operation("remove", "members"), operation("add", "members", values))),
            scim.put(where(group), group | {"displayName": "Half", "members": values}),
            scim.post("/Groups", {"schemas": [GROUP], "displayName": "Half", "members": values}),
        ]
        for answer in answers:
            assert answer.status in {400, 404}, answer
            assert answer.status == 404 or answer.json["scimType"] in {"invalidValue", "invalidSyntax"}, answer


def test_g16_members_are_there_right_after_a_patch(scim: Scim, people: list[dict[str, Any]]) -> None:
    group = scim.group("Engineers")
    patched(scim, group, *(operation("add", "members", references(one)) for one in people))
    assert scim.members(group) == ids(*people)


def test_g16_a_thousand_operations_in_one_patch(scim: Scim, people: list[dict[str, Any]]) -> None:
    assert scim.get("/ServiceProviderConfig").json["bulk"]["maxOperations"] >= 1000
    group = scim.group("Engineers")
    operations = [
        operation("remove" if turn % 2 else "add", "members", references(one)) for turn in range(249) for one in people
    ]
    assert len(operations) >= 996
    patched(scim, group, *operations, *(operation("add", "members", references(one)) for one in people[:4]))
    assert scim.members(group) == ids(*people)


def test_g17_the_reply_has_no_members_unless_asked(
    scim: Scim, group: dict[str, Any], people: list[dict[str, Any]]
) -> None:
    add = patch(operation("Add", "members", references(people[3])))
    answer = scim.patch(where(group), add)
    assert (answer.status, answer.json) == (204, None)
    named = scim.patch(f"{where(group)}?attributes=displayName", add)
    assert (named.status, named.json.keys()) == (200, {"schemas", "id", "displayName"})
    asked = scim.patch(f"{where(group)}?attributes=members", add)
    assert {member["value"] for member in asked.json["members"]} == ids(*people)


def test_g18_a_user_lists_its_groups(scim: Scim, group: dict[str, Any], people: list[dict[str, Any]]) -> None:
    other = scim.group("Makers", people[0])
    listed = scim.read(people[0])["groups"]
    assert {(one["value"], one["display"]) for one in listed} == {(group["id"], "Engineers"), (other["id"], "Makers")}
    assert {one["$ref"].rpartition("/scim/v2")[2] for one in listed} == {where(group), where(other)}
    assert not scim.read(people[3]).get("groups")
    assert {one["userName"] for one in scim.found(f'groups eq "{group["id"]}"')} == {
        one["userName"] for one in people[:3]
    }
    patched(scim, group, operation("remove", f'members[value eq "{people[0]["id"]}"]'))
    assert [one["value"] for one in scim.read(people[0])["groups"]] == [other["id"]]


def test_groups_may_be_nested_but_never_in_a_circle(scim: Scim) -> None:
    inner = scim.group("Inner", scim.seed)
    answer = scim.post("/Groups", group_body("Outer", inner))
    if answer.status != 201:
        refused(answer, 400, "invalidValue")
        return
    outer = answer.json
    assert [member["value"] for member in outer["members"]] == [inner["id"]]
    for child, parent in ((inner, outer), (outer, outer), (inner, inner)):
        with unchanged(scim, inner, outer):
            refused(
                scim.patch(where(child), patch(operation("add", "members", references(parent)))), 400, "invalidValue"
            )


def test_an_unknown_group_cannot_be_changed(scim: Scim) -> None:
    refused(scim.put(f"/Groups/{NOBODY}", group_body("Engineers")), 404)
    refused(scim.patch(f"/Groups/{NOBODY}", patch(operation("replace", "displayName", "x"))), 404)
    refused(scim.get(f"/Groups/{scim.seed['id']}"), 404)
    assert scim.found("displayName pr", at="/Groups") == []
