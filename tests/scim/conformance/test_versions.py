"""ETag, If-Match and If-None-Match: RFC 7644 3.14."""

from typing import Any

import pytest

from tests.scim.stage import Scim, operation, patch, refused, unchanged, user_body, where

STALE = 'W/"stale"'


@pytest.fixture(params=["user", "group"])
def resource(request: Any, scim: Scim) -> dict[str, Any]:
    """Return a user, and a group."""
    return scim.seed if request.param == "user" else scim.group("Engineers", scim.seed)


def rename(name: str) -> dict[str, Any]:
    return patch(operation("replace", "displayName", name))


def test_every_answer_with_a_resource_has_its_version(scim: Scim, resource: dict[str, Any]) -> None:
    version = resource["meta"]["version"]
    assert version.startswith(('"', 'W/"'))
    assert scim.get(where(resource)).headers["ETag"] == version
    put = scim.put(where(resource), resource | {"displayName": "Other"})
    assert put.headers["ETag"] == put.json["meta"]["version"] != version
    answer = scim.patch(where(resource), rename("Third"))
    assert answer.headers["ETag"] == scim.read(resource)["meta"]["version"]
    created = scim.post("/Users", user_body("grace"))
    assert created.headers["ETag"] == created.json["meta"]["version"]


def test_a_change_of_members_changes_the_groups_version(scim: Scim) -> None:
    group = scim.group("Engineers")
    scim.change(group, operation("add", "members", [{"value": scim.seed["id"]}]))
    assert scim.read(group)["meta"]["version"] != group["meta"]["version"]


def test_what_is_known_is_not_sent_again(scim: Scim, resource: dict[str, Any]) -> None:
    version = scim.read(resource)["meta"]["version"]
    for condition in (version, "*", f'W/"a", {version}', version.removeprefix("W/")):
        answer = scim.get(where(resource), headers={"If-None-Match": condition})
        assert (answer.status, answer.json) == (304, None), condition
    assert scim.get(where(resource), headers={"If-None-Match": STALE}).status == 200


def test_a_change_of_the_known_version_goes_through(scim: Scim, resource: dict[str, Any]) -> None:
    for condition in (lambda: scim.read(resource)["meta"]["version"], lambda: "*"):
        assert scim.patch(where(resource), rename("A"), If_Match=condition()).status in {200, 204}
        body = scim.read(resource) | {"displayName": "B"}
        assert scim.put(where(resource), body, If_Match=condition()).status == 200
    assert scim.delete(where(resource), If_Match=scim.read(resource)["meta"]["version"]).status == 204


@pytest.mark.parametrize("condition", [STALE, '"stale"', "nonsense", 'W/"a", W/"b"'])
def test_a_change_of_another_version_is_refused(scim: Scim, resource: dict[str, Any], condition: str) -> None:
    with unchanged(scim, resource):
        refused(scim.patch(where(resource), rename("Late"), If_Match=condition), 412)
        refused(scim.put(where(resource), resource | {"displayName": "Late"}, If_Match=condition), 412)
        refused(scim.delete(where(resource), If_Match=condition), 412)


def test_a_version_read_before_a_change_is_stale(scim: Scim, resource: dict[str, Any]) -> None:
    before = scim.read(resource)["meta"]["version"]
    scim.change(resource, operation("replace", "displayName", "First"))
    refused(scim.patch(where(resource), rename("Second"), If_Match=before), 412)
    assert scim.read(resource)["displayName"] == "First"
