"""The operator console: organizations and the installation's settings."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.services.users import set_user_active
from audit.models import Event
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import operator_scope, tenant_scope
from tenants.models import InstallationSettings, Membership, Organization
from tests.people import Tenant, make_tenant, make_user, signed_in

LIST = "/admin/tenants/organization/"
SETTINGS = "/admin/installation/"


def of(tenant: Tenant, part: str = "change") -> str:
    """Return an address of the organization's page."""
    return f"{LIST}{tenant.organization.pk}/{part}/"


def stored(tenant: Tenant) -> Organization:
    """Return the organization as the database has it."""
    with tenant_scope(tenant.organization):
        organization: Organization = Organization.objects.get()
        return organization


def events(tenant: Tenant, action: str) -> list[Event]:
    """Return the events of the organization's own log."""
    with tenant_scope(tenant.organization):
        return list(Event.objects.filter(action=action))


def close_login(superuser: Any, user: User) -> None:
    """Take the last owner away, which no service does."""
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("UPDATE accounts_user SET is_active = false WHERE id = %s", [user.pk])


@pytest.fixture
def console(operator: User) -> Client:
    """Return an operator's browser."""
    return signed_in(operator)


def test_nobody_but_operators_comes_in(acme: Tenant) -> None:
    addresses = ["/admin/", LIST, f"{LIST}add/", of(acme), of(acme, "suspend"), SETTINGS, "/admin/search/?s=acme"]
    for person in acme.people.values():
        client = signed_in(person)
        for url in addresses:
            assert client.get(url).status_code == 403, url
            assert client.post(url, {"reason": "x"}).status_code == 403, url
    assert not stored(acme).is_suspended
    for url in addresses:
        assert Client().get(url).status_code == 302


def test_an_operator_who_was_deactivated_does_not_come_in(console: Client, operator: User) -> None:
    make_user("second@gatehouse.example", is_operator=True)
    set_user_active(user=operator, active=False, actor=SYSTEM)

    assert console.get("/admin/").status_code in {302, 403}


def test_the_overview_counts(acme: Tenant, globex: Tenant, console: Client) -> None:
    response = console.get("/admin/")
    numbers = {figure["label"]: figure["number"] for figure in response.context["figures"]}

    assert numbers["organizations"] == 2
    assert numbers["users"] == 8
    assert numbers["memberships"] == 7
    assert numbers["operator"] == 1
    for figure in response.context["figures"]:
        assert console.get(figure["url"]).status_code == 200


def test_the_list_shows_every_organization_with_its_members(acme: Tenant, globex: Tenant, console: Client) -> None:
    rows = {row.slug: row.members_number for row in console.get(LIST).context["cl"].result_list}

    assert rows == {"acme": 6, "globex": 1}
    assert [row.slug for row in console.get(f"{LIST}?q=glo").context["cl"].result_list] == ["globex"]


def test_the_list_costs_the_same_for_more_organizations(acme: Tenant, console: Client) -> None:
    few = queries(console, LIST)
    for number in range(12):
        make_tenant(f"more-{number}", everybody=False)

    assert queries(console, LIST) == few


def queries(client: Client, url: str) -> int:
    """Return the number of statements of a page, on both roles."""
    client.get(url)
    with CaptureQueriesContext(connections["default"]) as app, CaptureQueriesContext(connections["operator"]) as wide:
        assert client.get(url).status_code == 200
    return len(app) + len(wide)


def test_an_organization_is_created_for_its_owner(console: Client, operator: User) -> None:
    owner = make_user("ada@initech.example")
    response = console.post(f"{LIST}add/", {"slug": "initech", "name": "Initech", "owner": "Ada@initech.example"})

    assert response.status_code == 302, response.context["errors"]
    with acting_as(SYSTEM), operator_scope("test"):
        organization = Organization.objects.get(slug="initech")
        membership = Membership.objects.select_related("role").get(organization=organization)
        (event,) = Event.objects.filter(action="organization.created", organization_id=organization.pk)
    assert (membership.user_id, membership.role.key) == (owner.pk, "owner")
    assert (event.actor_kind, event.actor_label) == ("operator", operator.email)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"owner": "nobody@initech.example"}, "owner"),
        ({"slug": "acme"}, "slug"),
        ({"slug": "Not A Slug"}, "slug"),
        ({"name": ""}, "name"),
    ],
)
def test_a_refused_organization_says_why(acme: Tenant, console: Client, values: dict[str, str], field: str) -> None:
    data = {"slug": "initech", "name": "Initech", "owner": acme.owner.email, **values}
    response = console.post(f"{LIST}add/", data)

    assert response.status_code == 200
    assert field in response.context["adminform"].form.errors
    with acting_as(SYSTEM), operator_scope("test"):
        assert Organization.objects.count() == 1


def test_suspending_wants_a_reason_and_closes_the_organization(acme: Tenant, console: Client, operator: User) -> None:
    assert console.get(of(acme, "suspend")).status_code == 200
    assert not stored(acme).is_suspended
    assert console.post(of(acme, "suspend"), {"reason": " "}).status_code == 422
    assert console.post(of(acme, "suspend"), {"reason": "Unpaid"}).status_code == 302

    assert stored(acme).suspension_reason == "Unpaid"
    (event,) = events(acme, "organization.suspended")
    assert (event.actor_kind, event.actor_label, event.reason) == ("operator", operator.email, "Unpaid")
    assert signed_in(acme.owner).get("/o/acme/").status_code == 403
    assert b"Unpaid" in console.get(of(acme)).content


def test_resuming_opens_it_again(acme: Tenant, console: Client) -> None:
    console.post(of(acme, "suspend"), {"reason": "Unpaid"})
    assert console.post(of(acme, "resume")).status_code == 302

    assert not stored(acme).is_suspended
    assert signed_in(acme.owner).get("/o/acme/").status_code == 200
    assert events(acme, "organization.resumed")


def test_deletion_is_scheduled_by_typing_the_identifier_and_called_off(acme: Tenant, console: Client) -> None:
    url = of(acme, "schedule-deletion")
    assert console.post(url, {"typed_confirmation": "globex"}).status_code == 422
    assert console.post(url, {"typed_confirmation": "acme", "reason": "Asked by mail"}).status_code == 302
    assert stored(acme).is_being_deleted
    assert console.post(of(acme, "restore")).status_code == 302

    assert not stored(acme).is_being_deleted
    assert events(acme, "organization.deletion_requested")[0].reason == "Asked by mail"
    assert events(acme, "organization.restored")


def test_an_owner_is_added_only_where_none_is_left(acme: Tenant, console: Client, superuser: Any) -> None:
    url = of(acme, "add-owner")
    data = {"owner": acme.member.email, "reason": "The owner left the company"}
    assert b"Add an owner" not in console.get(of(acme)).content
    console.post(url, data)
    with tenant_scope(acme.organization):
        assert acme.membership("member").role.key == "member"

    close_login(superuser, acme.owner)
    assert b"No active owner" in console.get(LIST).content
    assert [row.slug for row in console.get(f"{LIST}?state=ownerless").context["cl"].result_list] == ["acme"]
    assert console.post(url, {**data, "owner": "nobody@acme.example"}).status_code == 422
    assert console.post(url, data).status_code == 302
    with tenant_scope(acme.organization):
        assert acme.membership("member").role.key == "owner"
    (event,) = events(acme, "member.role_changed")
    assert (event.actor_kind, event.reason) == ("operator", data["reason"])


def test_an_owner_from_outside_becomes_a_member(acme: Tenant, stranger: User, console: Client, superuser: Any) -> None:
    close_login(superuser, acme.owner)
    console.post(of(acme, "add-owner"), {"owner": stranger.email, "reason": "Asked by mail"})

    with tenant_scope(acme.organization):
        membership = Membership.objects.select_related("role").get(user=stranger)
        assert (membership.role.key, membership.source) == ("owner", "operator")
    (event,) = [event for event in events(acme, "member.added") if event.actor_kind == "operator"]
    assert event.reason == "Asked by mail"


def test_an_organization_that_does_not_exist_is_not_found(console: Client) -> None:
    assert console.get(f"{LIST}{uuid4()}/change/").status_code == 404
    assert console.post(f"{LIST}{uuid4()}/suspend/", {"reason": "x"}).status_code == 404


def test_support_begins_with_a_reason_and_is_linked(acme: Tenant, console: Client) -> None:
    link = f"/admin/support/{acme.organization.pk}/"

    assert link.encode() in console.get(LIST).content
    assert link.encode() in console.get(of(acme)).content
    assert console.get("/o/acme/").status_code == 404
    assert console.post(link, {"reason": "Ticket 7"}).status_code == 302
    assert console.get("/o/acme/audit/").status_code == 200
    assert events(acme, "support.entered")[0].reason == "Ticket 7"


def test_the_history_of_an_organization_is_its_log(acme: Tenant, console: Client) -> None:
    response = console.get(of(acme, "history"), follow=True)

    assert {event.organization_label for event in response.context["events"]} == {"acme"}


# Settings ----------------------------------------------------------------------------------------

VALUES = {
    "organization_creation": "operators",
    "default_role": "member",
    "organization_naming_pattern": "",
    "organization_naming_hint": "client-acme-corp",
    "deletion_grace_days": "3",
    "invitations_per_day": "200",
}


def test_settings_are_saved_and_recorded(acme: Tenant, console: Client, operator: User) -> None:
    choice = {"default_organization_id": str(acme.organization.pk), "default_project_id": str(acme.project.pk)}
    response = console.post(SETTINGS, {**VALUES, **choice})

    assert response.status_code == 302
    saved = InstallationSettings.load()
    assert (saved.signup_enabled, saved.deletion_grace_days) == (False, 3)
    assert (saved.default_organization_id, saved.default_project_id) == (acme.organization.pk, acme.project.pk)
    with acting_as(SYSTEM), operator_scope("test"):
        (event,) = Event.objects.filter(action="installation.updated")
    assert (event.organization_id, event.actor_label) == (None, operator.email)
    assert event.after["signup_enabled"] is False
    page = console.get(SETTINGS).content.decode()
    assert "Acme (acme)" in page
    assert "Chatbot" in page


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"deletion_grace_days": "0"}, "deletion_grace_days"),
        ({"organization_naming_pattern": "("}, "organization_naming_pattern"),
        ({"default_organization_id": str(uuid4())}, "default_organization_id"),
    ],
)
def test_refused_settings_say_why(console: Client, values: dict[str, str], field: str) -> None:
    response = console.post(SETTINGS, {**VALUES, **values})

    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert InstallationSettings.load().signup_enabled is True


def test_a_project_of_another_organization_is_refused(acme: Tenant, globex: Tenant, console: Client) -> None:
    choice = {"default_organization_id": str(acme.organization.pk), "default_project_id": str(globex.project.pk)}

    assert console.post(SETTINGS, {**VALUES, **choice}).status_code == 422
    assert InstallationSettings.load().default_project_id is None
