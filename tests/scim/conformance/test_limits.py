"""L1 and L2: how much may be asked, and what is never loaded."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from api import limits
from tests.scim.stage import ORDINARY_RATE, Scim, bulk, group_body, refused, user_body


def test_l1_twenty_five_requests_a_second_are_served(scim: Scim, settings: Any) -> None:
    assert ORDINARY_RATE >= 25 * 60
    settings.SCIM_RATE_PER_ORGANIZATION = ORDINARY_RATE
    assert {scim.get("/Users", count=1).status for _ in range(50)} == {200}


def test_l1_beyond_the_limit_it_says_when_to_come_again(
    scim: Scim, other_scim: Scim, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WINDOW", 100 * 365 * 24 * 3600)  # no minute ends in the middle
    settings.SCIM_RATE_PER_ORGANIZATION = 3
    answers = [scim.get("/Users") for _ in range(8)]
    late = [answer for answer in answers if answer.status != 200]
    assert late
    for answer in late:
        refused(answer, 429)
        assert int(answer.headers["Retry-After"]) >= 1
    refused(scim.post("/Users", user_body("grace")), 429)
    settings.SCIM_RATE_PER_ORGANIZATION = 1_000_000
    assert scim.found('userName eq "grace@acme.example"') == []
    assert other_scim.get("/Users").status == 200


def test_l1_each_organization_has_a_limit_of_its_own(
    scim: Scim, other_scim: Scim, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WINDOW", 100 * 365 * 24 * 3600)
    settings.SCIM_RATE_PER_ORGANIZATION = 5
    assert 429 in {scim.get("/Users").status for _ in range(12)}
    assert other_scim.get("/Users").status == 200


def count_queries(scim: Scim, path: str, **query: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert scim.get(path, **query).status == 200
    return len(queries)


@pytest.mark.parametrize("query", [{}, {"count": 100}, {"excludedAttributes": "members"}, {"filter": "displayName pr"}])
@pytest.mark.parametrize("path", ["/Groups", "/Users"])
def test_l2_lists_take_the_same_queries_however_long(scim: Scim, path: str, query: dict[str, Any]) -> None:
    scim.group("First", scim.seed)
    few = count_queries(scim, path, **query)
    users = [{"method": "POST", "path": "/Users", "bulkId": f"u{n}", "data": user_body(f"user{n}")} for n in range(30)]
    members = [{"value": f"bulkId:u{number}"} for number in range(30)]
    groups = [
        {"method": "POST", "path": "/Groups", "bulkId": f"g{n}", "data": group_body(f"Group {n}", members=members)}
        for n in range(10)
    ]
    done = scim.post("/Bulk", bulk(*users, *groups)).json["Operations"]
    assert {one["status"] for one in done} == {"201"}
    assert count_queries(scim, path, **query) == few
