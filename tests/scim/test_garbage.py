"""Whatever is sent, the answer is in SCIM's shape, never a 5xx, and nothing is half-applied.

`Scim.raw` asserts the shape of every answer; here is what to send.
"""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scim.stage import (
    ENTERPRISE,
    GROUP,
    PATCH_OP,
    SEARCH_REQUEST,
    USER,
    Answer,
    Scim,
    bulk,
    group_body,
    operation,
    patch,
    refused,
    unchanged,
    user_body,
    where,
)

quick = settings(
    max_examples=120,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)

NO_JSON = {
    "empty": b"",
    "spaces": b"   ",
    "cut": b'{"userName": "gra',
    "single quotes": b"{'userName': 'grace'}",
    "trailing comma": b'{"userName": "grace@acme.example",}',
    "two documents": b'{"userName": "grace@acme.example"}{}',
    "latin 1": '{"userName": "zo\xeb@acme.example"}'.encode("latin-1"),
    "utf 16": '{"userName": "grace@acme.example"}'.encode("utf-16"),
    "NaN": b'{"userName": NaN}',
    "infinity": b'{"userName": "grace@acme.example", "active": Infinity}',
    "binary": bytes(range(256)),
    "form": b"userName=grace%40acme.example&active=true",
    "xml": b"<User><userName>grace@acme.example</userName></User>",
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "deep and closed": b"[" * 3000 + b"]" * 3000,
    "digits": b'{"userName": ' + b"9" * 6000 + b"}",
}
NO_OBJECT: list[Any] = [None, [], [1], "text", 5, 1.5, True, [[]], [{"userName": "grace@acme.example"}]]
WRITES = ["POST /Users", "PUT USER", "PATCH USER", "POST /Groups", "PUT GROUP", "PATCH GROUP", "POST /Bulk"]
SEARCHES = ["POST /Users/.search", "POST /.search"]


@pytest.fixture
def places(scim: Scim) -> dict[str, str]:
    """Return where a user and a group of acme are."""
    return {"USER": where(scim.seed), "GROUP": where(scim.group("Engineers", scim.seed))}


def send(scim: Scim, places: dict[str, str], request: str, body: bytes, **options: Any) -> Answer:
    method, _, path = request.partition(" ")
    return scim.raw(method, places.get(path, path), body, **options)


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json(scim: Scim, places: dict[str, str], body: bytes) -> None:
    with unchanged(scim):
        for request_line in WRITES + SEARCHES:
            refused(send(scim, places, request_line, body), 400, "invalidSyntax")


@pytest.mark.parametrize("body", NO_OBJECT, ids=repr)
def test_what_is_no_object(scim: Scim, places: dict[str, str], body: Any) -> None:
    with unchanged(scim):
        for request_line in WRITES + SEARCHES:
            answer = send(scim, places, request_line, json.dumps(body).encode())
            assert answer.status == 400, request_line
            assert answer.json["scimType"] in {"invalidSyntax", "invalidValue"}, request_line


@pytest.mark.parametrize(
    "media", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "x", "multipart/form-data"]
)
def test_other_content_types(scim: Scim, places: dict[str, str], media: str) -> None:
    with unchanged(scim):
        for request_line in WRITES:
            assert send(scim, places, request_line, b"<x/>", content_type=media).status in {400, 415}, request_line


WRONG: list[Any] = [
    5,
    -1,
    1.5,
    10**400,
    True,
    None,
    [],
    {},
    [[]],
    [None],
    [5],
    {"value": {}},
    [{"value": [1]}],
    "",
    "x" * 70_000,
]
TEXTS = ["userName", "externalId", "displayName", "title", "nickName", "locale", "timezone", "profileUrl", "userType"]
SHAPED = ["name", "emails", "phoneNumbers", "addresses", "active", "schemas", "meta", "groups", "roles", "photos", "id"]
SHAPED += ["ims", "entitlements", "x509Certificates", "password", ENTERPRISE, f"{USER}:title"]


@pytest.mark.parametrize("name", TEXTS + SHAPED)
def test_wrong_types_for_every_attribute_of_a_user(scim: Scim, name: str) -> None:
    for number, value in enumerate(WRONG):
        before = scim.everything()
        answers = [
            scim.post("/Users", user_body(f"user{number}") | {name: value}),
            scim.put(where(scim.seed), user_body("ada") | {name: value}),
            scim.patch(where(scim.seed), patch(operation("replace", name, value))),
            scim.patch(where(scim.seed), patch(operation("add", value={name: value}))),
        ]
        if all(answer.status >= 400 for answer in answers):
            assert scim.everything() == before, (name, value)
        for answer in answers:
            if answer.status in {200, 201}:
                assert scim.read(answer.json) if answer.status == 201 else scim.read(scim.seed)


INNER = ["name.givenName", "name.formatted", "emails.value", "emails.type", "emails.primary", "addresses.postalCode"]
INNER += ["phoneNumbers.value", f"{ENTERPRISE}.department", f"{ENTERPRISE}.manager", "photos.value"]


@pytest.mark.parametrize("path", INNER)
def test_wrong_types_inside(scim: Scim, path: str) -> None:
    outer, _, inner = path.rpartition(".")
    for number, value in enumerate(WRONG):
        part: Any = {inner: value} if outer in {"name", ENTERPRISE} else [{inner: value}]
        scim.post("/Users", user_body(f"user{number}") | {outer: part})
        scim.put(where(scim.seed), user_body("ada") | {outer: part})
        scim.patch(where(scim.seed), patch(operation("replace", outer, part)))
    assert scim.read(scim.seed)["userName"] == "ada@acme.example"


@pytest.mark.parametrize("name", ["displayName", "externalId", "members", "schemas", "meta", "id"])
def test_wrong_types_for_every_attribute_of_a_group(scim: Scim, places: dict[str, str], name: str) -> None:
    for number, value in enumerate(WRONG):
        scim.post("/Groups", group_body(f"Group {number}") | {name: value})
        scim.put(places["GROUP"], group_body("Engineers") | {name: value})
        scim.patch(places["GROUP"], patch(operation("replace", name, value)))
        scim.patch(places["GROUP"], patch(operation("remove", name, value)))
    assert scim.get(places["GROUP"]).status == 200


UNSTORABLE = ["\x00", "a\x00b", "\ud800", "x\udfff", "\ud83d", "\udca9\ud83d"]


@pytest.mark.parametrize("text", UNSTORABLE, ids=ascii)
def test_what_no_database_stores(scim: Scim, places: dict[str, str], text: str) -> None:
    with unchanged(scim, scim.seed):
        for name in ("userName", "displayName", "externalId", "title"):
            refused(scim.post("/Users", user_body("grace") | {name: text}), 400, "invalidValue")
            refused(scim.patch(where(scim.seed), patch(operation("replace", name, text))), 400, "invalidValue")
        for body in (
            {"name": {"givenName": text}},
            {"emails": [{"value": f"{text}@acme.example"}]},
            {ENTERPRISE: {"department": text}},
            {"addresses": [{"type": "work", "locality": text}]},
        ):
            refused(scim.post("/Users", user_body("grace") | body), 400, "invalidValue")
        refused(scim.post("/Groups", group_body(f"x{text}")), 400, "invalidValue")
        refused(scim.patch(places["GROUP"], patch(operation("replace", "displayName", text))), 400, "invalidValue")
        assert scim.patch(places["GROUP"], patch(operation("add", "members", [{"value": text}]))).status in {400, 404}
        scim.patch(where(scim.seed), patch(operation("replace", f"{text}", "x")))
        scim.post("/Users/.search", {"schemas": [SEARCH_REQUEST], "filter": f'userName eq "{text}"'})
        scim.post("/Users", user_body("grace") | {f"unknown{text}": text, "userName": ""})
    assert scim.found("displayName pr", at="/Groups")


@pytest.mark.parametrize("length", [300, 5_000, 300_000])
def test_very_long_values(scim: Scim, length: int) -> None:
    long = "x" * length
    for name in ("userName", "displayName", "externalId", "title", "nickName"):
        answer = scim.patch(where(scim.seed), patch(operation("replace", name, long)))
        assert answer.status in {200, 400, 413}
        if answer.status == 200:
            assert scim.read(scim.seed)[name] == long
    assert scim.post("/Groups", group_body(long)).status in {201, 400, 413}
    assert scim.get("/Users", filter=f'userName eq "{long[:5000]}"').status in {200, 400}


def test_many_values_and_operations(scim: Scim) -> None:
    emails = [{"type": f"t{number}", "value": f"ada{number}@acme.example"} for number in range(3000)]
    assert scim.patch(where(scim.seed), patch(operation("replace", "emails", emails))).status in {200, 400, 413}
    many = patch(*(operation("replace", "title", f"Title {number}") for number in range(5000)))
    answer = scim.patch(where(scim.seed), many)
    assert answer.status in {200, 400, 413}
    if answer.status == 200:
        assert scim.read(scim.seed)["title"] == "Title 4999"
    unknown = user_body("grace") | {f"unknown{number}": number for number in range(5000)}
    assert scim.post("/Users", unknown).status in {201, 400, 413}


def test_the_same_name_twice(scim: Scim) -> None:
    body = b'{"schemas": ["%s"], "userName": "a@acme.example", "userName": "b@acme.example"}' % USER.encode()
    assert scim.raw("POST", "/Users", body).status in {201, 400}
    cased = {"schemas": [USER], "userName": "c@acme.example", "USERNAME": "d@acme.example"}
    assert scim.post("/Users", cased).status in {201, 400}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "FROBNICATE", "CONNECT", "TRACE", "PROPFIND"])
def test_unknown_methods(scim: Scim, method: str) -> None:
    with unchanged(scim):
        for path in ("/Users", "/Users/x", "/Bulk", "/Me", "/Schemas", "/.search", "/a//b"):
            assert scim.raw(method, path).status < 500, path


@pytest.mark.parametrize(
    "query",
    [
        *(
            "filter=",
            "filter",
            "filter=%FF",
            "filter=%00",
            "filter=userName%20eq%20%22%ED%A0%80%22",
            "filter=a&filter=b",
        ),
        *("count=", "startIndex=", "count=%00", "startIndex=1e9", "sortBy=%00", "sortOrder=sideways", "sortBy="),
        *(
            "attributes=",
            "attributes=,,,",
            "attributes=%00",
            "attributes=a.b.c.d",
            "excludedAttributes=%5B",
            "cursor=%FF",
        ),
        *("attributes=userName&excludedAttributes=userName", "%FF=1", "=", "&&&", "count=\uff11", "startIndex=٣"),
    ],
)
def test_queries_of_nonsense(scim: Scim, query: str) -> None:
    for path in ("/Users", "/Groups"):
        assert scim.get(f"{path}?{query}").status in {200, 400}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=15),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*TEXTS, *SHAPED, "value", "type", "primary", "$ref", "givenName", "members"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
words = st.sampled_from(
    [
        *(
            "userName",
            "emails",
            "emails.value",
            "active",
            "id",
            "meta.created",
            "externalId",
            "noSuch",
            "members",
            "groups",
        ),
        *(USER, ENTERPRISE, GROUP, f"{ENTERPRISE}:department", f"{USER}:userName", ":", ".", "..", "$ref", "schemas"),
        *("eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "pr", "and", "or", "not", "(", ")", "[", "]", "not("),
        *(
            '"x"',
            '"',
            '""',
            "'x'",
            "true",
            "false",
            "null",
            "5",
            "-1.5e9",
            '"2020-01-01T00:00:00Z"',
            '"\\u0000"',
            '"\\"',
        ),
        *("\x00", "%", "é", "🦊", "\\", "value", "type", "emails[", "]."),
    ]
)
queries = st.text(max_size=30) | st.lists(words, max_size=12).map(" ".join) | st.lists(words, max_size=8).map("".join)


@quick
@given(query=queries)
def test_any_filter(scim: Scim, query: str) -> None:
    for path in ("/Users", "/Groups"):
        answer = scim.post(f"{path}/.search", {"schemas": [SEARCH_REQUEST], "filter": query})
        assert answer.status == 200 or answer.json["scimType"] in {"invalidFilter", "invalidValue"}, query


@quick
@given(sortBy=queries, attributes=st.lists(queries, max_size=3))
def test_any_order_and_choice(scim: Scim, sortBy: str, attributes: list[str]) -> None:  # noqa: N803 - SCIM's own name
    for which in ("attributes", "excludedAttributes"):
        body = {"schemas": [SEARCH_REQUEST], "sortBy": sortBy, which: attributes}
        assert scim.post("/.search", body).status in {200, 400}


@pytest.mark.parametrize("schemas", [1, True, {"a": 1}, "urn", [1], [[]], None])
@pytest.mark.parametrize("path", ["/Bulk", "/.search", "/Users/.search"])
def test_a_message_whose_schemas_are_no_list_of_urns(scim: Scim, path: str, schemas: Any) -> None:
    refused(scim.post(path, {"schemas": schemas, "Operations": []}), 400, "invalidSyntax")


@quick
@given(body=anything)
def test_any_body(scim: Scim, body: Any) -> None:
    before = scim.everything()
    answers = [
        scim.post("/Users", body),
        scim.post("/Groups", body),
        scim.put(where(scim.seed), body),
        scim.patch(where(scim.seed), body),
        scim.post("/Bulk", body),
        scim.post("/.search", body),
    ]
    if all(answer.status >= 400 for answer in answers[:5]):
        assert scim.everything() == before


@quick
@given(extra=st.dictionaries(st.sampled_from(TEXTS + SHAPED), anything, min_size=1, max_size=4))
def test_a_good_user_with_anything_besides(scim: Scim, extra: dict[str, Any]) -> None:
    before = scim.everything()
    answer = scim.post("/Users", user_body("grace") | extra)
    if answer.status == 201:
        assert scim.read(answer.json) == answer.json
        assert scim.delete(where(answer.json)).status == 204
    else:
        assert answer.status in {400, 409}
    assert scim.everything() == before


ops = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "Add", "replace", "Replace", "remove", "Remove", "move"])},
    optional={"path": queries | st.sampled_from(TEXTS + SHAPED), "value": anything},
)


@quick
@given(operations=st.lists(ops, min_size=1, max_size=4))
def test_any_patch_is_whole_or_nothing(scim: Scim, operations: list[dict[str, Any]]) -> None:
    before = scim.read(scim.seed)
    answer = scim.patch(where(scim.seed), {"schemas": [PATCH_OP], "Operations": operations})
    after = scim.read(scim.seed)
    if answer.status == 200:
        assert after == answer.json
        assert after["userName"]
        assert scim.put(where(scim.seed), before).status == 200
    else:
        assert answer.status in {400, 409}
        assert after == before


@quick
@given(operations=st.lists(ops, min_size=1, max_size=3))
def test_any_patch_of_a_group(scim: Scim, operations: list[dict[str, Any]]) -> None:
    found = scim.found("displayName pr", at="/Groups")
    group = found[0] if found else scim.group("Engineers", scim.seed)
    answer = scim.patch(where(group), {"schemas": [PATCH_OP], "Operations": operations})
    if answer.status not in {200, 204}:
        assert answer.status in {400, 404, 409}
        assert scim.read(group) == group


@quick
@given(
    operations=st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "method": st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "GET", "x"]) | anything,
                "path": st.sampled_from(["/Users", "/Groups", "/Users/bulkId:a", "Users", "/Me", "/Bulk", "//"])
                | anything,
                "bulkId": st.sampled_from(["a", "b"]) | anything,
                "version": st.text(max_size=5),
                "data": anything,
            },
        ),
        max_size=4,
    )
)
def test_any_bulk(scim: Scim, operations: list[dict[str, Any]]) -> None:
    answer = scim.post("/Bulk", bulk(*operations))
    assert answer.status in {200, 400}
    if answer.status == 200:
        assert all(one["status"][0] in "24" for one in answer.json["Operations"])
