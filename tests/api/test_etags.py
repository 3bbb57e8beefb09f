"""ETags: what did not change is not sent again, and of two writers who saw the same only one wins."""

import pytest

from isolation.scope import tenant_scope
from tenants.models import Organization
from tests.api.calls import by
from tests.people import Tenant
from tests.tenants.stage import at_once


def test_what_the_client_holds_is_not_sent_again(acme: Tenant) -> None:
    caller = by(acme.owner)
    etag = caller.get("/organizations/acme")["ETag"]
    assert etag.startswith('"')
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        response = caller.get("/organizations/acme", if_none_match=known)
        assert (response.status_code, response.content, response["ETag"]) == (304, b"", etag), known
    for known in ('"other"', "nonsense", "", '"'):
        assert caller.get("/organizations/acme", if_none_match=known).status_code == 200, known
    caller.patch("/organizations/acme", {"name": "Acme Research"})
    assert caller.get("/organizations/acme", if_none_match=etag).status_code == 200


def test_a_change_holds_to_what_the_client_saw(acme: Tenant) -> None:
    caller = by(acme.owner)
    etag = caller.get("/organizations/acme")["ETag"]
    first = caller.patch("/organizations/acme", {"name": "First"}, if_match=etag)
    assert first.status_code == 200
    assert first["ETag"] == caller.get("/organizations/acme")["ETag"] != etag
    for seen in (etag, f"W/{first['ETag']}", "nonsense", ""):
        second = caller.patch("/organizations/acme", {"name": "Second"}, if_match=seen)
        assert (second.status_code, second.json()["code"]) == (412, "changed_meanwhile"), seen
    assert caller.delete("/organizations/acme", if_match=etag).status_code == 412
    assert caller.patch("/organizations/acme", {"name": "Third"}, if_match="*").status_code == 200
    with tenant_scope(acme.organization):
        assert Organization.objects.get().name == "Third"


def addresses(acme: Tenant) -> dict[str, tuple[str, dict[str, str], dict[str, str]]]:
    caller = by(acme.owner)
    role = caller.post("/organizations/acme/roles", {"name": "Writers", "permissions": []}).json()["id"]
    group = caller.post("/organizations/acme/groups", {"name": "Crew"}).json()["id"]
    member = caller.get(f"/organizations/acme/members?user={acme.member.pk}").json()["data"][0]["id"]
    keys = {one["key"]: one["id"] for one in caller.get("/organizations/acme/roles").json()["data"]}
    return {
        "organization": ("/organizations/acme", {"name": "A"}, {"name": "B"}),
        "project": ("/organizations/acme/projects/chatbot", {"name": "A"}, {"description": "B"}),
        "role": (f"/organizations/acme/roles/{role}", {"name": "A"}, {"name": "B"}),
        "group": (f"/organizations/acme/groups/{group}", {"name": "A"}, {"description": "B"}),
        "member": (f"/organizations/acme/members/{member}", {"role": keys["viewer"]}, {"role": keys["admin"]}),
    }


@pytest.mark.parametrize("time", range(3))
@pytest.mark.parametrize("kind", ["organization", "project", "role", "group", "member"])
def test_of_two_writers_who_saw_the_same_one_wins(kind: str, time: int, acme: Tenant) -> None:
    path, one, other = addresses(acme)[kind]
    etag = by(acme.owner).get(path)["ETag"]
    callers = by(acme.owner), by(acme.owner)
    responses = at_once(
        lambda: callers[0].patch(path, one, if_match=etag), lambda: callers[1].patch(path, other, if_match=etag)
    )
    assert sorted(response.status_code for response in responses) == [200, 412]


@pytest.mark.parametrize("time", range(3))
def test_two_writers_of_different_members_lose_nothing(time: int, acme: Tenant) -> None:
    callers = by(acme.owner), by(acme.owner)
    path = "/organizations/acme/projects/chatbot"
    responses = at_once(
        lambda: callers[0].patch(path, {"name": "Renamed"}), lambda: callers[1].patch(path, {"environment": "staging"})
    )
    assert [response.status_code for response in responses] == [200, 200]
    stored = callers[0].get(path).json()
    assert (stored["name"], stored["environment"]) == ("Renamed", "staging")


def test_a_role_in_a_project_is_put_on_what_was_seen(acme: Tenant) -> None:
    caller = by(acme.owner)
    member = caller.get(f"/organizations/acme/members?user={acme.member.pk}").json()["data"][0]["id"]
    roles = {one["key"]: one["id"] for one in caller.get("/organizations/acme/roles").json()["data"]}
    path = f"/organizations/acme/projects/chatbot/roles/{member}"
    assert caller.put(path, {"role": roles["viewer"]}, if_match="*").status_code == 412
    first = caller.put(path, {"role": roles["viewer"]})
    assert first.status_code == 200
    assert first["ETag"] == caller.get(path)["ETag"]
    assert caller.put(path, {"role": roles["admin"]}, if_match=first["ETag"]).status_code == 200
    assert caller.delete(path, if_match=first["ETag"]).status_code == 412
    assert caller.delete(path).status_code == 204
    assert caller.get(path).status_code == 404
