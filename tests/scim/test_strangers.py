"""A token of one organization sees, counts and changes nothing of another, whatever it names."""

import re
from typing import Any

import pytest

from accounts.models import ScimConnection
from tests.people import Tenant
from tests.scim import held
from tests.scim.stage import (
    ENTERPRISE,
    NOBODY,
    SEARCH_REQUEST,
    Scim,
    bulk,
    connection_of,
    group_body,
    operation,
    patch,
    references,
    refused,
    token_of,
    user_body,
    where,
)
from tests.tenants.stage import events


@pytest.fixture
def group(scim: Scim) -> dict[str, Any]:
    """Return a group of acme with a member."""
    return scim.group("Engineers", scim.seed)


@pytest.fixture(autouse=True)
def nothing_changes(acme: Tenant, scim: Scim, group: dict[str, Any]) -> Any:
    """Assert that after each test acme is as it was, without a new event."""
    before = scim.everything(), held.active_members(acme), held.groups(acme), changes(acme)
    yield
    assert (scim.everything(), held.active_members(acme), held.groups(acme), changes(acme)) == before


def changes(acme: Tenant) -> int:
    """Return how many events acme has, those of new connections and tokens aside."""
    return len([event for event in events(acme) if not event.action.startswith(("scim_connection.", "scim_token."))])


def twin(resource: dict[str, Any]) -> str:
    """Return where the resource would be, were its id one of the other kind."""
    return f"/{'Groups' if resource['meta']['resourceType'] == 'User' else 'Users'}/{resource['id']}"


_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def nothing_of_acme(text: Any) -> None:
    """Assert that an answer names nothing of acme's beside what was asked."""
    said = _ID.sub("", str(text))  # an id may spell a name by chance
    assert not [word for word in ("acme", "ada", "Ada Hopper", "Engineers") if word in said], text


@pytest.mark.parametrize("kind", ["user", "group"])
def test_every_method_on_every_id_is_404(scim: Scim, other_scim: Scim, group: dict[str, Any], kind: str) -> None:
    theirs = scim.seed if kind == "user" else group
    version = theirs["meta"]["version"]
    rename = patch(operation("replace", "displayName", "Hacked"))
    for path in (where(theirs), twin(theirs), f"{where(theirs)}/", f"{where(theirs)}?attributes=id"):
        body = user_body("hacked") if path.startswith("/Users") else group_body("Hacked")
        for answer in (
            other_scim.get(path),
            other_scim.get(path, headers={"If-None-Match": version}),
            other_scim.put(path, body),
            other_scim.put(path, body, If_Match=version),
            other_scim.patch(path, rename),
            other_scim.patch(path, rename, If_Match="*"),
            other_scim.delete(path),
            other_scim.delete(path, If_Match=version),
        ):
            refused(answer, 404)
            nothing_of_acme(answer.json["detail"])


@pytest.mark.parametrize("kind", ["user", "group"])
def test_a_wrong_body_tells_nothing_either(scim: Scim, other_scim: Scim, group: dict[str, Any], kind: str) -> None:
    theirs = scim.seed if kind == "user" else group
    path, nowhere = where(theirs), where({**theirs, "id": NOBODY})
    bodies: list[Any] = [{"nonsense": True}, patch(operation("remove")), patch(operation("replace", "id", "x")), []]
    for body in bodies:
        for method in (other_scim.put, other_scim.patch):
            one, other = method(path, body), method(nowhere, body)
            assert one.status in {400, 404}
            assert (one.status, one.json.get("scimType")) == (other.status, other.json.get("scimType"))
            nothing_of_acme(one.json["detail"])


def test_an_id_of_theirs_and_one_of_nobody_get_the_same_answer(scim: Scim, other_scim: Scim) -> None:
    nobody = scim.seed["id"][:-4] + ("0000" if not scim.seed["id"].endswith("0000") else "1111")
    one, other = other_scim.get(where(scim.seed)), other_scim.get(f"/Users/{nobody}")
    assert str(one.json).replace(scim.seed["id"], "ID") == str(other.json).replace(nobody, "ID")


@pytest.mark.parametrize(
    "query",
    [
        'id eq "USER"',
        'userName eq "ada@acme.example"',
        'userName co "acme"',
        'externalId eq "ext-ada"',
        'emails.value eq "ada@acme.example"',
        'emails[type eq "work"].value ew "acme.example"',
        'groups.value eq "GROUP"',
        'groups eq "GROUP"',
        'groups.display eq "Engineers"',
        'name.givenName eq "Ada"',
        'id eq "USER" or displayName eq "Ada Hopper"',
        'not (userName eq "hank@globex.example")',
        'id ne "OWN"',
        "groups pr",
        f'{ENTERPRISE}:manager.value eq "USER"',
        'meta.location co "USER"',
    ],
)
def test_no_filter_finds_a_user(scim: Scim, other_scim: Scim, group: dict[str, Any], query: str) -> None:
    query = query.replace("USER", scim.seed["id"]).replace("GROUP", group["id"]).replace("OWN", other_scim.seed["id"])
    answers = [other_scim.get("/Users", filter=query), other_scim.get("/Users", filter=query, count=0)]
    answers.append(other_scim.post("/Users/.search", {"schemas": [SEARCH_REQUEST], "filter": query}))
    answers.append(other_scim.get("/Users", filter=query, cursor=""))
    for answer in answers:
        assert answer.status in {200, 400}
        if answer.status == 200:
            assert (answer.json["totalResults"], answer.json.get("Resources", [])) == (0, []), query


@pytest.mark.parametrize(
    "query",
    [
        'id eq "GROUP"',
        'displayName eq "Engineers"',
        'members eq "USER"',
        'members.value eq "USER"',
        'members[value eq "USER"]',
        'id eq "GROUP" and members eq "USER"',
        "displayName pr",
        'members.display co "Ada"',
        'not (displayName eq "x")',
    ],
)
def test_no_filter_finds_a_group(scim: Scim, other_scim: Scim, group: dict[str, Any], query: str) -> None:
    query = query.replace("USER", scim.seed["id"]).replace("GROUP", group["id"])
    for answer in (
        other_scim.get("/Groups", filter=query),
        other_scim.get("/Groups", filter=query, excludedAttributes="members"),
        other_scim.post("/Groups/.search", {"schemas": [SEARCH_REQUEST], "filter": query}),
    ):
        assert answer.status in {200, 400}
        if answer.status == 200:
            assert (answer.json["totalResults"], answer.json.get("Resources", [])) == (0, []), query


def test_no_list_and_no_count(other_scim: Scim) -> None:
    for path, total in (("/Users", 1), ("/Groups", 0)):
        for query in ({}, {"count": 0}, {"startIndex": 2}, {"count": 1000}, {"sortBy": "id"}, {"cursor": ""}):
            answer = other_scim.get(path, **query)
            assert answer.json["totalResults"] == total
            nothing_of_acme(answer.json)
    everything = other_scim.post("/.search", {"schemas": [SEARCH_REQUEST]})
    assert everything.json["totalResults"] == 1
    nothing_of_acme(everything.json)


@pytest.mark.parametrize("form", ["object", "text", "reference"])
def test_no_foreign_member(globex: Tenant, scim: Scim, other_scim: Scim, group: dict[str, Any], form: str) -> None:
    mine = other_scim.group("Mine", other_scim.seed)
    for theirs in (scim.seed, group):
        value: Any = {
            "object": [{"value": theirs["id"]}],
            "text": [theirs["id"]],
            "reference": [{"value": theirs["id"], "$ref": theirs["meta"]["location"], "type": "User"}],
        }[form]
        for answer in (
            other_scim.patch(where(mine), patch(operation("add", "members", value))),
            other_scim.patch(where(mine), patch(operation("replace", "members", references(other_scim.seed) + value))),
            other_scim.patch(where(mine), patch(operation("add", value={"members": value}))),
            other_scim.put(where(mine), group_body("Mine") | {"members": value}),
            other_scim.post("/Groups", group_body("Second") | {"members": value}),
        ):
            assert answer.status in {400, 404}, answer
            nothing_of_acme(answer.json["detail"])
        gone = other_scim.patch(where(mine), patch(operation("remove", f'members[value eq "{theirs["id"]}"]')))
        assert gone.status in {204, 400}
    assert held.groups(globex) == {"Mine": {"hank@globex.example"}}
    assert other_scim.members(mine) == {other_scim.seed["id"]}


def test_no_foreign_manager_is_looked_up(scim: Scim, other_scim: Scim) -> None:
    answer = other_scim.patch(where(other_scim.seed), patch(operation("Add", f"{ENTERPRISE}:manager", scim.seed["id"])))
    assert answer.status in {200, 400}
    nothing_of_acme(str(answer.json))


def test_no_bulk_operation(scim: Scim, other_scim: Scim, group: dict[str, Any]) -> None:
    operations = [
        {"method": method, "path": path, "data": data}
        for path, body in ((where(scim.seed), user_body("hacked")), (where(group), group_body("Hacked")))
        for method, data in (
            ("PUT", body),
            ("PATCH", patch(operation("replace", "displayName", "Hacked"))),
            ("DELETE", None),
        )
    ]
    group_post = {"method": "POST", "path": "/Groups", "bulkId": "g", "data": group_body("Mine", scim.seed)}
    answer = other_scim.post("/Bulk", bulk(*operations, group_post))
    assert answer.status == 200
    assert [one["status"] for one in answer.json["Operations"][:-1]] == ["404"] * 6
    assert answer.json["Operations"][-1]["status"] in {"400", "404"}
    nothing_of_acme([one["response"]["detail"] for one in answer.json["Operations"]])


def test_no_cursor(scim: Scim, other_scim: Scim) -> None:
    for path in ("/Users", "/Groups"):
        for number in range(3):
            if path == "/Users":
                other_scim.user(f"user{number}", domain="globex.example")
        cursor = other_scim.get("/Users", cursor="", count=1).json["nextCursor"]
        answer = scim.get(path, cursor=cursor, count=100)
        assert "globex" not in str(answer.json)
        assert answer.status == 400 or answer.json["totalResults"] == 1


def test_a_taken_name_elsewhere_is_free_and_silent(acme: Tenant, other_scim: Scim) -> None:
    created = other_scim.post("/Users", user_body("ada"))
    assert created.status == 201
    assert other_scim.post("/Groups", group_body("Engineers")).status == 201
    for path in ("/Users", "/Groups"):
        other_scim.get(path)
    other_scim.change(created.json, operation("replace", "active", value=False))
    assert other_scim.delete(where(created.json)).status == 204
    assert held.is_member(acme, "ada@acme.example")


def test_another_connection_of_the_same_organization(
    acme: Tenant, connection: ScimConnection, scim: Scim, group: dict[str, Any]
) -> None:
    second = Scim(token_of(acme, connection_of(acme, "Entra ID")).secret)
    assert second.get("/Users").json["totalResults"] == 0
    assert second.get("/Groups").json["totalResults"] == 0
    for resource in (scim.seed, group):
        refused(second.get(where(resource)), 404)
        refused(second.delete(where(resource)), 404)
