"""C1 to C13: what identity providers POST to /Users."""

from typing import Any

import pytest

from accounts.models import ScimConnection
from isolation.scope import tenant_scope
from tests.people import Tenant
from tests.scim import held
from tests.scim.stage import (
    BASE,
    ENTERPRISE,
    USER,
    Scim,
    connection_of,
    is_full,
    operation,
    refused,
    token_of,
    unchanged,
    user_body,
    where,
    without_meta,
)


@pytest.mark.parametrize("media", ["application/scim+json", "application/json", "application/scim+json; charset=utf-8"])
def test_c1_a_user_is_created(scim: Scim, media: str) -> None:
    answer = scim.speaking(media).post("/Users", user_body("grace"))
    assert answer.status == 201
    is_full(answer.json, "User")
    assert answer.headers["Location"] == answer.json["meta"]["location"]
    assert answer.headers["Location"].endswith(f"{BASE}/Users/{answer.json['id']}")
    assert answer.headers["Content-Type"].startswith("application/scim+json")
    assert answer.json["active"] is True
    assert scim.read(answer.json) == answer.json


AS_SENT: dict[str, Any] = {
    "userName": "Grace.Hopper@Acme.Example",
    "displayName": "  Grace  “Amazing” Hopper ",
    "externalId": "00uJL29u0LE5t6Aj10h7",
    "title": "Rear Admiral",
    "nickName": "amazing Grace",
    "userType": "Employee",
    "preferredLanguage": "en-US",
    "locale": "en-US",
    "timezone": "America/New_York",
    "profileUrl": "https://acme.example/people/Grace",
    "name": {
        "formatted": "RADM Grace B. Hopper",
        "familyName": "Hopper",
        "givenName": "Grace",
        "middleName": "Brewster",
        "honorificPrefix": "RADM",
        "honorificSuffix": "Ph.D.",
    },
    "emails": [
        {"primary": True, "type": "work", "value": "Grace.Hopper@Acme.Example"},
        {"type": "home", "value": "Grace@Home.Example", "display": "At home"},
    ],
    "phoneNumbers": [
        {"type": "work", "value": "+1 (555) 010-0100"},
        {"type": "mobile", "value": "tel:+1-555-010-0101"},
    ],
    "addresses": [
        {
            "type": "work",
            "streetAddress": "100 Universal City Plaza",
            "locality": "Hollywood",
            "region": "CA",
            "postalCode": "91608",
            "country": "US",
            "formatted": "100 Universal City Plaza\nHollywood, CA 91608 USA",
            "primary": True,
        }
    ],
}


@pytest.mark.parametrize("name", AS_SENT)
def test_c2_a_value_is_echoed_exactly_as_sent(scim: Scim, name: str) -> None:
    created = scim.user("grace", **{name: AS_SENT[name]})
    assert created[name] == AS_SENT[name]
    assert scim.read(created)[name] == AS_SENT[name]


def test_c2_all_of_them_together(scim: Scim) -> None:
    sent = user_body("grace", **AS_SENT)
    assert without_meta(scim.user("grace", **AS_SENT)) == sent


def test_c3_a_password_is_never_returned_and_groups_are_ignored(scim: Scim) -> None:
    created = scim.user("grace", password="1mz050nq", locale="en-US", groups=[])
    assert "password" not in created
    assert created["locale"] == "en-US"
    assert "1mz050nq" not in str(scim.read(created))
    assert "password" not in scim.get(where(created), attributes="password,userName").json
    refused_or_empty = scim.get("/Users", filter='password eq "1mz050nq"')
    assert refused_or_empty.status == 400 or refused_or_empty.json["totalResults"] == 0


def test_c3_read_only_attributes_are_ignored(scim: Scim) -> None:
    group = scim.group("Engineers")
    meta = {"resourceType": "User", "created": "1999-01-01T00:00:00Z", "version": 'W/"mine"', "location": "https://x/1"}
    created = scim.user("grace", id="my-own-id", meta=meta, groups=[{"value": group["id"]}])
    is_full(created, "User")
    assert created["id"] != "my-own-id"
    assert not created["meta"]["created"].startswith("1999")
    assert scim.members(group) == set()


def test_c4_the_enterprise_extension_is_returned_under_its_urn(scim: Scim) -> None:
    enterprise = {
        "employeeNumber": "701984",
        "costCenter": "4130",
        "organization": "Universal Studios",
        "division": "Theme Park",
        "department": "Tour Operations",
    }
    schemas = [USER, ENTERPRISE]
    body = {"schemas": schemas, ENTERPRISE: enterprise, "roles": [], "meta": {"resourceType": "User"}}
    created = scim.user("grace", **body)
    assert created[ENTERPRISE] == enterprise
    assert set(created["schemas"]) == set(schemas)
    assert scim.read(created)[ENTERPRISE] == enterprise


def test_c4_the_extension_is_listed_in_schemas_only_where_it_is(scim: Scim) -> None:
    assert scim.seed["schemas"] == [USER]
    unlisted = scim.user("grace", **{ENTERPRISE: {"department": "Navy"}})
    assert set(unlisted["schemas"]) == {USER, ENTERPRISE}


@pytest.mark.parametrize(
    ("sent", "active"), [("True", True), ("true", True), ("TRUE", True), ("False", False), ("false", False)]
)
def test_c5_active_as_a_string_becomes_a_boolean(scim: Scim, sent: str, active: bool) -> None:
    created = scim.user("grace", active=sent)
    assert created["active"] is active
    assert scim.read(created)["active"] is active


def test_c6_the_same_user_name_is_a_conflict(scim: Scim) -> None:
    with unchanged(scim, scim.seed):
        refused(scim.post("/Users", user_body("ada", externalId="another")), 409, "uniqueness")


def test_c7_a_user_name_that_differs_in_case_is_a_conflict(scim: Scim) -> None:
    with unchanged(scim, scim.seed):
        refused(scim.post("/Users", user_body("grace", userName="ADA@acme.example")), 409, "uniqueness")


@pytest.mark.parametrize(
    "changes", [{"without": ("userName",)}, {"userName": ""}, {"userName": None}, {"userName": "  "}]
)
def test_c8_a_user_without_user_name_is_refused(scim: Scim, changes: dict[str, Any]) -> None:
    body = user_body("grace", **changes)
    with unchanged(scim, scim.seed):
        refused(scim.post("/Users", body), 400, "invalidValue")
        refused(scim.put(where(scim.seed), body), 400, "invalidValue")


@pytest.mark.parametrize("body", [b'{"userName": ', b"", b"not json", b"{'userName': 'x'}", b'{"userName": "x"} {}'])
def test_c9_what_is_no_json_is_refused(scim: Scim, body: bytes) -> None:
    with unchanged(scim):
        refused(scim.raw("POST", "/Users", body), 400, "invalidSyntax")


def test_c10_an_unknown_attribute_is_ignored_and_not_echoed(scim: Scim) -> None:
    created = scim.user("grace", displaayName="Grace", favouriteColour={"value": "blue"})
    assert not {"displaayName", "favouriteColour"} & created.keys()
    put = scim.replaced(created | {"displaayName": "Grace", "nickName": "G"})
    assert "displaayName" not in put
    assert put["nickName"] == "G"


def test_c11_a_user_without_addresses(scim: Scim) -> None:
    answer = scim.post("/Users", user_body("grace", without=("emails",)))
    if answer.status == 201:
        assert not answer.json.get("emails")
    else:
        refused(answer, 400, "invalidValue")
        assert "mail" in answer.json["detail"]


def test_c11_a_user_name_that_is_no_address_needs_none(scim: Scim) -> None:
    answer = scim.post("/Users", user_body("grace", userName="ghopper", without=("emails",)))
    if answer.status != 201:
        refused(answer, 400, "invalidValue")
        assert "mail" in answer.json["detail"]


def test_c12_a_user_name_is_free_after_delete_and_gets_a_new_id(scim: Scim) -> None:
    first = scim.user("grace")
    assert scim.delete(where(first)).status == 204
    second = scim.user("grace")
    assert second["id"] != first["id"]
    refused(scim.get(where(first)), 404)


def test_c13_an_inactive_user_is_found_and_reactivated(scim: Scim) -> None:
    created = scim.user("grace")
    scim.change(created, operation("replace", "active", value=False))
    refused(scim.post("/Users", user_body("grace")), 409, "uniqueness")
    (found,) = scim.found('userName eq "grace@acme.example"')
    assert (found["id"], found["active"]) == (created["id"], False)
    scim.change(found, operation("replace", "active", value=True))
    assert scim.read(created)["active"] is True


def test_a_member_who_is_created_as_inactive_loses_access(acme: Tenant, scim: Scim) -> None:
    created = scim.user("member", active=False)
    assert created["active"] is False
    with tenant_scope(acme.organization):
        membership = acme.membership("member")
        assert (membership.is_active, membership.source) == (False, "scim")
    scim.change(created, operation("replace", "active", value=True))
    assert held.is_member(acme, "member@acme.example")


def test_the_last_owner_is_not_created_as_inactive(acme: Tenant, scim: Scim) -> None:
    with unchanged(scim):
        answer = scim.post("/Users", user_body("owner", active=False))
    assert (answer.status, "owner" in answer.json["detail"].lower()) == (409, True)
    assert held.is_member(acme, "owner@acme.example")


def test_an_external_id_belongs_to_the_connection(acme: Tenant, connection: ScimConnection, scim: Scim) -> None:
    with unchanged(scim, scim.seed):
        refused(scim.post("/Users", user_body("grace", externalId="ext-ada")), 409, "uniqueness")
    another = Scim(token_of(acme, connection_of(acme, "Entra ID")).secret)
    assert another.user("grace", externalId="ext-ada")["externalId"] == "ext-ada"
    assert [found["id"] for found in scim.found('externalId eq "ext-ada"')] == [scim.seed["id"]]
