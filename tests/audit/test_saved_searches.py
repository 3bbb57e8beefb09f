"""Saved searches: whose they are, who sees and changes them, on the page and by API."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from audit.models import SavedSearch
from audit.services.saved_searches import MOST, delete_search, save_search, update_search
from isolation.actor import SYSTEM
from isolation.exceptions import DomainError, MissingPermission
from tests.api.calls import by
from tests.audit.readers import reader_of_one_project
from tests.people import Tenant, signed_in
from tests.tenants.stage import events

LOG = "/o/acme/audit/"
SEARCHES = f"{LOG}searches/"
API = "/organizations/acme/audit-searches"


def saved(tenant: Tenant, who: str, name: str = "Refused", **values: Any) -> SavedSearch:
    """Return a new search of somebody."""
    with tenant.acting(who) as actor:
        organization_id = tenant.organization.pk
        return save_search(
            **{"organization_id": organization_id, "name": name, "query": "outcome:denied", "actor": actor, **values}
        )


def listed(tenant: Tenant, who: str) -> set[str]:
    """Return the names that somebody sees."""
    return {search.name for search in signed_in(tenant.people[who]).get(SEARCHES).context["searches"]}


def test_a_stranger_sees_and_changes_none(acme: Tenant, globex: Tenant, stranger: User) -> None:
    search = saved(acme, "owner", "Secret", is_shared=True)
    client, caller = signed_in(stranger), by(stranger)
    for address in (SEARCHES, f"{SEARCHES}{search.pk}/", f"/o/globex/audit/searches/{search.pk}/"):
        assert client.get(address).status_code == 404
        assert client.post(address, {"delete": "1"}).status_code in {404, 403}
    assert b"Secret" not in client.get("/o/globex/audit/searches/").content
    for address in (API, f"{API}/{search.pk}", f"/organizations/globex/audit-searches/{search.pk}"):
        assert caller.get(address).status_code == 404
    assert caller.delete(f"/organizations/globex/audit-searches/{search.pk}").status_code == 404
    assert listed(acme, "owner") == {"Secret"}


def test_one_s_own_and_shared_ones_are_seen(acme: Tenant) -> None:
    saved(acme, "owner", "Mine")
    saved(acme, "owner", "Ours", is_shared=True)
    assert listed(acme, "owner") == {"Mine", "Ours"}
    assert listed(acme, "auditor") == {"Ours"}
    assert signed_in(acme.member).get(SEARCHES).status_code == 403


def test_a_reader_of_one_project_keeps_searches_and_neither_shares_nor_sees_shared_ones(acme: Tenant) -> None:
    reader_of_one_project(acme)
    saved(acme, "owner", "Ours", is_shared=True)
    saved(acme, "viewer", "Mine")
    assert listed(acme, "viewer") == {"Mine"}
    with pytest.raises(MissingPermission):
        saved(acme, "viewer", "Shared", is_shared=True)
    assert "is_shared" not in signed_in(acme.viewer).get(f"{SEARCHES}new/").context["form"].fields


def test_its_maker_and_managers_change_it_nobody_else(acme: Tenant) -> None:
    search = saved(acme, "auditor", is_shared=True)
    others = saved(acme, "owner", is_shared=True)
    with acme.acting("auditor") as actor:
        update_search(search=search, actor=actor, name="Denied")
        with pytest.raises(DomainError, match="This search is owner"):
            update_search(search=others, actor=actor, name="Taken over")
        with pytest.raises(DomainError, match="This search is owner"):
            delete_search(search=others, actor=actor)
    with acme.acting("owner") as actor:
        update_search(search=search, actor=actor, is_shared=False)
    with acme.acting("admin") as actor, pytest.raises(SavedSearch.DoesNotExist):
        delete_search(search=search, actor=actor)  # not shared any more: not seen
    with acme.acting("auditor") as actor:
        delete_search(search=search, actor=actor)
    assert [event.action for event in events(acme) if event.target_id == str(search.pk)] == [
        "saved_search.created",
        "saved_search.updated",
        "saved_search.updated",
        "saved_search.deleted",
    ]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "refused"}, "name"),
        ({"query": ""}, "query"),
        ({"query": "outcom:denied"}, "query"),
        ({"query": "project:nowhere"}, "query"),
        ({"query": "x" * 501}, "query"),
    ],
)
def test_what_cannot_be_kept(acme: Tenant, values: dict[str, str], field: str) -> None:
    saved(acme, "owner")
    with pytest.raises(DomainError) as caught:
        saved(acme, "owner", **{"name": "Another", **values})
    assert caught.value.field == field


def test_there_are_not_endlessly_many_and_each_has_an_owner(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.services.saved_searches.MOST", 1)
    assert MOST == 100
    saved(acme, "owner")
    with pytest.raises(DomainError, match="Delete one"):
        saved(acme, "owner", "Second")
    with pytest.raises(DomainError, match="belong to members"):
        saved(acme, "owner", actor=SYSTEM)


def test_the_pages(acme: Tenant) -> None:
    client = signed_in(acme.owner)
    assert b"None yet" in client.get(f"{LOG}?q=outcome:denied").content
    assert b'value="outcome:denied"' in client.get(f"{SEARCHES}new/?q=outcome:denied").content
    answer = client.post(f"{SEARCHES}new/", {"name": "Refused", "query": "outcome:denied", "is_shared": "on"})
    assert answer.headers["Location"] == f"{LOG}?{urlencode({'q': 'outcome:denied'})}"
    again = client.post(f"{SEARCHES}new/", {"name": "refused", "query": "outcome:denied"})
    assert again.status_code == 422
    assert "You have a saved search with this name" in again.content.decode()
    (search,) = client.get(LOG).context["searches"]
    assert search.is_shared
    assert client.get(search.url).status_code == 200
    page = f"{SEARCHES}{search.pk}/"
    assert client.get(page).status_code == 200
    assert client.post(page, {"name": "Denied", "query": "outcom:x"}).status_code == 422
    assert client.post(page, {"name": "Denied", "query": "outcome:denied,failed"}).status_code == 302
    (search,) = client.get(SEARCHES).context["searches"]
    assert (search.name, search.query, search.is_shared) == ("Denied", "outcome:denied,failed", False)
    assert signed_in(acme.auditor).get(page).status_code == 404
    assert client.post(page, {"delete": "1"}).status_code == 302
    assert listed(acme, "owner") == set()


def test_somebody_else_s_shared_search_is_shown_and_not_changed(acme: Tenant) -> None:
    search = saved(acme, "owner", is_shared=True)
    client = signed_in(acme.auditor)
    page = client.get(f"{SEARCHES}{search.pk}/")
    assert page.status_code == 200
    assert b"Delete" not in page.content
    assert client.post(f"{SEARCHES}{search.pk}/", {"name": "x", "query": "ada"}).status_code == 403
    assert client.post(f"{SEARCHES}{search.pk}/", {"delete": "1"}).status_code == 403


def test_the_api(acme: Tenant) -> None:
    caller = by(acme.owner)
    made = caller.post(API, {"name": "Refused", "query": "outcome:denied time:7d"})
    assert made.status_code == 201
    address = f"{API}/{made.json()['id']}"
    assert caller.get(API).json()["data"] == [made.json()]
    assert caller.get(f"{API}?shared=true").json()["data"] == []
    assert by(acme.auditor).get(address).status_code == 404
    assert caller.patch(address, {"is_shared": True}).json()["is_shared"] is True
    assert by(acme.auditor).get(address).json()["maker"] == acme.owner.email
    assert by(acme.auditor).patch(address, {"name": "x"}).status_code == 403
    assert caller.post(API, {"name": "refused", "query": "ada"}).status_code == 409
    assert caller.post(API, {"name": "Other", "query": "outcom:x"}).status_code == 422
    assert caller.delete(address).status_code == 204
    assert caller.get(address).status_code == 404


def test_the_number_of_statements_does_not_grow(acme: Tenant) -> None:
    client = signed_in(acme.owner)

    def statements() -> int:
        client.get(SEARCHES)
        with CaptureQueriesContext(connections["default"]) as queries:
            client.get(SEARCHES)
        return len(queries)

    saved(acme, "owner")
    few = statements()
    for number in range(12):
        saved(acme, "owner", f"Search {number}")
    assert statements() == few
