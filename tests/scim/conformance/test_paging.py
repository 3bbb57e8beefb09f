"""P1 to P6: pages by index."""

from itertools import pairwise
from typing import Any

import psycopg
import pytest

from tests.scim.many_users import fill
from tests.scim.stage import LIST_RESPONSE, Scim, user_body


@pytest.fixture
def crowd(scim: Scim) -> Scim:
    """Return acme's provider with seven users."""
    for name in ("grace", "alan", "linus", "barbara", "edsger", "donald"):
        scim.user(name)
    return scim


def ids(answer: Any) -> list[str]:
    assert answer.status == 200, answer
    return [resource["id"] for resource in answer.json.get("Resources", [])]


def test_p1_pages_are_in_a_stable_order_and_count_in_integers(crowd: Scim) -> None:
    everybody = ids(crowd.get("/Users"))
    pages = [crowd.get("/Users", startIndex=start, count=3) for start in (1, 4, 7)]
    assert [page.json["startIndex"] for page in pages] == [1, 4, 7]
    assert [page.json["itemsPerPage"] for page in pages] == [3, 3, 1]
    assert {page.json["totalResults"] for page in pages} == {7}
    for page in pages:
        assert page.json["schemas"] == [LIST_RESPONSE]
        assert all(type(page.json[name]) is int for name in ("totalResults", "itemsPerPage", "startIndex"))
    assert [one for page in pages for one in ids(page)] == everybody
    assert len(set(everybody)) == 7


def test_p1_the_order_survives_changes(crowd: Scim) -> None:
    before = ids(crowd.get("/Users"))
    crowd.replaced(crowd.seed | {"displayName": "Countess"})
    assert ids(crowd.get("/Users")) == before


def test_p1_okta_reads_the_next_hundred(crowd: Scim) -> None:
    first = crowd.get("/Users", startIndex=1, count=100)
    assert first.json["totalResults"] == 7
    beyond = crowd.get("/Users", startIndex=101, count=100)
    assert (beyond.status, beyond.json["totalResults"], beyond.json["itemsPerPage"]) == (200, 7, 0)
    assert beyond.json.get("Resources", []) == []


def test_p2_count_zero_counts_only(crowd: Scim) -> None:
    answer = crowd.get("/Users", count=0)
    assert (answer.status, answer.json["totalResults"], answer.json["itemsPerPage"]) == (200, 7, 0)
    assert answer.json.get("Resources", []) == []
    assert crowd.get("/Groups", count=0).json["totalResults"] == 0


@pytest.mark.parametrize("start", [0, -1, -100, -(10**30)])
def test_p3_a_start_before_the_first_is_the_first(crowd: Scim, start: int) -> None:
    answer = crowd.get("/Users", startIndex=start, count=2)
    assert ids(answer) == ids(crowd.get("/Users"))[:2]
    assert answer.json["startIndex"] == 1


@pytest.mark.parametrize("count", [-1, -100, -(10**30)])
def test_p3_a_negative_count_is_zero(crowd: Scim, count: int) -> None:
    answer = crowd.get("/Users", count=count)
    assert ids(answer) == []
    assert (answer.json["totalResults"], answer.json["itemsPerPage"]) == (7, 0)


@pytest.mark.parametrize("query", [{"count": "many"}, {"startIndex": "first"}, {"count": "1.5"}, {"count": "1;2"}])
def test_p3_what_is_no_number_is_refused(crowd: Scim, query: dict[str, Any]) -> None:
    assert crowd.get("/Users", **query).status == 400


def test_p3_numbers_beyond_the_database(crowd: Scim) -> None:
    assert ids(crowd.get("/Users", startIndex=10**30)) == []
    assert len(ids(crowd.get("/Users", count=10**30))) == 7


def test_p4_a_huge_count_is_capped(scim: Scim, superuser: psycopg.Connection) -> None:
    most = scim.get("/ServiceProviderConfig").json["filter"]["maxResults"]
    assert 100 <= most <= 1000  # Okta asks for 100
    scim.user("template")
    fill(superuser, 1, most - 1)
    answer = scim.get("/Users", count=1_000_000)
    assert (answer.json["totalResults"], answer.json["itemsPerPage"]) == (most + 1, most)
    assert len(answer.json["Resources"]) == most
    assert len(ids(scim.get("/Users"))) <= most
    assert len(ids(scim.get("/Users", startIndex=most + 1, count=1_000_000))) == 1


@pytest.mark.parametrize("attribute", ["userName", "name.familyName", "meta.created", "displayName", "emails", "id"])
def test_p5_sorting_is_honoured_as_advertised(crowd: Scim, attribute: str) -> None:
    up = ids(crowd.get("/Users", sortBy=attribute))
    down = ids(crowd.get("/Users", sortBy=attribute, sortOrder="descending"))
    assert set(up) == set(down)
    if crowd.get("/ServiceProviderConfig").json["sort"]["supported"] and attribute != "name.familyName":
        assert up == down[::-1]


def test_p5_user_names_sort_whatever_their_case(crowd: Scim) -> None:
    crowd.user("Charles")
    names = [
        one["userName"].lower()
        for one in crowd.get("/Users", sortBy="userName", sortOrder="ascending").json["Resources"]
    ]
    if crowd.get("/ServiceProviderConfig").json["sort"]["supported"]:
        assert all(one < other for one, other in pairwise(names))


def test_p5_sorting_by_what_is_unknown(crowd: Scim) -> None:
    answer = crowd.get("/Users", sortBy="noSuch")
    assert answer.status in {200, 400}


@pytest.mark.parametrize(
    "path", ["/Users/", "/users", "/users/", "/USERS", "/Groups/", "/groups", "/serviceproviderconfig"]
)
def test_p6_a_trailing_slash_and_lower_case_are_tolerated(crowd: Scim, path: str) -> None:
    answer = crowd.get(path, count=1)
    assert answer.status == 200
    assert answer.json["schemas"]


def test_p6_with_a_filter_and_an_id(crowd: Scim) -> None:
    assert crowd.found('userName eq "ada@acme.example"', at="/Users/")[0]["id"] == crowd.seed["id"]
    assert crowd.get(f"/users/{crowd.seed['id']}/").json["id"] == crowd.seed["id"]
    assert crowd.post("/users/", user_body("grete")).status == 201
