"""T1: a token of one organization on the ids of another. tests/scim/test_strangers.py has the long list."""

import pytest

from tests.scim.stage import Scim, operation, patch, references, refused, user_body, where


@pytest.mark.parametrize("kind", ["user", "group"])
def test_t1_another_organizations_resource_does_not_exist(scim: Scim, other_scim: Scim, kind: str) -> None:
    theirs = scim.seed if kind == "user" else scim.group("Engineers", scim.seed)
    before = scim.read(theirs)
    refused(other_scim.get(where(theirs)), 404)
    refused(other_scim.put(where(theirs), {**theirs, "displayName": "Mine"}), 404)
    refused(other_scim.patch(where(theirs), patch(operation("replace", "displayName", "Mine"))), 404)
    refused(other_scim.delete(where(theirs)), 404)
    assert scim.read(theirs) == before


def test_t1_filters_and_counts_tell_nothing(scim: Scim, other_scim: Scim) -> None:
    scim.group("Engineers", scim.seed)
    assert other_scim.get("/Users").json["totalResults"] == 1
    assert other_scim.get("/Groups").json["totalResults"] == 0
    for query in (f'id eq "{scim.seed["id"]}"', 'userName eq "ada@acme.example"', 'externalId eq "ext-ada"'):
        assert other_scim.found(query) == []


def test_t1_no_foreign_member(scim: Scim, other_scim: Scim) -> None:
    group = other_scim.group("Engineers", other_scim.seed)
    for op in ("add", "replace"):
        answer = other_scim.patch(where(group), patch(operation(op, "members", references(scim.seed))))
        assert answer.status in {400, 404}
    assert other_scim.members(group) == {other_scim.seed["id"]}


def test_t1_a_user_name_is_free_in_every_organization(scim: Scim, other_scim: Scim) -> None:
    assert other_scim.post("/Users", user_body("ada")).status == 201
