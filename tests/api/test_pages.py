"""Pages by cursor, filters, orders and sparse fields; and what a page costs."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.services.groups import add_group_member, create_group
from tests.api.calls import Caller, by
from tests.people import Tenant, make_project
from tests.tenants.stage import join


def walk(caller: Caller, path: str, link: str = "next") -> list[list[Any]]:
    """Return the pages from `path` on, along their links."""
    pages = []
    url: str | None = path
    while url:
        response = caller.get(url.partition("/api/v1")[2] or url)
        page = response.json()
        pages.append(page["data"])
        assert (page[link] is None) == (
            f'rel="{"prev" if link == "previous" else link}"' not in response.get("Link", "")
        )
        url = page[link]
    return pages


@pytest.mark.parametrize("ordering", ["created_at", "-created_at", "email", "-email"])
def test_pages_hold_each_row_once_in_both_directions(ordering: str, acme: Tenant) -> None:
    caller = by(acme.owner)
    path = f"/organizations/acme/members?ordering={ordering}"
    everything = caller.get(path).json()["data"]
    assert len(everything) == 6
    pages = walk(caller, f"{path}&limit=4")
    assert [len(page) for page in pages] == [4, 2]
    assert [row for page in pages for row in page] == everything
    last = caller.get(f"{path}&limit=4").json()["next"].partition("/api/v1")[2]
    assert [row for page in walk(caller, last, "previous")[::-1] for row in page] == everything


def test_rows_of_the_same_value_are_met_once(acme: Tenant, superuser: Any) -> None:
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("UPDATE tenants_membership SET created_at = '2026-01-01T00:00:00.123456Z'")
    pages = walk(by(acme.owner), "/organizations/acme/members?limit=1")
    assert [len(page) for page in pages] == [1] * 6
    assert len({page[0]["id"] for page in pages}) == 6


def test_a_cursor_is_of_one_list_in_one_order(acme: Tenant) -> None:
    caller = by(acme.owner)
    cursor = caller.get("/organizations/acme/members?limit=1").json()["next"].partition("cursor=")[2]
    for path in ("members?ordering=email&", "roles?", "members?ordering=created_at&"):
        response = caller.get(f"/organizations/acme/{path}limit=1&cursor={cursor}")
        assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor"), path
    altered = cursor[:-1] + ("a" if cursor[-1] != "a" else "b")
    assert caller.get(f"/organizations/acme/members?cursor={altered}").status_code == 400


def test_a_page_of_a_short_list_is_cut_the_same_way(acme: Tenant) -> None:
    caller = by(acme.owner)
    names = [one["name"] for page in walk(caller, "/permissions?limit=20") for one in page]
    assert names == sorted(names)
    assert len(names) > 40
    backwards = [one["name"] for page in walk(caller, "/permissions?limit=20&ordering=-name") for one in page]
    assert backwards == names[::-1]
    second = caller.get("/permissions?limit=20").json()["next"].partition("/api/v1")[2]
    assert walk(caller, second, "previous")[1] == caller.get("/permissions?limit=20").json()["data"]


def test_filters_narrow(acme: Tenant) -> None:
    caller = by(acme.owner)
    (member,) = caller.get("/organizations/acme/members?email=Viewer@Acme.example").json()["data"]
    assert member["user"]["email"] == acme.viewer.email
    (same,) = caller.get(f"/organizations/acme/members?role={member['role']['id']}&is_active=true").json()["data"]
    assert same == member
    assert caller.get("/organizations/acme/members?is_active=false").json()["data"] == []


def test_only_the_fields_that_are_asked_for(acme: Tenant) -> None:
    caller = by(acme.owner)
    rows = caller.get("/organizations/acme/members?fields=id,is_active").json()["data"]
    assert all(row.keys() == {"id", "is_active"} for row in rows)
    whole, cut = caller.get("/organizations/acme"), caller.get("/organizations/acme?fields=name")
    assert cut.json() == {"name": "Acme"}
    assert cut["ETag"] == whole["ETag"]


LISTS = (
    "projects",
    "members",
    "invitations",
    "groups",
    "groups/{group}/members",
    "groups/{group}/roles",
    "roles",
    "projects/chatbot/roles",
    "projects/chatbot/exceptions",
    "audit-events",
)


@pytest.mark.parametrize("path", LISTS)
def test_a_list_costs_the_same_however_long_it_is(path: str, acme: Tenant) -> None:
    caller = by(acme.owner)
    with tenant_scope(acme.organization):
        group = create_group(organization=acme.organization, name="Crew", actor=SYSTEM)
    address = f"/organizations/acme/{path.format(group=group.pk)}"
    caller.get(address)  # the first request of a process looks content types up
    few = cost(caller, address)
    with tenant_scope(acme.organization):
        for number in range(5):
            membership = join(acme, f"person{number}", acme.role("viewer"))
            make_project(acme, f"project{number}")
            create_group(organization=acme.organization, name=f"Group {number}", actor=SYSTEM)
            add_group_member(group=group, membership=membership, actor=SYSTEM)
    assert cost(caller, address) == few
    assert few <= 14  # one asks whether the organization ended the session, one for its sign-in policy


def cost(caller: Caller, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert caller.get(path).status_code == 200
    return len(queries)
