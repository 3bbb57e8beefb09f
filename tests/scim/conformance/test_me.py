"""/Me: RFC 7644 3.11. A person with a personal key is themselves; a SCIM token is nobody."""

from accounts.key_format import KeyKind
from accounts.services.key_rules import IssuedKey
from tests.accounts.api.stage import make_key
from tests.people import Tenant
from tests.scim.stage import Scim, operation, patch, refused, where


def key_of(tenant: Tenant, person: str) -> IssuedKey:
    return make_key(tenant, "traces:read", kind=KeyKind.PERSONAL, user=tenant.people[person], project=None)


def test_a_person_reads_their_own_user(acme: Tenant, scim: Scim) -> None:
    mine = scim.user("member")
    group = scim.group("Engineers", mine)
    me = Scim(key_of(acme, "member").secret)
    answer = me.get("/Me")
    assert (answer.status, answer.json["id"]) == (200, mine["id"])
    assert answer.json == scim.read(mine)
    assert answer.json["groups"][0]["value"] == group["id"]
    assert answer.json["meta"]["location"] == mine["meta"]["location"]


def test_a_person_without_a_scim_user(acme: Tenant, scim: Scim) -> None:
    refused(Scim(key_of(acme, "viewer").secret).get("/Me"), 404)


def test_a_person_reads_and_changes_nothing_else(acme: Tenant, scim: Scim) -> None:
    mine = scim.user("owner")
    me = Scim(key_of(acme, "owner").secret)
    for path in ("/Users", "/Groups", where(mine), where(scim.seed)):
        assert me.get(path).status in {401, 403}
    assert me.delete(where(scim.seed)).status in {401, 403}
    answer = me.patch("/Me", patch(operation("replace", "userName", "other@acme.example")))
    assert answer.status in {401, 403, 405}
    assert me.delete("/Me").status in {401, 403, 405}
    assert scim.read(mine)["userName"] == "owner@acme.example"


def test_a_token_is_nobody(scim: Scim) -> None:
    answer = scim.get("/Me")
    assert 400 <= answer.status < 500
    assert answer.status != 401


def test_other_kinds_of_keys_are_nobody(acme: Tenant, scim: Scim) -> None:
    for issued in (
        make_key(acme, "traces:write"),
        make_key(acme, "members:read", kind=KeyKind.ORGANIZATION, project=None),
    ):
        assert 400 <= Scim(issued.secret).get("/Me").status < 500
        assert Scim(issued.secret).get("/Users").status in {401, 403}


def test_a_revoked_persons_key_is_refused(acme: Tenant, scim: Scim) -> None:
    mine = scim.user("member")
    me = Scim(key_of(acme, "member").secret)
    assert me.get("/Me").status == 200
    scim.change(mine, operation("replace", "active", value=False))
    refused(me.get("/Me"), 401)
