"""The nine points where the dialects contradict each other, as settled for all of them at once."""

from typing import Any

import pytest

from tests.people import Tenant
from tests.scim import held
from tests.scim.stage import (
    GROUP,
    NOBODY,
    USER,
    Scim,
    group_body,
    operation,
    patch,
    references,
    refused,
    unchanged,
    user_body,
    where,
)


def test_conflict_1_remove_members_with_a_value_means_only_these(scim: Scim) -> None:
    grace, alan = scim.user("grace"), scim.user("alan")
    group = scim.group("Engineers", scim.seed, grace, alan)
    scim.change(group, operation("remove", "members", references(grace)))
    assert scim.members(group) == {scim.seed["id"], alan["id"]}
    scim.change(group, operation("remove", "members"))
    assert scim.members(group) == set()


@pytest.mark.parametrize("op", ["replace", "Replace", "add"])
@pytest.mark.parametrize("kind", ["user", "group"])
def test_conflict_2_the_own_id_is_ignored_and_another_refused(scim: Scim, kind: str, op: str) -> None:
    resource = scim.seed if kind == "user" else scim.group("Engineers", scim.seed)
    scim.change(resource, operation(op, value={"id": resource["id"], "displayName": "New"}))
    assert scim.read(resource)["displayName"] == "New"
    with unchanged(scim, resource):
        body = patch(operation(op, value={"id": NOBODY, "displayName": "Newer"}))
        refused(scim.patch(where(resource), body), 400, "mutability")


@pytest.mark.parametrize("value", ["yes", "1", "", "Falsee", " true ", 1, 0, [], {}, ["True"], "нет"])
def test_conflict_3_what_is_no_boolean_is_refused(scim: Scim, value: Any) -> None:
    with unchanged(scim, scim.seed):
        refused(scim.post("/Users", user_body("grace", active=value)), 400, "invalidValue")
        refused(scim.put(where(scim.seed), scim.read(scim.seed) | {"active": value}), 400, "invalidValue")
        for one in (operation("Replace", "active", value), operation("replace", value={"active": value})):
            refused(scim.patch(where(scim.seed), patch(one)), 400, "invalidValue")


@pytest.mark.parametrize("value", ["False", "false", "FALSE", "fAlSe"])
def test_conflict_3_string_booleans_everywhere(scim: Scim, value: str) -> None:
    assert scim.user("grace", active=value)["active"] is False
    assert scim.replaced(scim.read(scim.seed) | {"active": value})["active"] is False
    scim.change(scim.seed, operation("Add", "active", "True"))
    assert scim.change(scim.seed, operation("replace", value={"active": value})).json["active"] is False
    emails = [{"type": "work", "value": "alan@acme.example", "primary": "True"}]
    assert scim.user("alan", emails=emails)["emails"][0]["primary"] is True


def test_conflict_4_a_value_path_that_misses_creates(scim: Scim) -> None:
    user = scim.change(scim.seed, operation("Replace", 'emails[type eq "home"].value', "ada@home.example")).json
    assert {"type": "home", "value": "ada@home.example"} in user["emails"]
    assert len(user["emails"]) == 2


@pytest.mark.parametrize(
    "path",
    [
        'emails[type eq "home" and primary eq true].value',
        'emails[value eq "x@home.example"].display',
        'emails[type ne "work"].value',
        'emails[not (type eq "work")].value',
        'emails[type sw "ho"].value',
    ],
)
def test_conflict_4_any_other_miss_is_no_target(scim: Scim, path: str) -> None:
    with unchanged(scim, scim.seed):
        refused(scim.patch(where(scim.seed), patch(operation("replace", path, "x@home.example"))), 400, "noTarget")


def test_conflict_5_what_a_patch_answers(scim: Scim) -> None:
    group = scim.group("Engineers", scim.seed)
    user = scim.patch(where(scim.seed), patch(operation("replace", "title", "Countess")))
    assert (user.status, user.json) == (200, scim.read(scim.seed))
    silent = scim.patch(where(group), patch(operation("replace", "displayName", "Makers")))
    assert (silent.status, silent.json) == (204, None)
    asked = scim.patch(f"{where(group)}?attributes=displayName", patch(operation("replace", "displayName", "Doers")))
    assert (asked.status, asked.json["displayName"]) == (200, "Doers")


@pytest.mark.parametrize("urn", ["http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group", "urn:x:y"])
def test_conflict_6_unknown_schemas_are_ignored(scim: Scim, urn: str) -> None:
    group = scim.post("/Groups", group_body("Engineers") | {"schemas": [GROUP, urn], urn: {"a": 1}})
    assert (group.status, group.json["schemas"]) == (201, [GROUP])
    user = scim.post("/Users", user_body("grace", schemas=[urn, USER]))
    assert (user.status, user.json["schemas"]) == (201, [USER])
    assert scim.put(where(group.json), group_body("Engineers") | {"schemas": [urn, GROUP]}).status == 200


def test_conflict_7_a_rename_keeps_members_and_a_put_without_them_clears(acme: Tenant, scim: Scim) -> None:
    group = scim.group("Engineers", scim.seed)
    scim.change(group, operation("replace", value={"id": group["id"], "displayName": "Makers"}))
    scim.change(group, operation("Replace", "displayName", "Doers"))
    assert scim.members(group) == {scim.seed["id"]}
    assert scim.put(where(group), {"schemas": [GROUP], "displayName": "Doers"}).status == 200
    assert scim.members(group) == set()
    assert held.groups(acme) == {"Doers": set()}


def test_conflict_8_deleting_is_possible_and_never_needed(acme: Tenant, scim: Scim) -> None:
    test_user, test_group = scim.user("jumpcloud-test"), scim.group("jumpcloud-test")
    assert scim.delete(where(test_group)).status == 204
    assert scim.delete(where(test_user)).status == 204
    group = scim.group("Engineers", scim.seed)
    (taken_over,) = scim.found('displayName eq "engineers"', at="/Groups")
    assert taken_over["id"] == group["id"]
    scim.change(scim.seed, operation("replace", "active", value=False))
    assert scim.members(group) == {scim.seed["id"]}
    assert held.active_members(acme) & {"ada@acme.example"} == set()


def test_conflict_9_the_first_question_is_for_somebody_unknown(scim: Scim) -> None:
    answer = scim.get("/Users", filter='userName eq "non-existent@example.com"')
    assert (answer.status, answer.json["totalResults"]) == (200, 0)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/json", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("application/scim+json", "application/scim+json"),
        ("*/*", "application/scim+json"),
        ("application/*", "application/scim+json"),
        ("application/scim+json, application/json", "application/scim+json"),
        ("application/json, application/scim+json;q=0.5", "application/scim+json"),
    ],
)
def test_conflict_9_the_content_type_of_answers(scim: Scim, accept: str, expected: str) -> None:
    for answer in (
        scim.get("/Users", headers={"Accept": accept}),
        scim.get(f"/Users/{NOBODY}", headers={"Accept": accept}),
        scim.post("/Users", user_body("grace"), Accept=accept),
        scim.get("/Schemas", headers={"Accept": accept}),
        Scim("nonsense").get("/Users", headers={"Accept": accept}),
    ):
        assert answer.headers["Content-Type"].partition(";")[0] == expected


def test_conflict_9_without_an_accept_header(scim: Scim) -> None:
    assert scim.get("/Users").headers["Content-Type"].startswith("application/scim+json")
