"""A1 and A2: what of a resource is returned."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.scim.stage import ENTERPRISE, USER, Scim, operation, patch, user_body, where

WORK = {"primary": True, "type": "work", "value": "grace@acme.example"}
HOME = {"type": "home", "value": "grace@home.example"}


@pytest.mark.parametrize("names", ["userName,emails", "USERNAME, Emails", f"{USER}:userName,{USER}:emails"])
def test_a1_only_the_named_attributes_and_the_id(scim: Scim, names: str) -> None:
    created = scim.user("grace", emails=[WORK, HOME])
    answer = scim.get(where(created), attributes=names)
    assert answer.json.keys() == {"schemas", "id", "userName", "emails"}
    assert answer.json["emails"] == [WORK, HOME]
    (listed,) = scim.found('userName sw "grace"', attributes=names)
    assert listed == answer.json


def test_a1_a_value_path(scim: Scim) -> None:
    created = scim.user("grace", emails=[WORK, HOME])
    answer = scim.get(where(created), attributes='emails[type eq "work"]')
    assert answer.json.keys() == {"schemas", "id", "emails"}
    assert answer.json["emails"] == [WORK]


def test_a1_parts_of_complex_attributes(scim: Scim) -> None:
    created = scim.user("grace", emails=[WORK, HOME], **{ENTERPRISE: {"department": "Navy", "costCenter": "1"}})
    names = f"name.givenName,emails.value,{ENTERPRISE}:department"
    answer = scim.get(where(created), attributes=names).json
    assert answer["name"] == {"givenName": "Grace"}
    assert answer["emails"] == [{"value": WORK["value"]}, {"value": HOME["value"]}]
    assert answer[ENTERPRISE] == {"department": "Navy"}
    assert answer.keys() == {"schemas", "id", "name", "emails", ENTERPRISE}


def test_a1_on_answers_to_changes(scim: Scim) -> None:
    posted = scim.post("/Users?attributes=userName", user_body("grace"))
    assert (posted.status, posted.json.keys()) == (201, {"schemas", "id", "userName"})
    path = f"/Users/{posted.json['id']}?attributes=displayName"
    answer = scim.patch(path, patch(operation("replace", "displayName", "Amazing")))
    assert (answer.status, answer.json["displayName"]) == (200, "Amazing")
    assert answer.json.keys() == {"schemas", "id", "displayName"}
    put = scim.put(path, user_body("grace"))
    assert (put.status, put.json.keys()) == (200, {"schemas", "id", "displayName"})


def test_a1_an_unknown_attribute_selects_nothing(scim: Scim) -> None:
    answer = scim.get(where(scim.seed), attributes="noSuch")
    assert (answer.status, answer.json.keys()) == (200, {"schemas", "id"})


def test_a1_excluded_attributes(scim: Scim) -> None:
    answer = scim.get(where(scim.seed), excludedAttributes="emails,name.givenName,id,schemas").json
    assert "emails" not in answer
    assert answer["name"] == {"familyName": "Hopper"}
    assert answer["id"] == scim.seed["id"]
    assert answer["userName"] == scim.seed["userName"]


@pytest.mark.parametrize("name", ["members", "Members", "urn:ietf:params:scim:schemas:core:2.0:Group:members"])
def test_a2_excluded_members_are_absent_and_not_loaded(scim: Scim, name: str) -> None:
    group = scim.group("Engineers", scim.seed)
    assert group["members"]
    with CaptureQueriesContext(connection) as queries:
        one = scim.get(where(group), excludedAttributes=name)
        (listed,) = scim.found('displayName eq "Engineers"', at="/Groups", excludedAttributes=name)
    assert "members" not in one.json
    assert one.json["displayName"] == "Engineers"
    assert listed == one.json
    assert not [query["sql"] for query in queries if "groupmember" in query["sql"].lower()]


def test_a2_only_the_name_needs_no_members_either(scim: Scim) -> None:
    group = scim.group("Engineers", scim.seed)
    with CaptureQueriesContext(connection) as queries:
        answer = scim.get(where(group), attributes="displayName").json
    assert answer.keys() == {"schemas", "id", "displayName"}
    assert not [query["sql"] for query in queries if "groupmember" in query["sql"].lower()]
