"""S1 to S5: what the server says of itself, and searching by POST."""

from typing import Any

import pytest

from tests.scim.stage import ENTERPRISE, GROUP, LIST_RESPONSE, SEARCH_REQUEST, USER, Scim, bulk, nulls, refused, where

CONFIG = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"


def test_s1_service_provider_config(scim: Scim) -> None:
    answer = scim.get("/ServiceProviderConfig")
    assert answer.status == 200
    config = answer.json
    assert config["schemas"] == [CONFIG]
    assert {name: config[name]["supported"] for name in ("patch", "bulk", "filter", "etag")} == {
        "patch": True,
        "bulk": True,
        "filter": True,
        "etag": True,
    }
    assert {type(config[name]["supported"]) for name in ("sort", "changePassword")} == {bool}
    for numbers, name in (("bulk", "maxOperations"), ("bulk", "maxPayloadSize"), ("filter", "maxResults")):
        assert type(config[numbers][name]) is int
        assert config[numbers][name] > 0
    assert config.get("documentationUri", "http").startswith("http")
    assert config["meta"]["resourceType"] == "ServiceProviderConfig"
    assert config["meta"]["location"].endswith("/scim/v2/ServiceProviderConfig")
    assert not list(nulls(config))


def test_s1_authentication_schemes(scim: Scim) -> None:
    schemes = scim.get("/ServiceProviderConfig").json["authenticationSchemes"]
    assert {"oauthbearertoken"} <= {scheme["type"] for scheme in schemes} <= {"oauthbearertoken", "oauth2"}
    assert all(scheme["name"] and scheme["description"] for scheme in schemes)
    assert sum(scheme.get("primary", False) for scheme in schemes) <= 1


def test_s1_paging_by_cursor_is_announced(scim: Scim) -> None:
    pagination = scim.get("/ServiceProviderConfig").json["pagination"]
    assert (pagination["cursor"], pagination["index"]) == (True, True)
    assert pagination.get("defaultPaginationMethod", "index") == "index"
    for name in ("defaultPageSize", "maxPageSize", "cursorTimeout"):
        assert type(pagination.get(name, 1)) is int


def test_s2_resource_types(scim: Scim) -> None:
    answer = scim.get("/ResourceTypes")
    assert answer.status == 200
    assert answer.json["schemas"] == [LIST_RESPONSE]
    kinds = {kind["id"]: kind for kind in answer.json["Resources"]}
    assert answer.json["totalResults"] == len(kinds) == 2
    assert (kinds["User"]["endpoint"], kinds["User"]["schema"]) == ("/Users", USER)
    assert (kinds["Group"]["endpoint"], kinds["Group"]["schema"]) == ("/Groups", GROUP)
    assert kinds["User"]["schemaExtensions"] == [{"schema": ENTERPRISE, "required": False}]
    for name, kind in kinds.items():
        assert kind["schemas"] == [RESOURCE_TYPE]
        assert kind["name"] == name
        assert kind["meta"]["resourceType"] == "ResourceType"
        assert kind["meta"]["location"].endswith(f"/scim/v2/ResourceTypes/{name}")
        assert scim.get(f"/ResourceTypes/{name}").json == kind
    assert not list(nulls(answer.json))


def test_s3_schemas(scim: Scim) -> None:
    answer = scim.get("/Schemas")
    assert answer.status == 200
    assert answer.json["schemas"] == [LIST_RESPONSE]
    schemas = {schema["id"]: schema for schema in answer.json["Resources"]}
    assert {USER, GROUP, ENTERPRISE} <= schemas.keys()
    assert answer.json["totalResults"] == len(schemas)
    for urn, schema in schemas.items():
        assert schema["schemas"] == [SCHEMA]
        assert schema["meta"]["resourceType"] == "Schema"
        assert schema["meta"]["location"].endswith(f"/scim/v2/Schemas/{urn}")
        assert scim.get(f"/Schemas/{urn}").json == schema
    assert not list(nulls(answer.json))


TYPES = {"string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"}


@pytest.mark.parametrize("urn", [USER, GROUP, ENTERPRISE])
def test_s3_each_attribute_is_described(scim: Scim, urn: str) -> None:
    def check(attributes: list[dict[str, Any]]) -> None:
        for one in attributes:
            assert one["type"] in TYPES
            assert type(one["multiValued"]) is bool
            assert one["description"], one["name"]
            assert one["mutability"] in {"readOnly", "readWrite", "immutable", "writeOnly"}
            assert one["returned"] in {"always", "never", "default", "request"}
            assert one.get("uniqueness", "none") in {"none", "server", "global"}
            assert (one["type"] == "complex") == bool(one.get("subAttributes"))
            check(one.get("subAttributes", []))

    attributes = scim.get(f"/Schemas/{urn}").json["attributes"]
    check(attributes)
    named = {one["name"]: one for one in attributes}
    assert len(named) == len(attributes)
    if urn == USER:
        assert (named["userName"]["caseExact"], named["userName"]["uniqueness"]) == (False, "server")
        assert named["userName"]["required"] is True
        assert named["groups"]["mutability"] == "readOnly"
        assert "password" not in named or named["password"]["returned"] == "never"
    if urn == GROUP:
        assert named["displayName"]["required"] is True


SAMPLES: dict[str, Any] = {"string": "Value", "boolean": True, "reference": "https://acme.example/x", "integer": 5}


def test_s3_the_schemas_tell_exactly_what_is_stored(scim: Scim) -> None:
    for urn in (USER, ENTERPRISE):
        for number, one in enumerate(scim.get(f"/Schemas/{urn}").json["attributes"]):
            name = one["name"]
            skipped = {"userName", "password", "id", "externalId", "meta", "schemas", "active", "emails", "manager"}
            if one["mutability"] == "readOnly" or name in skipped:
                continue
            parts = one.get("subAttributes", [])
            value: Any = {
                part["name"]: part.get("canonicalValues", [SAMPLES.get(part["type"])])[0]
                for part in parts
                if part["mutability"] != "readOnly" and part["type"] in SAMPLES
            }
            value = value if parts else SAMPLES[one["type"]]
            sent: Any = [value] if one["multiValued"] else value
            body: dict[str, Any] = {ENTERPRISE: {name: sent}} if urn == ENTERPRISE else {name: sent}
            created = scim.user(f"user{urn[-30:-26].strip(':')}{number}", **body)
            assert (created[ENTERPRISE] if urn == ENTERPRISE else created)[name] == sent, name


@pytest.mark.parametrize("path", ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"])
def test_s3_discovery_cannot_be_filtered_or_changed(scim: Scim, path: str) -> None:
    refused(scim.get(path, filter='id eq "User"'), 403)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert scim.raw(method, path, b"{}").status in {404, 405}


def search(**attributes: Any) -> dict[str, Any]:
    return {"schemas": [SEARCH_REQUEST], **attributes}


@pytest.mark.parametrize("path", ["/Users/.search", "/.search", "/Groups/.search"])
def test_s4_searching_pages_from_the_body(scim: Scim, path: str) -> None:
    for name in ("grace", "alan"):
        scim.user(name)
        scim.group(name)
    scim.group("ada")
    seen: list[str] = []
    total = 6 if path == "/.search" else 3
    for start in range(1, total + 1, 2):
        answer = scim.post(f"{path}?count=100&startIndex=1", search(startIndex=start, count=2))
        assert answer.status == 200
        assert answer.json["schemas"] == [LIST_RESPONSE]
        assert (answer.json["totalResults"], answer.json["startIndex"]) == (total, start)
        assert answer.json["itemsPerPage"] == len(answer.json["Resources"])
        seen += [one["id"] for one in answer.json["Resources"]]
    assert len(seen) == len(set(seen)) == total


def test_s4_with_filter_attributes_and_order(scim: Scim) -> None:
    scim.user("grace", title="Admiral")
    body = search(filter='title pr or userName sw "ada"', attributes=["userName"], sortBy="userName", count=10)
    answer = scim.post("/Users/.search", body | {"sortOrder": "descending"})
    assert [one["userName"] for one in answer.json["Resources"]] == ["grace@acme.example", "ada@acme.example"]
    assert answer.json["Resources"][0].keys() == {"schemas", "id", "userName"}
    excluded = scim.post("/Users/.search", search(excludedAttributes=["emails"], filter="userName pr"))
    assert all("emails" not in one and "userName" in one for one in excluded.json["Resources"])
    refused(scim.post("/Users/.search", search(filter='noSuch eq "x"')), 400, "invalidFilter")
    assert scim.post("/Users/.search", search(count=0)).json["totalResults"] == 2


def test_s4_the_root_finds_users_and_groups(scim: Scim) -> None:
    group = scim.group("ada@acme.example")
    answer = scim.post("/.search", search(filter="displayName pr"))
    kinds = {one["id"]: one["meta"]["resourceType"] for one in answer.json["Resources"]}
    assert kinds == {scim.seed["id"]: "User", group["id"]: "Group"}
    only = scim.post("/.search", search(filter='meta.resourceType eq "Group"'))
    assert [one["id"] for one in only.json["Resources"]] == [group["id"]]


@pytest.mark.parametrize("body", [[], None, "x", 5, {"filter": 5}, {"count": "x"}, {"attributes": "userName"}])
def test_s4_what_is_no_search(scim: Scim, body: Any) -> None:
    answer = scim.post("/Users/.search", body)
    assert answer.status == 400 or isinstance(body, dict)


def test_s5_what_is_advertised_works(scim: Scim) -> None:
    config = scim.get("/ServiceProviderConfig").json
    assert (config["bulk"]["supported"], config["etag"]["supported"]) == (True, True)
    read = {
        "method": "POST",
        "path": "/Groups",
        "bulkId": "a",
        "data": {"schemas": [GROUP], "displayName": "Engineers"},
    }
    assert scim.post("/Bulk", bulk(read)).status == 200
    answer = scim.get(where(scim.seed))
    assert answer.headers["ETag"] == answer.json["meta"]["version"]
    assert 400 <= scim.get("/Me").status < 500


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("PUT", "/Users"), ("PATCH", "/Users"), ("DELETE", "/Users"), ("POST", "/Users/ID"), ("DELETE", "/Groups")),
        *(("GET", "/Bulk"), ("GET", "/.search"), ("GET", "/Users/.search"), ("PUT", "/Bulk"), ("FROBNICATE", "/Users")),
        *(("TRACE", "/Users"), ("POST", "/Groups/ID")),
    ],
)
def test_a_method_that_an_address_does_not_have(scim: Scim, method: str, path: str) -> None:
    answer = scim.raw(method, path.replace("ID", scim.seed["id"]), b"{}")
    assert answer.status in {404, 405}
    assert answer.status == 404 or answer.headers.get("Allow")
