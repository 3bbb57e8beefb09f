"""How the tests speak SCIM: a client bound to one token, and the bodies that identity providers send."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.test import Client

from accounts.models import ScimConnection
from accounts.services.key_rules import IssuedKey
from accounts.services.scim_connections import create_scim_connection
from accounts.services.scim_tokens import create_scim_token
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tests.people import Tenant

BASE = "/scim/v2"
MEDIA = "application/scim+json"

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MESSAGES = "urn:ietf:params:scim:api:messages:2.0"
ERROR = f"{MESSAGES}:Error"
LIST_RESPONSE = f"{MESSAGES}:ListResponse"
PATCH_OP = f"{MESSAGES}:PatchOp"
SEARCH_REQUEST = f"{MESSAGES}:SearchRequest"
BULK_REQUEST = f"{MESSAGES}:BulkRequest"
BULK_RESPONSE = f"{MESSAGES}:BulkResponse"

NOBODY = "00000000-0000-4000-8000-000000000000"  # an id that no resource has
ORDINARY_RATE: int = getattr(settings, "SCIM_RATE_PER_ORGANIZATION", 0)  # as installed, before a test changes it

_DATABASE_TALK = ("duplicate key", "violates", "psycopg", "DETAIL:", "SELECT ", "INSERT ", "UPDATE ", "Traceback")
_NOTHING: Any = object()


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: the HTTP status.
        headers: by name, whatever the case.
        json: the parsed body; None when there is none.
    """

    status: int
    headers: Any
    json: Any


@dataclass(frozen=True)
class Scim:
    """An identity provider with one token; every answer is checked for what SCIM asks of all of them.

    Attributes:
        secret: the bearer token; empty: no Authorization header.
        media: the content type of what it sends.
        headers: further headers of every request.
        address: where it asks from.
        seed: the SCIM User that is there from the beginning.
    """

    secret: str
    media: str = MEDIA
    headers: dict[str, str] = field(default_factory=dict)
    address: str = "127.0.0.1"
    seed: dict[str, Any] = field(default_factory=dict)

    def speaking(self, media: str, **headers: str) -> "Scim":
        """Return the same token in the mouth of another client; header names have underscores."""
        return replace(self, media=media, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def raw(
        self, method: str, path: str, body: bytes = b"", *, content_type: str | None = None, **headers: str
    ) -> Answer:
        """Return the answer to exactly these bytes; header names have underscores: `if_match`."""
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if self.secret and "Authorization" not in sent:
            sent["Authorization"] = f"Bearer {self.secret}"
        client = Client(raise_request_exception=False, enforce_csrf_checks=True, REMOTE_ADDR=self.address)
        address = path if path.startswith("http") else f"{BASE}{path}"
        response = client.generic(method, address, body, content_type=content_type or self.media, headers=sent)
        answer = Answer(response.status_code, response.headers, _parsed(response.content, f"{method} {path}"))
        _check(answer, response.content, f"{method} {path}", accept=sent.get("Accept", MEDIA))
        return answer

    def get(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> Answer:
        """Return the answer to GET; further arguments are the query."""
        return self.raw("GET", f"{path}?{urlencode(query)}" if query else path, b"", **(headers or {}))

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        """Return the answer to POST."""
        return self.raw("POST", path, _encoded(body), **headers)

    def put(self, path: str, body: Any, **headers: str) -> Answer:
        """Return the answer to PUT."""
        return self.raw("PUT", path, _encoded(body), **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Answer:
        """Return the answer to PATCH."""
        return self.raw("PATCH", path, _encoded(body), **headers)

    def delete(self, path: str, **headers: str) -> Answer:
        """Return the answer to DELETE."""
        return self.raw("DELETE", path, b"", **headers)

    def user(self, name: str, /, **attributes: Any) -> dict[str, Any]:
        """Create a user by `user_body` and return the resource."""
        return self._created("/Users", user_body(name, **attributes))

    def group(self, name: str, /, *members: dict[str, Any], **attributes: Any) -> dict[str, Any]:
        """Create a group by `group_body` and return the resource."""
        return self._created("/Groups", group_body(name, *members, **attributes))

    def read(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Return a resource as it is now."""
        answer = self.get(where(resource))
        assert answer.status == 200, answer
        return dict(answer.json)

    def change(self, resource: dict[str, Any], *operations: dict[str, Any]) -> Answer:
        """Return the answer to a PATCH of the resource, which must succeed."""
        answer = self.patch(where(resource), patch(*operations))
        assert answer.status in {200, 204}, answer
        return answer

    def replaced(self, resource: dict[str, Any]) -> dict[str, Any]:
        """PUT the whole resource to where it lives and return what came back."""
        answer = self.put(where(resource), resource)
        assert answer.status == 200, answer
        return dict(answer.json)

    def found(self, query: str, *, at: str = "/Users", **more: Any) -> list[dict[str, Any]]:
        """Return the resources that a filter finds."""
        answer = self.get(at, filter=query, **more)
        assert answer.status == 200, (query, answer)
        resources = answer.json.get("Resources", [])
        assert answer.json["totalResults"] == len(resources), query
        return list(resources)

    def names(self, query: str) -> list[str]:
        """Return the user names that a filter finds, without their domain, in order."""
        return sorted(found["userName"].partition("@")[0] for found in self.found(query))

    def members(self, group: dict[str, Any]) -> set[str]:
        """Return the ids of a group's members, each of which stands there once."""
        values = [member["value"] for member in self.read(group).get("members", [])]
        assert len(values) == len(set(values)), values
        return set(values)

    def everything(self) -> tuple[Any, Any]:
        """Return all users and groups that the token sees."""
        return self.get("/Users", sortBy="id").json, self.get("/Groups", sortBy="id").json

    def _created(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.post(path, body)
        assert answer.status == 201, answer
        return dict(answer.json)


def user_body(name: str, /, *, domain: str = "acme.example", without: tuple[str, ...] = (), **attributes: Any) -> Any:
    """Return the body of a User called `name`; `attributes` add to it, `without` leaves some out."""
    body = {
        "schemas": [USER],
        "userName": f"{name}@{domain}",
        "name": {"givenName": name.capitalize(), "familyName": "Hopper"},
        "emails": [{"primary": True, "type": "work", "value": f"{name}@{domain}"}],
        "externalId": f"ext-{name}",
        "displayName": f"{name.capitalize()} Hopper",
        "active": True,
    } | attributes
    return {key: value for key, value in body.items() if key not in without}


def group_body(name: str, /, *members: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    """Return the body of a Group with these resources as members; without any the attribute is left out."""
    body: dict[str, Any] = {"schemas": [GROUP], "displayName": name} | attributes
    return body | {"members": references(*members)} if members else body


def references(*members: dict[str, Any]) -> list[dict[str, Any]]:
    """Return resources as values of `members`."""
    return [{"value": member["id"]} for member in members]


def operation(op: str, path: str | None = None, value: Any = _NOTHING) -> dict[str, Any]:
    """Return one operation of a PATCH; what is not given is not sent."""
    sent: dict[str, Any] = {"op": op}
    if path is not None:
        sent["path"] = path
    return sent if value is _NOTHING else sent | {"value": value}


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a PATCH."""
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def bulk(*operations: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    """Return the body of a bulk request."""
    return {"schemas": [BULK_REQUEST], "Operations": list(operations), **attributes}


def where(resource: dict[str, Any]) -> str:
    """Return the path of a resource below the base URL."""
    return f"/{resource['meta']['resourceType']}s/{resource['id']}"


def without_meta(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource without what the server alone decides."""
    return {name: value for name, value in resource.items() if name not in {"id", "meta", "groups"}}


def refused(answer: Answer, status: int, scim_type: str | None = None) -> None:
    """Assert a refusal with this status and, when given, this scimType."""
    assert (answer.status, (answer.json or {}).get("scimType")) == (status, scim_type), answer


def is_full(resource: dict[str, Any], kind: str) -> None:
    """Assert that a resource has its id and all of its metadata."""
    assert isinstance(resource["id"], str)
    meta = resource["meta"]
    assert meta["resourceType"] == kind
    assert meta["location"].startswith("http")
    assert meta["location"].endswith(f"{BASE}/{kind}s/{resource['id']}")
    assert isinstance(meta["version"], str)
    for name in ("created", "lastModified"):
        assert datetime.fromisoformat(meta[name]).tzinfo, meta[name]
    assert not list(nulls(resource)), resource


def nulls(value: Any, path: str = "") -> Iterator[str]:
    """Yield where null stands."""
    children: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if value is None:
        yield path
    for key, child in children:
        yield from nulls(child, f"{path}/{key}")


@contextmanager
def unchanged(scim: Scim, *resources: dict[str, Any]) -> Iterator[None]:
    """Assert that nothing which the token sees changes inside, versions included."""
    before = scim.everything(), [scim.read(resource) for resource in resources]
    yield
    assert (scim.everything(), [scim.read(resource) for resource in resources]) == before


def connection_of(tenant: Tenant, name: str = "Okta", **values: Any) -> ScimConnection:
    """Return a new connection of the tenant."""
    with tenant_scope(tenant.organization), acting_as(SYSTEM):
        return create_scim_connection(organization=tenant.organization, name=name, actor=SYSTEM, **values)


def token_of(tenant: Tenant, connection: ScimConnection, **values: Any) -> IssuedKey:
    """Return a new token of a connection."""
    with tenant_scope(tenant.organization), acting_as(SYSTEM):
        return create_scim_token(connection=connection, actor=SYSTEM, **{"name": "Sync", **values})


def expire_tokens(superuser: Any) -> None:
    """Let every token have ended a second ago."""
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute("UPDATE accounts_scimtoken SET expires_at = now() - interval '1 second'")


def _encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


def _parsed(content: bytes, request: str) -> Any:
    if not content:
        return None
    try:
        return json.loads(content)
    except ValueError:
        raise AssertionError(f"{request}: {content[:2000]!r} is no JSON") from None


def _check(answer: Answer, content: bytes, request: str, *, accept: str) -> None:
    """Assert what holds for every answer: RFC 7644 3.1, 3.12 and 8.1."""
    assert answer.status < 500, (request, answer)
    plain = "application/json" in accept and MEDIA not in accept
    if content:
        expected = "application/json" if plain else MEDIA
        assert answer.headers["Content-Type"].partition(";")[0] == expected, (request, answer)
    if answer.status in {204, 304}:
        assert not content, request
    if answer.status < 400 or request.startswith("HEAD"):
        return
    assert answer.json["schemas"] == [ERROR], (request, answer)
    assert answer.json["status"] == str(answer.status), (request, answer)
    assert answer.json["detail"], (request, answer)
    assert not [word for word in _DATABASE_TALK if word in answer.json["detail"]], answer
    if answer.status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer"), (request, answer)
