"""Paging by cursor: RFC 9865."""

from typing import Any

import pytest

from tests.scim.stage import SEARCH_REQUEST, Scim, where

PEOPLE = ("grace", "alan", "linus", "barbara", "edsger", "donald")


@pytest.fixture
def crowd(scim: Scim) -> Scim:
    """Return acme's provider with seven users."""
    for name in PEOPLE:
        scim.user(name)
    return scim


def walk(scim: Scim, path: str = "/Users", **query: Any) -> list[dict[str, Any]]:
    """Return all pages, from the first to the one without a next cursor."""
    pages: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = scim.get(path, cursor=cursor, **query)
        assert answer.status == 200, answer
        pages.append(answer.json)
        cursor = answer.json.get("nextCursor")
        assert cursor is None or (isinstance(cursor, str) and cursor)
        assert len(pages) < 20
    return pages


def names(pages: list[dict[str, Any]]) -> list[str]:
    return [one["userName"].partition("@")[0] for page in pages for one in page.get("Resources", [])]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
def test_every_user_comes_once(crowd: Scim, count: int) -> None:
    pages = walk(crowd, count=count)
    assert sorted(names(pages)) == sorted(("ada", *PEOPLE))
    assert len(pages) in {-(-7 // count), -(-7 // count) + 1}
    for page in pages:
        assert type(page["itemsPerPage"]) is int
        assert page["itemsPerPage"] == len(page.get("Resources", [])) <= count
        assert page["totalResults"] == 7


def test_without_a_count(crowd: Scim) -> None:
    assert len(names(walk(crowd))) == 7


def test_with_filter_and_order(crowd: Scim) -> None:
    pages = walk(
        crowd, count=2, filter='userName co "a"', sortBy="userName", sortOrder="descending", attributes="userName"
    )
    found = names(pages)
    assert set(found) >= {"ada", "alan", "barbara", "grace"}
    if crowd.get("/ServiceProviderConfig").json["sort"]["supported"]:
        assert found == sorted(found, reverse=True)
    assert pages[0]["Resources"][0].keys() == {"schemas", "id", "userName"}


def test_what_is_added_or_deleted_meanwhile_shifts_nothing(crowd: Scim) -> None:
    first = crowd.get("/Users", cursor="", count=3).json
    assert crowd.delete(where(first["Resources"][0])).status == 204
    seen = [one["id"] for one in first["Resources"]]
    cursor = first["nextCursor"]
    while cursor:
        page = crowd.get("/Users", cursor=cursor, count=3).json
        seen += [one["id"] for one in page["Resources"]]
        cursor = page.get("nextCursor")
    assert len(seen) == len(set(seen)) == 7


def test_backwards(crowd: Scim) -> None:
    pages = walk(crowd, count=3)
    if previous := pages[1].get("previousCursor"):
        assert crowd.get("/Users", cursor=previous, count=3).json["Resources"] == pages[0]["Resources"]
    assert "previousCursor" not in pages[0]


def test_groups_too(scim: Scim) -> None:
    for number in range(5):
        scim.group(f"Group {number}")
    pages = walk(scim, "/Groups", count=2)
    assert sorted(one["displayName"] for page in pages for one in page.get("Resources", [])) == [
        f"Group {number}" for number in range(5)
    ]


def test_from_the_body_of_a_search(crowd: Scim) -> None:
    body = {"schemas": [SEARCH_REQUEST], "cursor": "", "count": 4}
    first = crowd.post("/Users/.search", body).json
    second = crowd.post("/Users/.search", body | {"cursor": first["nextCursor"]}).json
    assert len(names([first, second])) == len(set(names([first, second]))) == 7


@pytest.mark.parametrize("cursor", ["nonsense", "%00", "1", "-1", "é", "a" * 3000, "eyJpZCI6MX0="])
def test_a_cursor_that_is_none(crowd: Scim, cursor: str) -> None:
    answer = crowd.get(f"/Users?cursor={cursor}&count=2")
    assert (answer.status, answer.json["scimType"]) == (400, "invalidCursor")


def test_a_changed_cursor_is_none(crowd: Scim) -> None:
    cursor = crowd.get("/Users", cursor="", count=3).json["nextCursor"]
    swapped = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    answer = crowd.get("/Users", cursor=swapped, count=3)
    assert answer.status in {200, 400}
    assert answer.status == 200 or answer.json["scimType"] == "invalidCursor"


def test_another_organizations_cursor_shows_nothing_of_it(crowd: Scim, other_scim: Scim) -> None:
    cursor = crowd.get("/Users", cursor="", count=3).json["nextCursor"]
    answer = other_scim.get("/Users", cursor=cursor, count=100)
    assert "acme.example" not in str(answer.json)
    assert answer.status == 400 or answer.json["totalResults"] == 1


@pytest.mark.parametrize("count", ["many", "1.5"])
def test_a_count_that_is_none(crowd: Scim, count: str) -> None:
    answer = crowd.get("/Users", cursor="", count=count)
    assert answer.status == 400
    assert answer.json["scimType"] in {"invalidCount", "invalidValue"}


def test_count_zero(crowd: Scim) -> None:
    answer = crowd.get("/Users", cursor="", count=0)
    assert (answer.status, answer.json["totalResults"]) == (200, 7)
    assert answer.json.get("Resources", []) == []
