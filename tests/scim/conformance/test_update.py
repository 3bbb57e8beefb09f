"""U1 to U18: how identity providers change users."""

from typing import Any

import pytest

from tests.scim.stage import (
    ENTERPRISE,
    NOBODY,
    PATCH_OP,
    USER,
    Scim,
    is_full,
    operation,
    patch,
    refused,
    unchanged,
    user_body,
    where,
    without_meta,
)


def patched(scim: Scim, *operations: dict[str, Any]) -> dict[str, Any]:
    """Return the seed after a PATCH; the answer is 200 with exactly that (conflict 5)."""
    answer = scim.patch(where(scim.seed), patch(*operations))
    assert answer.status == 200, answer
    is_full(answer.json, "User")
    assert answer.json == scim.read(scim.seed)
    return dict(answer.json)


def test_u1_okta_deactivates_without_a_path(scim: Scim) -> None:
    assert patched(scim, operation("replace", value={"active": False}))["active"] is False
    assert patched(scim, operation("replace", value={"active": True}))["active"] is True


def test_u2_the_whole_resource_is_put_back(scim: Scim) -> None:
    read = scim.read(scim.seed)
    group = scim.group("Engineers", read)
    body = scim.read(read) | {"active": False, "name": {"givenName": "Ada", "familyName": "Lovelace"}}
    put = scim.replaced(body)
    is_full(put, "User")
    assert put["active"] is False
    assert put["name"] == {"givenName": "Ada", "familyName": "Lovelace"}
    assert put["id"] == read["id"]
    assert put["meta"]["created"] == read["meta"]["created"]
    assert put["meta"]["version"] != read["meta"]["version"]
    assert put == scim.read(read)
    assert scim.members(group) == {read["id"]}


def test_u2_read_only_attributes_in_the_body_are_ignored(scim: Scim) -> None:
    meta = {"resourceType": "Group", "created": "1999-01-01T00:00:00Z", "version": "x", "location": "nowhere"}
    body = user_body("ada") | {"id": NOBODY, "meta": meta, "groups": [{"value": NOBODY}]}
    answer = scim.put(where(scim.seed), body)
    assert answer.status == 200
    is_full(answer.json, "User")
    assert answer.json["id"] == scim.seed["id"]
    assert answer.json["meta"]["created"] == scim.seed["meta"]["created"]


def test_u2_what_a_put_leaves_out_is_cleared(scim: Scim) -> None:
    scim.change(scim.seed, operation("add", value={"title": "Countess", ENTERPRISE: {"department": "Mathematics"}}))
    put = scim.put(where(scim.seed), user_body("ada", without=("name", "displayName"))).json
    assert not {"title", "name", "displayName", ENTERPRISE} & put.keys()
    assert put["schemas"] == [USER]
    assert without_meta(put) == user_body("ada", without=("name", "displayName"))


BOOLEANS = [("False", False), ("false", False), ("FALSE", False), ("True", True), ("true", True)]


@pytest.mark.parametrize(("value", "active"), BOOLEANS)
@pytest.mark.parametrize("op", ["Replace", "replace", "REPLACE"])
def test_u3_entra_replaces_active_by_a_string(scim: Scim, op: str, value: str, active: bool) -> None:
    scim.change(scim.seed, operation("replace", "active", not active))
    assert patched(scim, operation(op, "active", value))["active"] is active


@pytest.mark.parametrize(("value", "active"), BOOLEANS)
def test_u4_entra_adds_active_by_a_string(scim: Scim, value: str, active: bool) -> None:
    scim.change(scim.seed, operation("replace", "active", not active))
    assert patched(scim, operation("Add", "active", value))["active"] is active


def test_u5_the_work_address_is_replaced(scim: Scim) -> None:
    user = patched(scim, operation("Replace", 'emails[type eq "work"].value', "countess@acme.example"))
    assert user["emails"] == [{"primary": True, "type": "work", "value": "countess@acme.example"}]


@pytest.mark.parametrize("op", ["Replace", "Add"])
def test_u5_a_work_address_is_created_where_there_is_none(scim: Scim, op: str) -> None:
    home = {"type": "home", "value": "ada@home.example"}
    scim.change(scim.seed, operation("replace", "emails", [home]))
    user = patched(scim, operation(op, 'emails[type eq "work"].value', "ada@acme.example"))
    assert user["emails"] == [home, {"type": "work", "value": "ada@acme.example"}]


@pytest.mark.parametrize("op", ["Add", "Replace"])
def test_u6_phones_and_addresses_are_created_on_a_miss(scim: Scim, op: str) -> None:
    user = patched(
        scim,
        operation(op, 'phoneNumbers[type eq "mobile"].value', "+44 20 7946 0000"),
        operation(op, 'addresses[type eq "work"].postalCode', "SW1Y 4LE"),
        operation(op, 'addresses[type eq "work"].country', "GB"),
    )
    assert user["phoneNumbers"] == [{"type": "mobile", "value": "+44 20 7946 0000"}]
    assert user["addresses"] == [{"type": "work", "postalCode": "SW1Y 4LE", "country": "GB"}]


def test_u7_simple_paths_are_replaced(scim: Scim) -> None:
    user = patched(
        scim,
        operation("Replace", "name.familyName", "Lovelace"),
        operation("Replace", "displayName", "Ada Lovelace"),
        operation("Replace", "externalId", "new-EXT"),
        operation("Replace", "userName", "lovelace@acme.example"),
    )
    assert user["name"] == {"givenName": "Ada", "familyName": "Lovelace"}
    assert (user["displayName"], user["externalId"]) == ("Ada Lovelace", "new-EXT")
    assert user["userName"] == "lovelace@acme.example"
    assert scim.found('userName eq "ada@acme.example"') == []
    assert scim.found('externalId eq "new-EXT"') == [user]


@pytest.mark.parametrize("name", ["displayName", "title", "nickName", "DISPLAYNAME", f"{USER}:title"])
def test_u8_simple_paths_are_added(scim: Scim, name: str) -> None:
    user = patched(scim, operation("Add", name, "Countess"))
    stored = {"DISPLAYNAME": "displayName", f"{USER}:title": "title"}.get(name, name)
    assert user[stored] == "Countess"


def test_u9_dotted_and_qualified_keys_are_expanded(scim: Scim) -> None:
    user = patched(
        scim,
        operation(
            "replace",
            value={
                "displayName": "Ada King",
                "name.givenName": "Augusta",
                "name.familyName": "King",
                f"{ENTERPRISE}:employeeNumber": "1815",
                f"{ENTERPRISE}:department": "Mathematics",
                'emails[type eq "work"].value': "king@acme.example",
                "active": "False",
            },
        ),
    )
    assert user["displayName"] == "Ada King"
    assert user["name"] == {"givenName": "Augusta", "familyName": "King"}
    assert user[ENTERPRISE] == {"employeeNumber": "1815", "department": "Mathematics"}
    assert [email["value"] for email in user["emails"]] == ["king@acme.example"]
    assert user["active"] is False
    assert not [key for key in user if "." in key and key != ENTERPRISE]


@pytest.mark.parametrize(
    "path", [f"{ENTERPRISE}:department", f"{ENTERPRISE}.department", f"{ENTERPRISE.upper()}:Department"]
)
@pytest.mark.parametrize("op", ["Add", "Replace"])
def test_u10_an_enterprise_attribute(scim: Scim, op: str, path: str) -> None:
    user = patched(scim, operation(op, path, "Mathematics"))
    assert user[ENTERPRISE] == {"department": "Mathematics"}
    assert set(user["schemas"]) == {USER, ENTERPRISE}


def test_u10_the_extension_as_a_whole(scim: Scim) -> None:
    assert patched(scim, operation("add", ENTERPRISE, {"department": "X"}))[ENTERPRISE] == {"department": "X"}
    merged = patched(scim, operation("replace", value={ENTERPRISE: {"costCenter": "1"}}))
    assert merged[ENTERPRISE] == {"department": "X", "costCenter": "1"}
    assert ENTERPRISE not in patched(scim, operation("remove", ENTERPRISE))


@pytest.mark.parametrize("op", ["Add", "Replace"])
def test_u11_the_manager_is_an_id(scim: Scim, op: str) -> None:
    manager = scim.user("charles")
    user = patched(scim, operation(op, f"{ENTERPRISE}:manager", manager["id"]))
    assert user[ENTERPRISE]["manager"]["value"] == manager["id"]
    removed = patched(scim, operation("Remove", f"{ENTERPRISE}:manager"))
    assert "manager" not in removed.get(ENTERPRISE, {})


@pytest.mark.parametrize("value", [{"value": "ID"}, [{"value": "ID", "$ref": None}]])
def test_u11_the_manager_as_an_object(scim: Scim, value: Any) -> None:
    manager = scim.user("charles")
    first = value if isinstance(value, dict) else value[0]
    first["value"] = manager["id"]
    user = patched(scim, operation("Add", f"{ENTERPRISE}:manager", value))
    assert user[ENTERPRISE]["manager"]["value"] == manager["id"]


def test_removing_active_lets_nobody_back_in(scim: Scim) -> None:
    scim.change(scim.seed, operation("replace", "active", value=False))
    scim.change(scim.seed, operation("remove", "active"))
    assert scim.read(scim.seed)["active"] is False


def test_u12_a_complex_value_is_merged(scim: Scim) -> None:
    scim.change(scim.seed, operation("add", "name.honorificPrefix", "Countess"))
    user = patched(scim, operation("replace", value={"name": {"givenName": "Augusta", "familyName": "King"}}))
    assert user["name"] == {"givenName": "Augusta", "familyName": "King", "honorificPrefix": "Countess"}
    again = patched(scim, operation("replace", "name", {"givenName": "Ada"}))
    assert again["name"] == {"givenName": "Ada", "familyName": "King", "honorificPrefix": "Countess"}


@pytest.mark.parametrize("op", ["remove", "Remove"])
def test_u13_an_attribute_is_removed(scim: Scim, op: str) -> None:
    scim.change(scim.seed, operation("add", value={"title": "Countess", "nickName": "A"}))
    user = patched(
        scim, operation(op, "title"), operation(op, "name.givenName"), operation(op, 'emails[type eq "work"]')
    )
    assert "title" not in user
    assert user["nickName"] == "A"
    assert user["name"] == {"familyName": "Hopper"}
    assert not user.get("emails")


def test_u13_removing_what_is_not_there_is_no_error(scim: Scim) -> None:
    assert "title" not in patched(scim, operation("remove", "title"))


def test_u13_a_remove_without_path_is_refused(scim: Scim) -> None:
    for one in (operation("remove"), operation("remove", value={"title": "x"}), operation("Remove", "")):
        with unchanged(scim, scim.seed):
            refused(scim.patch(where(scim.seed), patch(one)), 400, "noTarget")


def test_u13_a_required_attribute_cannot_be_removed(scim: Scim) -> None:
    with unchanged(scim, scim.seed):
        answer = scim.patch(where(scim.seed), patch(operation("remove", "userName")))
        assert (answer.status, answer.json["scimType"] in {"mutability", "invalidValue"}) == (400, True)


@pytest.mark.parametrize("op", ["move", "copy", "", "test", "delete", "replacee", None, 5, ["add"], {"op": "add"}])
def test_u14_an_unknown_operation_is_refused(scim: Scim, op: Any) -> None:
    with unchanged(scim, scim.seed):
        refused(scim.patch(where(scim.seed), patch(operation(op, "title", "x"))), 400, "invalidSyntax")


@pytest.mark.parametrize(
    "path",
    [
        *(
            "noSuch",
            "name.noSuch",
            "emails[",
            "emails[type eq]",
            'emails[noSuch eq "x"].value',
            "emails[type eq work].no",
        ),
        *(
            "urn:nothing:title",
            f"{ENTERPRISE}:noSuch",
            f"{USER}:noSuch",
            "..",
            "title.x",
            "title title",
            "[]",
            "a" * 5000,
        ),
        *('title[value eq "x"]', "active.value", 'emails[type eq "work"].value.more', " ", "{}", "é"),
    ],
)
def test_u14_an_unknown_path_is_refused(scim: Scim, path: str) -> None:
    with unchanged(scim, scim.seed):
        for one in (operation("add", path, "x"), operation("replace", path, "x"), operation("remove", path)):
            answer = scim.patch(where(scim.seed), patch(one))
            assert answer.status == 400, answer
            assert answer.json["scimType"] in {"invalidPath", "noTarget", "invalidFilter"}, answer


@pytest.mark.parametrize(
    "body",
    [
        {"schemas": [PATCH_OP]},
        {"schemas": [PATCH_OP], "Operations": {}},
        {"schemas": [PATCH_OP], "Operations": "replace"},
        {"schemas": [PATCH_OP], "Operations": [None]},
        {"schemas": [PATCH_OP], "Operations": ["replace"]},
        {"schemas": [PATCH_OP], "Operations": [{}]},
        {"schemas": [PATCH_OP], "Operations": [{"path": "title", "value": "x"}]},
        [],
        None,
        "x",
    ],
)
def test_u14_what_is_no_patch_is_refused(scim: Scim, body: Any) -> None:
    with unchanged(scim, scim.seed):
        answer = scim.patch(where(scim.seed), body)
        assert answer.status == 400
        assert answer.json["scimType"] in {"invalidSyntax", "invalidValue"}


def test_u14_operations_in_lower_case_are_understood(scim: Scim) -> None:
    body = {"schemas": [PATCH_OP], "operations": [operation("replace", "title", "Countess")]}
    answer = scim.patch(where(scim.seed), body)
    assert answer.status == 400 or answer.json["title"] == "Countess"


@pytest.mark.parametrize(
    "one",
    [
        operation("replace", "id", NOBODY),
        operation("replace", "groups", [{"value": NOBODY}]),
        operation("add", "groups", [{"value": NOBODY}]),
        operation("remove", "groups"),
        operation("remove", "id"),
        operation("replace", "meta", {"created": "1999-01-01T00:00:00Z"}),
        operation("replace", "meta.created", "1999-01-01T00:00:00Z"),
        operation("replace", "meta.version", "x"),
    ],
)
def test_u15_read_only_attributes_cannot_be_changed(scim: Scim, one: dict[str, Any]) -> None:
    with unchanged(scim, scim.seed):
        refused(scim.patch(where(scim.seed), patch(one)), 400, "mutability")


def test_u15_the_own_id_without_path_is_ignored(scim: Scim) -> None:
    user = patched(scim, operation("replace", value={"id": scim.seed["id"], "title": "Countess"}))
    assert (user["id"], user["title"]) == (scim.seed["id"], "Countess")


@pytest.mark.parametrize(
    "second",
    [
        operation("replace", "noSuch", "x"),
        operation("replace", "id", NOBODY),
        operation("remove"),
        operation("fly", "title"),
        operation("replace", "active", "perhaps"),
        operation("replace", "userName", ""),
        operation("replace", "userName", "grace@acme.example"),
        operation("replace", "emails", "no list"),
    ],
)
def test_u16_nothing_is_applied_when_a_later_operation_is_refused(scim: Scim, second: dict[str, Any]) -> None:
    scim.user("grace")
    with unchanged(scim, scim.seed):
        answer = scim.patch(
            where(scim.seed),
            patch(operation("replace", "displayName", "Half"), operation("replace", "active", value=False), second),
        )
        assert answer.status in {400, 409}, answer


@pytest.mark.parametrize("name", ["grace@acme.example", "GRACE@ACME.EXAMPLE"])
def test_u17_a_taken_user_name_is_a_conflict(scim: Scim, name: str) -> None:
    grace = scim.user("grace")
    with unchanged(scim, scim.seed, grace):
        for one in (operation("replace", "userName", name), operation("Replace", value={"userName": name})):
            refused(scim.patch(where(scim.seed), patch(one)), 409, "uniqueness")
        refused(scim.put(where(scim.seed), scim.read(scim.seed) | {"userName": name}), 409, "uniqueness")


def test_u17_the_own_user_name_in_another_case_is_none(scim: Scim) -> None:
    assert patched(scim, operation("replace", "userName", "Ada@Acme.Example"))["userName"] == "Ada@Acme.Example"


def test_u18_addresses_as_an_object(scim: Scim) -> None:
    email = {"type": "work", "value": "grace@acme.example", "primary": True}
    created = scim.user("grace", emails=email)
    assert created["emails"] == [email]
    assert scim.replaced(created | {"emails": email})["emails"] == [email]
    assert scim.change(created, operation("replace", value={"emails": email})).json["emails"] == [email]


def test_an_unknown_user_cannot_be_changed(scim: Scim) -> None:
    refused(scim.put(f"/Users/{NOBODY}", user_body("grace")), 404)
    refused(scim.patch(f"/Users/{NOBODY}", patch(operation("replace", "title", "x"))), 404)
    assert scim.found('userName eq "grace@acme.example"') == []


def test_a_change_that_changes_nothing_keeps_the_version(scim: Scim) -> None:
    before = scim.read(scim.seed)
    assert scim.replaced(before)["meta"]["version"] == before["meta"]["version"]


@pytest.mark.parametrize("at_home", [True, False])
def test_only_one_address_is_primary(scim: Scim, at_home: bool) -> None:
    home = {"type": "home", "value": "ada@home.example", "primary": at_home}
    user = patched(scim, operation("add", "emails", [home]))
    assert sum(email.get("primary", False) for email in user["emails"]) == 1
    assert {email["value"] for email in user["emails"]} == {"ada@home.example", "ada@acme.example"}
