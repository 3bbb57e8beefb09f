"""What a client sends is never a fault of ours: bodies, headers, addresses and queries that make no sense."""

import json
from typing import Any

import pytest
from django.test import Client

from tests.api.calls import Caller, by
from tests.people import Tenant, signed_in

BODIES: dict[str, tuple[bytes, int, str]] = {
    "no JSON": (b"{", 400, "malformed"),
    "nothing": (b"", 422, "invalid"),
    "bad UTF-8": (b'{"name": "\xff"}', 400, "malformed"),
    "a byte order mark": (b'\xef\xbb\xbf{"name": "A"}', 400, "malformed"),
    "UTF-16": ('{"name": "A"}'.encode("utf-16"), 400, "malformed"),
    "a NUL": (b'{"name": "a\\u0000b"}', 400, "malformed"),
    "a NUL in a member's name": (b'{"a\\u0000": 1}', 400, "malformed"),
    "half a surrogate pair": (b'{"name": "\\ud800"}', 400, "malformed"),
    "NaN": (b'{"name": NaN}', 400, "malformed"),
    "an endless number": (b'{"name": 1e999}', 400, "malformed"),
    "beyond bigint": (b'{"name": 9223372036854775808}', 400, "malformed"),
    "a number of 5000 digits": (b'{"name": ' + b"9" * 5_000 + b"}", 400, "malformed"),
    "a member twice": (b'{"name": "A", "name": "B"}', 400, "malformed"),
    "a deep nest": (b"[" * 100_000, 400, "malformed"),
    "a deep nest of objects": (b'{"a":' * 900 + b"1" + b"}" * 900, 400, "malformed"),
    "a nest of objects": (b'{"a":' * 60 + b"1" + b"}" * 60, 422, "invalid"),
    "a list": (b"[]", 422, "invalid"),
    "a text": (b'"name"', 422, "invalid"),
    "null": (b"null", 422, "invalid"),
    "an unknown member": (b'{"nmae": "A"}', 422, "invalid"),
    "the wrong type": (b'{"name": {"a": 1}}', 422, "invalid"),
    "null for a text": (b'{"name": null}', 422, "invalid"),
    "too long": (json.dumps({"name": "x" * 121}).encode(), 422, "invalid"),
    "no role": (b'{"default_role": "abc"}', 422, "invalid"),
    "a number for a role": (b'{"default_role": 17}', 422, "invalid"),
    "a list for a role": (b'{"default_role": [1]}', 422, "invalid"),
}


def send(caller: Caller, body: bytes, content_type: str = "application/json", **extra: Any) -> Any:
    return caller.client.generic("PATCH", "/api/v1/organizations/acme", body, content_type=content_type, **extra)


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_makes_no_sense(name: str, acme: Tenant) -> None:
    body, status, code = BODIES[name]
    response = send(by(acme.owner), body)
    if name == "nothing":  # nothing is changed, which is no mistake
        assert response.status_code == 200
        return
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code), problem
    assert problem["detail"]
    assert status != 422 or problem["errors"], problem


def test_each_mistake_is_named_with_its_place(acme: Tenant) -> None:
    response = by(acme.owner).post("/organizations/acme/roles", {"name": "", "permissions": ["a:b"], "colour": 1})
    assert response.json()["errors"] == [
        {"detail": "Unknown member. Those that are taken: name, description, key, permissions.", "code": "unknown"}
        | {"pointer": "#/colour"}
    ]
    response = by(acme.owner).post("/organizations/acme/roles", {"name": "", "permissions": ["traces:read", "a:b"]})
    assert [(one["pointer"], one["code"]) for one in response.json()["errors"]] == [
        ("#/name", "blank"),
        ("#/permissions/1", "invalid_choice"),
    ]


def test_other_formats_are_refused(acme: Tenant) -> None:
    caller = by(acme.owner)
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x"):
        response = send(caller, b"name=A", content_type)
        assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type"), content_type
    for accept in ("text/html", "application/xml", "x"):
        response = caller.get("/me", accept=accept)
        assert (response.status_code, response.json()["code"]) == (406, "not_acceptable"), accept
    assert caller.get("/me", accept="text/html, */*;q=0.1").status_code == 200


def test_a_body_that_is_too_large(acme: Tenant, settings: Any) -> None:
    response = send(by(acme.owner), b'{"name": "' + b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b'"}')
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_methods_that_an_address_does_not_take(acme: Tenant) -> None:
    caller = by(acme.owner)
    for method in ("PUT", "POST", "OPTIONS", "TRACE", "CONNECT", "NONSENSE"):
        response = caller(method, "/organizations/acme")
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed"), method
        assert set(response["Allow"].split(", ")) == {"GET", "PATCH", "DELETE", "HEAD"}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/me/",
        "/nothing",
        "/organizations/acme/members/17",
        "/organizations/acme/members/not-a-uuid",
        "/organizations/acme/members/0F3E0F5C-59F6-4A8B-9F57-1F6A0F0A3C11",
        "/organizations/acme/members/0f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11",
        "/organizations/acme/projects/%00",
        "/organizations/acme/projects/no-such-project",
        "/organizations/%ff%fe",
        "/organizations/acme%00",
        "/organizations/" + "a" * 5_000,
    ],
)
def test_addresses_that_are_none(path: str, acme: Tenant) -> None:
    for caller in (by(acme.owner), Caller(Client())):
        response = caller.get(path)
        assert response.status_code in {401, 404}, path
        assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query",
    [
        "colour=red",
        "limit=0",
        "limit=101",
        "limit=99999999999999999999",
        "limit=ten",
        "limit=1&limit=2",
        "ordering=password",
        "ordering=user__password",
        "cursor=abc",
        "cursor=%00",
        "cursor=" + "a" * 3_000,
        "fields=",
        "fields=password",
        "fields=id,,user.password",
        "role=a+b",
        "role=%00",
        "email=nobody",
        "is_active=perhaps",
        "email=%ed%a0%80@acme.example",
        "format=html",
    ],
)
def test_queries_that_make_no_sense(query: str, acme: Tenant) -> None:
    response = by(acme.owner).get(f"/organizations/acme/members?{query}")
    assert response.status_code == 400, response.json()
    assert response.json()["errors"][0]["parameter"] == query.partition("=")[0]


def test_nothing_outside_the_views_answers_with_a_page(acme: Tenant) -> None:
    response: Any = signed_in(acme.owner).get("/api/v1/me", headers={"Host": "evil.example"})
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    response = signed_in(acme.owner).post("/api/v2/anything")
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")


def test_with_a_session_every_change_needs_its_csrf_token(acme: Tenant) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(acme.owner, backend="allauth.account.auth_backends.AuthenticationBackend")
    body, kind = '{"name": "Mine"}', "application/json"
    assert browser.get("/api/v1/organizations/acme").status_code == 200
    response: Any = browser.patch("/api/v1/organizations/acme", body, content_type=kind)
    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
    browser.get("/api/v1/docs")
    token = browser.cookies["gatehouse_csrf"].value
    headers = {"X-CSRFToken": token}
    assert browser.patch("/api/v1/organizations/acme", body, content_type=kind, headers=headers).status_code == 200
    body = '{"slug": "mine", "name": "Mine"}'
    assert browser.post("/api/v1/organizations", body, content_type=kind).status_code == 403
    assert browser.post("/api/v1/organizations", body, content_type=kind, headers=headers).status_code == 201
    form = browser.post("/api/v1/organizations", {"slug": "mine"}, headers=headers)
    assert form.status_code == 415
