"""The operator console: logins."""

from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from audit.models import Event
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import operator_scope, tenant_scope
from tests.people import Tenant, make_user, signed_in

LIST = "/admin/accounts/user/"


def of(user: User, part: str = "change") -> str:
    """Return an address of the user's page."""
    return f"{LIST}{user.pk}/{part}/"


def recorded(action: str) -> list[Event]:
    """Return the events of that action, of all logs."""
    with acting_as(SYSTEM), operator_scope("test"):
        return list(Event.objects.filter(action=action))


@pytest.fixture
def console(operator: User) -> Client:
    """Return an operator's browser."""
    return signed_in(operator)


def test_nobody_but_operators_comes_in(acme: Tenant, stranger: User) -> None:
    addresses = [LIST, f"{LIST}add/", *(of(stranger, part) for part in ("change", "delete", "deactivate"))]
    for person in (*acme.people.values(), stranger):
        client = signed_in(person)
        for url in addresses:
            assert client.get(url).status_code == 403, url
            assert client.post(url, {"typed_confirmation": stranger.email}).status_code == 403, url
        make = client.post(of(person, "make-operator"), {"typed_confirmation": person.email})
        assert make.status_code == 403
    assert not User.objects.filter(is_operator=True).exists()
    assert User.objects.get(pk=stranger.pk).is_active


def test_users_are_listed_with_their_memberships(acme: Tenant, globex: Tenant, console: Client) -> None:
    rows = {row.email: row.memberships_number for row in console.get(LIST).context["cl"].result_list}

    assert rows[acme.owner.email] == 1
    assert rows["operator@gatehouse.example"] == 0
    assert len(rows) == 8


@pytest.mark.parametrize(("term", "found"), [("own", 2), ("OWNER@ac", 1), ("wner", 0), ("%", 0)])
def test_users_are_found_by_the_beginning_of_the_address(
    acme: Tenant, globex: Tenant, console: Client, term: str, found: int
) -> None:
    assert len(console.get(LIST, {"q": term}).context["cl"].result_list) == found


def test_the_list_costs_the_same_for_more_users(acme: Tenant, console: Client) -> None:
    few = queries(console, LIST)
    for number in range(20):
        make_user(f"more-{number}@acme.example")

    assert queries(console, LIST) == few


def queries(client: Client, url: str) -> int:
    """Return the number of statements of a page, on both roles."""
    client.get(url)
    with CaptureQueriesContext(connections["default"]) as app, CaptureQueriesContext(connections["operator"]) as wide:
        assert client.get(url).status_code == 200
    return len(app) + len(wide)


def test_a_password_hash_is_neither_shown_nor_searched(acme: Tenant, console: Client) -> None:
    page = console.get(of(acme.owner)).content.decode()

    assert acme.owner.password not in page
    assert 'name="password"' not in page
    assert console.get(f"{LIST}?password__startswith=md5").status_code in {302, 400}


def test_a_user_is_created_without_a_password(console: Client, operator: User) -> None:
    response = console.post(f"{LIST}add/", {"email": "Ada@initech.example", "name": "Ada"})

    assert response.status_code == 302, response.context["errors"]
    ada = User.objects.get(email="ada@initech.example")
    assert (ada.name, ada.is_operator, ada.has_usable_password()) == ("Ada", False, False)
    assert mail.outbox == []
    event = next(event for event in recorded("user.created") if event.target_label == ada.email)
    assert (event.actor_kind, event.actor_label) == ("operator", operator.email)
    again = console.post(f"{LIST}add/", {"email": "ADA@initech.example"})
    assert "email" in again.context["adminform"].form.errors


def test_the_person_sets_a_password_by_reset(console: Client) -> None:
    console.post(f"{LIST}add/", {"email": "ada@initech.example"})
    Client().post("/accounts/password/reset/", {"email": "ada@initech.example"})

    assert [message.to for message in mail.outbox] == [["ada@initech.example"]]


def test_a_page_shows_the_organizations_of_a_user(acme: Tenant, globex: Tenant, console: Client) -> None:
    page = console.get(of(acme.viewer)).content.decode()

    assert f"/admin/tenants/organization/{acme.organization.pk}/change/" in page
    assert "(Viewer)" in page
    assert "Globex" not in page


def test_the_name_can_be_mended_and_nothing_else(acme: Tenant, console: Client) -> None:
    data = {"name": "Grace", "email": "evil@acme.example", "is_operator": "on", "is_active": "", "password": "x"}
    assert console.post(of(acme.viewer), data).status_code == 302

    stored = User.objects.get(pk=acme.viewer.pk)
    assert (stored.name, stored.email, stored.is_operator, stored.is_active) == (
        "Grace",
        acme.viewer.email,
        False,
        True,
    )
    assert stored.password == acme.viewer.password


def test_somebody_becomes_operator_and_stops_being_one(acme: Tenant, console: Client) -> None:
    admin = acme.admin
    assert console.post(of(admin, "make-operator"), {"typed_confirmation": "wrong"}).status_code == 422
    assert console.post(of(admin, "make-operator"), {"typed_confirmation": admin.email}).status_code == 302
    assert signed_in(admin).get("/admin/").status_code == 200
    assert console.post(of(admin, "unmake-operator")).status_code == 302

    assert signed_in(admin).get("/admin/").status_code == 403
    assert len(recorded("user.updated")) == 2


def test_the_last_operator_stays(console: Client, operator: User) -> None:
    for part in ("unmake-operator", "deactivate"):
        response = console.post(of(operator, part))
        assert response.status_code == 422
        assert b"last active operator" in response.content
    assert console.post(of(operator, "delete"), {"typed_confirmation": operator.email}).status_code == 422
    assert User.objects.get(pk=operator.pk).is_operator


def test_a_login_is_closed_and_opened(acme: Tenant, console: Client) -> None:
    browser = signed_in(acme.member)
    assert console.post(of(acme.member, "deactivate")).status_code == 302
    assert browser.get("/o/acme/").status_code == 302
    assert console.post(of(acme.member, "reactivate")).status_code == 302

    assert signed_in(acme.member).get("/o/acme/").status_code == 200
    assert recorded("user.deactivated")
    assert recorded("user.reactivated")


def test_the_last_owner_is_neither_deactivated_nor_deleted(acme: Tenant, console: Client) -> None:
    assert console.post(of(acme.owner, "deactivate")).status_code == 422
    refused = console.post(of(acme.owner, "delete"), {"typed_confirmation": acme.owner.email})

    assert refused.status_code == 422
    assert b"last owner of Acme" in refused.content
    assert User.objects.get(pk=acme.owner.pk).is_active


def test_deleting_ends_the_memberships_and_both_logs_tell_it(acme: Tenant, console: Client, operator: User) -> None:
    page = console.get(of(acme.viewer, "delete")).content
    assert b"Leaves Acme, role Viewer." in page
    assert console.post(of(acme.viewer, "delete"), {"typed_confirmation": acme.viewer.email}).status_code == 302

    assert not User.objects.filter(pk=acme.viewer.pk).exists()
    with tenant_scope(acme.organization):
        (event,) = Event.objects.filter(action="member.removed")
    assert (event.actor_kind, event.actor_label) == ("operator", operator.email)
    assert [event.target_label for event in recorded("user.deleted")] == [acme.viewer.email]


def test_the_history_of_a_user_is_in_the_log(acme: Tenant, console: Client) -> None:
    response = console.get(of(acme.viewer, "history"), follow=True)

    told = [(event.actor_label, event.target_label) for event in response.context["events"]]
    assert told
    assert all(acme.viewer.email in names for names in told), "what they did, and what was done to them"


def test_a_user_who_does_not_exist_is_not_found(console: Client) -> None:
    for url in (f"{LIST}{uuid4()}/change/", f"{LIST}{uuid4()}/deactivate/"):
        assert console.get(url).status_code == 404


def test_bulk_actions_are_closed(acme: Tenant, console: Client) -> None:
    data: dict[str, Any] = {"action": "delete_selected", "_selected_action": [str(acme.viewer.pk)], "post": "yes"}
    console.post(LIST, data)

    assert User.objects.filter(pk=acme.viewer.pk).exists()
