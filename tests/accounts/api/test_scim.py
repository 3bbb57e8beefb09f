"""/api/v1/organizations/{organization}/scim: connections, tokens, provisioned users and recent requests."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import ScimConnection
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.models import Group
from tenants.services.domains import confirm_domain
from tests.accounts.api.stage import organization_key, with_key
from tests.api.calls import by, fresh_key
from tests.people import Tenant
from tests.scim.stage import Scim, connection_of, refused, token_of, user_body
from tests.tenants.stage import events

CONNECTIONS = "/organizations/acme/scim/connections"
TOMORROW = timedelta(days=1)


@pytest.fixture
def connection(acme: Tenant) -> ScimConnection:
    return connection_of(acme, "Okta")


@pytest.fixture
def scim(acme: Tenant, connection: ScimConnection) -> Scim:
    """Return acme's identity provider; acme's domain is verified."""
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        confirm_domain(organization=acme.organization, name="acme.example", reason="Known to us", actor=SYSTEM)
    return Scim(token_of(acme, connection).secret)


@pytest.fixture
def address(connection: ScimConnection) -> str:
    return f"{CONNECTIONS}/{connection.pk}"


def test_a_stranger_finds_none(acme: Tenant, globex: Tenant, connection: ScimConnection, address: str) -> None:
    token = token_of(acme, connection)
    key = with_key(organization_key(globex, "scim:read", "scim:manage").secret)
    paths = [
        ("GET", address),
        ("PATCH", address),
        ("DELETE", address),
        ("GET", f"{address}/tokens"),
        ("POST", f"{address}/tokens"),
        ("GET", f"{address}/tokens/{token.key.pk}"),
        ("POST", f"{address}/tokens/{token.key.pk}/revoke"),
        ("GET", f"{address}/users"),
        ("GET", f"{address}/requests"),
    ]
    bodies = {"PATCH": {"name": "Theirs"}, "POST": {}}
    for caller in (by(globex.owner), key):
        assert caller.get(CONNECTIONS).status_code == 404
        assert caller.get(CONNECTIONS.replace("acme", "globex")).json()["data"] == []
        for method, path in paths:
            body = {"name": "Theirs"} if path.endswith("tokens") and method == "POST" else bodies.get(method)
            assert caller(method, path, body).status_code == 404
            assert caller(method, path.replace("acme", "globex"), body).status_code == 404, (method, path)
    assert Scim(token.secret).get("/Users").status == 200


def test_a_role_of_another_organization_is_none(acme: Tenant, globex: Tenant) -> None:
    with tenant_scope(globex.organization):
        foreign = str(globex.role("viewer").pk)
    response = by(acme.owner).post(CONNECTIONS, {"name": "Okta", "role": foreign})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "#/role")


def test_a_connection_is_made_changed_and_deleted(acme: Tenant) -> None:
    owner = by(acme.owner)
    made = owner.post(CONNECTIONS, {"name": "Okta", "provider": "okta", "role": "viewer"})
    assert made.status_code == 201
    address = made["Location"].removeprefix("/api/v1")
    shown = made.json()
    assert (shown["provider"], shown["role"]["key"]) == ("okta", "viewer")
    assert shown["base_url"].endswith("/scim/v2")
    assert shown["token_endpoint"] == f"{shown['base_url']}/oauth2/token"
    seen = owner.get(address)["ETag"]
    changed = owner.patch(address, {"role": None}, if_match=seen).json()
    assert (changed["name"], changed["provider"], changed["role"]) == ("Okta", "okta", None)
    assert owner.patch(address, {"name": "Late"}, if_match=seen).status_code == 412
    assert owner.post(CONNECTIONS, {"name": "okta"}).json()["code"] == "duplicate"
    assert [one["name"] for one in owner.get(f"{CONNECTIONS}?provider=okta").json()["data"]] == ["Okta"]
    assert owner.get(f"{CONNECTIONS}?name=Entra").json()["data"] == []
    assert owner.delete(address).status_code == 204
    assert owner.get(address).status_code == 404
    told = [event.action for event in events(acme) if event.action.startswith("scim_connection.")]
    assert told == ["scim_connection.created", "scim_connection.updated", "scim_connection.deleted"]


def test_owner_is_no_role_of_new_people(acme: Tenant) -> None:
    response = by(acme.owner).post(CONNECTIONS, {"name": "Okta", "role": "owner"})
    assert (response.status_code, response.json()["code"]) == (422, "owner_by_default")


def test_a_token_from_creation_to_its_end(acme: Tenant, address: str) -> None:
    owner, body = by(acme.owner), {"name": "First", "expires_at": (timezone.now() + TOMORROW).isoformat()}
    made = owner.post(f"{address}/tokens", body)
    assert made.status_code == 201
    assert made["Cache-Control"] == "no-store"
    shown = made.json()
    secret = shown.pop("secret")
    assert Scim(secret).get("/Users").status == 200
    one = owner.get(made["Location"].removeprefix("/api/v1"))
    used = {"last_used_at", "last_used_ip"}
    assert {name: one.json()[name] for name in one.json().keys() - used} == {
        name: shown[name] for name in shown.keys() - used
    }
    listed = owner.get(f"{address}/tokens?state=active")
    assert [token["id"] for token in listed.json()["data"]] == [shown["id"]]
    assert secret not in one.content.decode() + listed.content.decode()
    ended = owner.post(f"{address}/tokens/{shown['id']}/revoke", {"reason": "Replaced"}).json()
    assert (ended["state"], ended["revocation_reason"]) == ("revoked", "Replaced")
    refused(Scim(secret).get("/Users"), 401)
    again = owner.post(f"{address}/tokens/{shown['id']}/revoke", {})
    assert (again.status_code, again.json()["code"]) == (409, "already_revoked")
    assert owner.get(f"{address}/tokens?state=active").json()["data"] == []
    assert [token["state"] for token in owner.get(f"{address}/tokens").json()["data"]] == ["revoked"]
    (event,) = events(acme, "scim_token.revoked")
    assert (event.reason, event.via) == ("Replaced", "api")


def test_a_repeated_request_shows_the_same_secret_and_makes_one_token(acme: Tenant, address: str) -> None:
    owner, key = by(acme.owner), fresh_key()
    first = owner.post(f"{address}/tokens", {"name": "Sync"}, idempotency_key=key)
    second = owner.post(f"{address}/tokens", {"name": "Sync"}, idempotency_key=key)
    assert (first.status_code, second.content) == (201, first.content)
    assert second["Idempotent-Replayed"] == "true"
    assert len(owner.get(f"{address}/tokens").json()["data"]) == 1
    assert by(acme.viewer).post(f"{address}/tokens", {"name": "Sync"}, idempotency_key=key).status_code == 403


def test_a_token_is_reached_through_its_own_connection_only(acme: Tenant, connection: ScimConnection) -> None:
    token, other = token_of(acme, connection), connection_of(acme, "Entra")
    owner = by(acme.owner)
    assert owner.get(f"{CONNECTIONS}/{other.pk}/tokens/{token.key.pk}").status_code == 404
    assert owner.post(f"{CONNECTIONS}/{other.pk}/tokens/{token.key.pk}/revoke", {}).status_code == 404
    assert owner.get(f"{CONNECTIONS}/{other.pk}/tokens").json()["data"] == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/name"),
        ({"name": "x", "allowed_networks": ["everywhere"]}, "#/allowed_networks"),
        ({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
        ({"name": "x", "secret": "guessed"}, "#/secret"),
        ({"name": "x", "scopes": []}, "#/scopes"),
    ],
)
def test_what_is_refused_is_named(body: Any, pointer: str, acme: Tenant, address: str) -> None:
    response = by(acme.owner).post(f"{address}/tokens", body)
    assert response.json()["errors"][0]["pointer"].startswith(pointer)
    assert by(acme.owner).get(f"{address}/tokens").json()["data"] == []


def test_who_was_provisioned(acme: Tenant, connection: ScimConnection, scim: Scim, address: str) -> None:
    ada = scim.user("ada")
    waiting = scim.user("grace", domain="elsewhere.example")
    gone = scim.user("alan", active=False)
    connection_of(acme, "Entra")
    owner = by(acme.owner)
    listed = {one["id"]: one for one in owner.get(f"{address}/users").json()["data"]}
    assert {pk: one["state"] for pk, one in listed.items()} == {
        ada["id"]: "member",
        waiting["id"]: "waiting",
        gone["id"]: "inactive",
    }
    for state, resource in (("member", ada), ("waiting", waiting), ("inactive", gone)):
        found = owner.get(f"{address}/users?state={state}").json()["data"]
        assert [one["id"] for one in found] == [resource["id"]]
    shown = listed[ada["id"]]
    assert (shown["user_name"], shown["external_id"], shown["email"]) == (
        "ada@acme.example",
        "ext-ada",
        "ada@acme.example",
    )
    assert owner.get(f"/organizations/acme/members/{shown['member']}").json()["user"]["email"] == "ada@acme.example"
    assert listed[waiting["id"]]["member"] is None
    assert owner.get(f"{address}/users?external_id=ext-alan").json()["data"][0]["id"] == gone["id"]


def test_what_was_asked_lately(acme: Tenant, scim: Scim, address: str) -> None:
    scim.user("ada")
    refused(scim.post("/Users", user_body("ada")), 409, "uniqueness")
    owner = by(acme.owner)
    failed, worked = owner.get(f"{address}/requests").json()["data"]
    assert (failed["status"], failed["failed"], failed["scim_type"]) == (409, True, "uniqueness")
    assert (worked["status"], worked["failed"], worked["detail"]) == (201, False, "")
    assert "gatesk_" not in str((failed, worked))
    assert owner.get(f"{address}/requests?failed=true").json()["data"] == [failed]
    assert owner.get(f"{address}/requests?failed=false").json()["data"] == [worked]
    assert owner.get(f"{address}/requests?request_id={failed['request_id']}").json()["data"] == [failed]
    assert events(acme, "provisioned_user.created")[0].request_id == worked["request_id"]


def test_owner_by_a_group_takes_a_provisioned_group_and_a_word(acme: Tenant, scim: Scim) -> None:
    scim.group("Founders", scim.user("ada"))
    owner = by(acme.owner)
    by_hand = owner.post("/organizations/acme/groups", {"name": "Friends"}).json()["id"]
    with tenant_scope(acme.organization):
        founders = Group.objects.get(name="Founders").pk

    def give(group: Any, **body: Any) -> tuple[int, str]:
        response = owner.post(f"/organizations/acme/groups/{group}/roles", {"role": "owner", **body})
        return response.status_code, response.json().get("code", "")

    assert give(by_hand, allow_owner=True) == (422, "owner_by_group")
    assert give(founders, allow_owner=True, project="chatbot") == (422, "owner_by_group")
    assert give(founders) == (422, "owner_not_allowed")
    admin = by(acme.admin).post(f"/organizations/acme/groups/{founders}/roles", {"role": "owner", "allow_owner": True})
    assert admin.json()["code"] == "above_own_permissions"
    assert give(founders, allow_owner=True) == (201, "")


def test_a_provisioned_group_is_changed_by_its_identity_provider(acme: Tenant, scim: Scim) -> None:
    scim.group("Engineers", scim.user("ada"))
    owner = by(acme.owner)
    (group,) = owner.get("/organizations/acme/groups?name=Engineers").json()["data"]
    assert group["source"] == "scim"
    answer = owner.patch(f"/organizations/acme/groups/{group['id']}", {"name": "Makers"})
    assert (answer.status_code, answer.json()["code"]) == (422, "managed_by_scim")
