"""Who is told that somebody has a second factor: they themselves, and those who manage the organization's members."""

from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.second_factor import has_second_factor
from tests.accounts.mfa.stage import with_app
from tests.accounts.mfa.test_passkeys import stored_passkey
from tests.api.calls import anybody, by
from tests.people import Tenant, signed_in

MEMBERS = "/o/acme/tenants/membership/"


def flags(caller: Any, query: str = "") -> dict[str, Any]:
    answer = caller.get(f"/organizations/acme/members{query}")
    return {row["user"]["email"].partition("@")[0]: row["has_second_factor"] for row in answer.json()["data"]}


def test_ones_own_factors_are_listed_without_secrets(acme: Tenant) -> None:
    with_app(acme.member)
    stored_passkey(acme.member)
    answer = by(acme.member).get("/me/second-factors")
    rows = answer.json()["data"]
    assert [(row["kind"], row["name"], row["signs_in_alone"]) for row in rows] == [
        ("authenticator_app", "", False),
        ("recovery_codes", "", False),
        ("passkey", "Laptop", True),
    ]
    assert set(rows[0]) == {"id", "kind", "name", "signs_in_alone", "created_at", "last_used_at"}
    assert "sealed:" not in answer.content.decode()
    assert by(acme.owner).get("/me/second-factors").json()["data"] == []


def test_they_are_written_by_no_api(acme: Tenant) -> None:
    for method in ("post", "patch", "delete"):
        assert getattr(by(acme.member), method)("/me/second-factors").status_code == 405
    assert anybody().get("/me/second-factors").status_code == 401


def test_those_who_manage_members_are_told(acme: Tenant) -> None:
    with_app(acme.member)
    for name in ("owner", "admin"):
        told = flags(by(acme.people[name]))
        assert told["member"] is True
        assert told["viewer"] is False
    assert set(flags(by(acme.viewer)).values()) == {None}
    assert flags(by(acme.owner), "?has_second_factor=true") == {"member": True}
    assert "member" not in flags(by(acme.owner), "?has_second_factor=false")
    assert flags(by(acme.viewer), "?has_second_factor=false") == {}


def test_a_change_of_a_member_tells_it_too(acme: Tenant) -> None:
    with_app(acme.member)
    with acme.acting("owner"):
        pk = acme.membership("member").pk
    answer = by(acme.owner).patch(f"/organizations/acme/members/{pk}", {"role": "viewer"})
    assert (answer.status_code, answer.json()["has_second_factor"]) == (200, True)
    assert answer.json()["role"]["key"] == "viewer"


def test_the_console_shows_and_finds_it(acme: Tenant) -> None:
    with_app(acme.member)
    owner = signed_in(acme.owner)
    assert "Second step" in owner.get(MEMBERS).text
    on = owner.get(MEMBERS, {"second_step": "on"}).text
    assert "member@acme.example" in on
    assert "viewer@acme.example" not in on
    assert "member@acme.example" not in owner.get(MEMBERS, {"second_step": "off"}).text
    viewer = signed_in(acme.viewer)
    assert "Second step" not in viewer.get(MEMBERS).text
    assert viewer.get(MEMBERS, {"second_step": "on"}).status_code == 400


def test_the_list_asks_once_for_everybody(acme: Tenant) -> None:
    owner = signed_in(acme.owner)
    with CaptureQueriesContext(connection) as before:
        owner.get(MEMBERS)
    for name in ("member", "viewer", "auditor"):
        with_app(acme.people[name])
    with CaptureQueriesContext(connection) as after:
        owner.get(MEMBERS)
    assert len(after) == len(before)


def test_recovery_codes_are_no_factor(acme: Tenant) -> None:
    assert not has_second_factor(acme.member)
    with_app(acme.member)
    with CaptureQueriesContext(connection) as queries:
        assert has_second_factor(acme.member)
    assert len(queries) == 1
