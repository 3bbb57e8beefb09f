"""/api/v1/organizations/{organization}/personal-keys: everybody's own, nobody else's."""

import pytest

from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.services.members import change_role, remove_member
from tests.accounts.api.stage import accepted, organization_key, with_key
from tests.api.calls import by
from tests.people import Tenant

MINE = "/organizations/acme/personal-keys"
BODY = {"name": "Laptop", "scopes": ["traces:read", "members:read"]}


def test_a_stranger_makes_and_finds_none(acme: Tenant, globex: Tenant) -> None:
    made = by(acme.viewer).post(MINE, BODY).json()
    stranger = by(globex.owner)
    for method, path in (("GET", ""), ("POST", ""), ("GET", f"/{made['id']}"), ("POST", f"/{made['id']}/rotate")):
        assert stranger(method, MINE + path, BODY if method == "POST" and not path else None).status_code == 404
        own = MINE.replace("acme", "globex") + path
        assert path == "" or stranger(method, own).status_code == 404


def test_no_other_role_reaches_somebodys_key_here(acme: Tenant) -> None:
    made = by(acme.viewer).post(MINE, BODY).json()
    owner = by(acme.owner)
    assert owner.get(MINE).json()["data"] == []
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/revoke")):
        body: dict[str, str] | None = {} if method in {"PATCH", "POST"} else None
        assert owner(method, f"{MINE}/{made['id']}{path}", body).status_code == 404
    assert accepted(made["secret"])


def test_a_member_makes_uses_changes_rotates_and_ends_their_own(acme: Tenant) -> None:
    viewer = by(acme.viewer)
    made = viewer.post(MINE, BODY)
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    address = f"{MINE}/{made.json()['id']}"
    assert made.json()["user"]["email"] == acme.viewer.email
    assert with_key(made.json()["secret"]).get("/organizations/acme/members").status_code == 200
    assert viewer.patch(address, {"note": "Blue"}, if_match=viewer.get(address)["ETag"]).json()["note"] == "Blue"
    rotated = viewer.post(f"{address}/rotate").json()
    assert [accepted(secret) for secret in (made.json()["secret"], rotated["secret"])] == [False, True]
    assert viewer.post(f"{address}/revoke", {"reason": "Lost"}).json()["revocation_reason"] == "Lost"
    assert not accepted(rotated["secret"])
    assert [one["state"] for one in viewer.get(f"{MINE}?state=revoked").json()["data"]] == ["revoked"]
    second = viewer.post(MINE, BODY).json()
    assert viewer.delete(f"{MINE}/{second['id']}").status_code == 204


def test_it_allows_what_its_person_may_now(acme: Tenant) -> None:
    made = by(acme.viewer).post(MINE, BODY).json()
    members = "/organizations/acme/members"
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        change_role(membership=acme.membership("viewer"), role=acme.role("none"), actor=SYSTEM)
    assert with_key(made["secret"]).get(members).status_code == 403
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        remove_member(membership=acme.membership("viewer"), actor=SYSTEM)
    assert not accepted(made["secret"])


def test_nobody_gives_themselves_more(acme: Tenant) -> None:
    refused = by(acme.viewer).post(MINE, BODY | {"scopes": ["traces:write"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "above_own_permissions")
    assert by(acme.people["none"]).post(MINE, BODY).status_code == 403


def test_an_owner_sees_and_revokes_but_neither_changes_nor_rotates_it(acme: Tenant) -> None:
    made = by(acme.viewer).post(MINE, BODY).json()
    owner, address = by(acme.owner), f"/organizations/acme/api-keys/{made['id']}"
    assert owner.get(address).json()["kind"] == "personal"
    for response in (owner.patch(address, {"name": "Ours"}), owner.post(f"{address}/rotate")):
        assert (response.status_code, response.json()["code"]) == (403, "not_yours")
    assert owner.post(f"{address}/revoke").status_code == 200
    assert not accepted(made["secret"])


@pytest.mark.parametrize("kind", ["organization", "personal"])
def test_a_key_has_no_keys_of_its_own(kind: str, acme: Tenant) -> None:
    secret = organization_key(acme, "traces:read", "api_keys:manage").secret
    if kind == "personal":
        secret = by(acme.owner).post(MINE, BODY).json()["secret"]
    caller = with_key(secret)
    assert caller.get(MINE).json()["data"] == []
    refused = caller.post(MINE, BODY)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_yours")
