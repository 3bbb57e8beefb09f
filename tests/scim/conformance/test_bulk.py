"""POST /Bulk: RFC 7644 3.7."""

import json
from typing import Any

import pytest

from tests.people import Tenant
from tests.scim import held
from tests.scim.stage import (
    BULK_RESPONSE,
    ERROR,
    NOBODY,
    Scim,
    bulk,
    group_body,
    operation,
    patch,
    references,
    refused,
    unchanged,
    user_body,
    where,
)


def post(kind: str, bulk_id: str, data: Any) -> dict[str, Any]:
    return {"method": "POST", "path": f"/{kind}", "bulkId": bulk_id, "data": data}


def sent(scim: Scim, *operations: dict[str, Any], **attributes: Any) -> list[dict[str, Any]]:
    answer = scim.post("/Bulk", bulk(*operations, **attributes))
    assert answer.status == 200, answer
    assert answer.json["schemas"] == [BULK_RESPONSE]
    done: list[dict[str, Any]] = answer.json["Operations"]
    for one in done:
        assert isinstance(one["status"], str)
        if one["status"] >= "400":
            assert one["response"]["schemas"] == [ERROR]
            assert one["response"]["status"] == one["status"]
            assert one["response"]["detail"]
    return done


def test_all_methods(acme: Tenant, scim: Scim) -> None:
    grace, alan = scim.user("grace"), scim.user("alan")
    done = sent(
        scim,
        post("Users", "linus", user_body("linus")),
        {"method": "PUT", "path": where(grace), "data": user_body("grace", title="Admiral")},
        {"method": "PATCH", "path": where(scim.seed), "data": patch(operation("Replace", "active", "False"))},
        {"method": "DELETE", "path": where(alan)},
    )
    assert [one["method"] for one in done] == ["POST", "PUT", "PATCH", "DELETE"]
    assert [one["status"] for one in done] == ["201", "200", "200", "204"]
    assert done[0]["bulkId"] == "linus"
    (linus,) = scim.found('userName eq "linus@acme.example"')
    assert (done[0]["location"], done[0]["version"]) == (linus["meta"]["location"], linus["meta"]["version"])
    assert scim.read(grace)["title"] == "Admiral"
    assert scim.read(scim.seed)["active"] is False
    refused(scim.get(where(alan)), 404)
    assert held.active_members(acme) >= {"linus@acme.example", "grace@acme.example"}
    assert not held.active_members(acme) & {"alan@acme.example", "ada@acme.example"}


def test_a_delete_of_a_known_version_only(scim: Scim) -> None:
    done = sent(scim, {"method": "DELETE", "path": where(scim.seed), "version": 'W/"stale"'})
    assert done[0]["status"] == "412"
    version = scim.read(scim.seed)["meta"]["version"]
    assert sent(scim, {"method": "DELETE", "path": where(scim.seed), "version": version})[0]["status"] == "204"


@pytest.mark.parametrize("forward", [False, True])
def test_a_group_names_users_of_the_same_request(acme: Tenant, scim: Scim, forward: bool) -> None:
    members = [{"value": "bulkId:g"}, {"value": scim.seed["id"]}, {"type": "User", "value": "bulkId:a"}]
    users = [post("Users", "g", user_body("grace")), post("Users", "a", user_body("alan"))]
    group = post("Groups", "engineers", group_body("Engineers", members=members))
    done = sent(scim, *([group, *users] if forward else [*users, group]))
    assert {one["status"] for one in done} == {"201"}
    (found,) = scim.found('displayName eq "Engineers"', at="/Groups")
    assert {member["value"] for member in found["members"]} == {
        scim.seed["id"],
        *(one["id"] for one in scim.found('userName sw "grace" or userName sw "alan"')),
    }
    assert "bulkId" not in str(scim.everything())
    assert held.groups(acme)["Engineers"] == {"ada@acme.example", "grace@acme.example", "alan@acme.example"}


def test_bulk_ids_in_paths_and_patches(scim: Scim) -> None:
    group = scim.group("Engineers")
    done = sent(
        scim,
        post("Users", "g", user_body("grace")),
        {"method": "PATCH", "path": where(group), "data": patch(operation("add", "members", [{"value": "bulkId:g"}]))},
        {"method": "PATCH", "path": "/Users/bulkId:g", "data": patch(operation("replace", "title", "Admiral"))},
    )
    assert [one["status"][0] for one in done] == ["2", "2", "2"]
    (grace,) = scim.found('title eq "Admiral"')
    assert scim.members(group) == {grace["id"]}


def test_an_unknown_bulk_id_fails_alone(scim: Scim) -> None:
    done = sent(
        scim,
        post("Groups", "x", group_body("Engineers", members=[{"value": "bulkId:nobody"}])),
        post("Users", "g", user_body("grace")),
    )
    assert done[0]["status"] in {"400", "409"}
    assert done[1]["status"] == "201"
    assert scim.found("displayName pr", at="/Groups") == []


def test_a_group_that_waits_for_a_failure_fails_too(scim: Scim) -> None:
    done = sent(
        scim,
        post("Users", "twin", user_body("ada")),
        post("Groups", "x", group_body("Engineers", members=[{"value": "bulkId:twin"}])),
    )
    assert done[0]["status"] == "409"
    assert done[1]["status"][0] == "4"
    assert scim.found("displayName pr", at="/Groups") == []


TWINS = [post("Users", f"t{number}", user_body("ada", externalId=f"t{number}")) for number in range(3)]


@pytest.mark.parametrize(("most", "answered"), [(1, 1), (2, 2), (3, 3), (4, 4), (None, 4)])
def test_fail_on_errors_stops_after_that_many(scim: Scim, most: int | None, answered: int) -> None:
    attributes = {} if most is None else {"failOnErrors": most}
    done = sent(scim, *TWINS, post("Users", "g", user_body("grace")), **attributes)
    assert [one["status"] for one in done] == [*(["409"] * min(answered, 3)), *["201"][: max(0, answered - 3)]]
    assert len(scim.found('userName eq "grace@acme.example"')) == (answered == 4)


def test_what_was_done_before_an_error_stays_and_the_failed_leaves_nothing(acme: Tenant, scim: Scim) -> None:
    half = patch(operation("replace", "title", "Half"), operation("replace", "noSuch", "x"))
    done = sent(
        scim,
        post("Users", "g", user_body("grace")),
        {"method": "PATCH", "path": where(scim.seed), "data": half},
        post("Users", "a", user_body("alan")),
    )
    assert [one["status"] for one in done] == ["201", "400", "201"]
    assert "title" not in scim.read(scim.seed)
    assert {"grace@acme.example", "alan@acme.example"} <= held.active_members(acme)


def test_each_refusal_has_its_reason(scim: Scim) -> None:
    group = scim.group("Engineers", scim.seed)
    done = sent(
        scim,
        {"method": "PATCH", "path": f"/Users/{NOBODY}", "data": patch(operation("replace", "title", "x"))},
        {"method": "DELETE", "path": f"/Groups/{NOBODY}"},
        {"method": "PATCH", "path": where(scim.seed), "data": patch(operation("remove"))},
        {"method": "PATCH", "path": where(group), "data": patch(operation("add", "members", [{"value": NOBODY}]))},
        post("Users", "x", user_body("x", without=("userName",))),
        post("Devices", "y", {}),
        {"method": "GET", "path": "/Users"},
        {"method": "POST", "path": "/Bulk", "bulkId": "z", "data": bulk()},
        {"method": "POST", "path": "/Users", "bulkId": "q"},
    )
    statuses = [one["status"] for one in done]
    assert statuses[:3] == ["404", "404", "400"]
    assert statuses[3] in {"400", "404"}
    assert all(status[0] == "4" for status in statuses)
    assert done[2]["response"]["scimType"] == "noTarget"
    assert done[4]["response"]["scimType"] == "invalidValue"


@pytest.mark.parametrize(
    "body",
    [
        *([], None, "x", {}, {"Operations": None}, {"Operations": {}}, {"Operations": "x"}),
        bulk(post("Users", "g", user_body("grace")), failOnErrors="many"),
    ],
)
def test_what_is_no_bulk_request(scim: Scim, body: Any) -> None:
    with unchanged(scim):
        answer = scim.post("/Bulk", body)
        assert answer.status == 400
        assert answer.json["scimType"] in {"invalidSyntax", "invalidValue"}


@pytest.mark.parametrize(
    "one", [None, "x", 5, [], {}, {"method": "POST"}, {"method": 5, "path": []}, {"path": "/Users"}]
)
def test_an_operation_that_is_none(scim: Scim, one: Any) -> None:
    with unchanged(scim):
        answer = scim.post("/Bulk", bulk(one))
        assert answer.status == 400 or answer.json["Operations"][0]["status"][0] == "4"


def test_too_many_operations(scim: Scim) -> None:
    most = scim.get("/ServiceProviderConfig").json["bulk"]["maxOperations"]
    with unchanged(scim):
        answer = scim.post("/Bulk", bulk(*[{"method": "DELETE", "path": f"/Users/{NOBODY}"}] * (most + 1)))
        refused(answer, 413, answer.json.get("scimType"))
        assert str(most) in answer.json["detail"]


def test_too_large_a_body(scim: Scim) -> None:
    most = scim.get("/ServiceProviderConfig").json["bulk"]["maxPayloadSize"]
    body = bulk(post("Users", "g", user_body("grace", displayName="x" * most)))
    with unchanged(scim):
        answer = scim.post("/Bulk", body)
        assert answer.status == 413
        assert str(most) in answer.json["detail"]


def test_a_replaced_membership_in_bulk(scim: Scim) -> None:
    grace = scim.user("grace")
    group = scim.group("Engineers", scim.seed)
    done = sent(scim, {"method": "PUT", "path": where(group), "data": group_body("Makers", members=references(grace))})
    assert done[0]["status"] == "200"
    assert scim.members(group) == {grace["id"]}
    assert json.dumps(scim.read(group)).count(grace["id"]) >= 1
