"""Unattributed changes reach the log, the page, the API and people's mailboxes, once."""

from typing import Any

import psycopg
import pytest
from django.core import mail
from django.core.cache import cache
from django.db import connections

from accounts.models import User
from audit.models import Event
from audit.sentences import sentence
from audit.tasks import reconcile_changes
from isolation.scope import tenant_scope
from tests.api.calls import by
from tests.people import Tenant, signed_in
from tests.tenants.stage import events

FOUND = "unattributed_change.found"
PAGE = "/o/acme/audit/unattributed/"
OPERATOR_PAGE = "/admin/audit/unattributed/"
API = "/organizations/acme/unattributed-changes"


@pytest.fixture
def by_hand(acme: Tenant, globex: Tenant, superuser: psycopg.Connection) -> psycopg.Connection:
    """Return a superuser's connection whose session goes around the guard."""
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("SET application_name = 'psql'")
    return superuser


def rename(by_hand: psycopg.Connection, tenant: Tenant, name: str = "Mine") -> None:
    by_hand.execute("UPDATE tenants_project SET name = %s WHERE id = %s", [name, tenant.project.pk])


def test_each_log_tells_of_its_own_changes_once(acme: Tenant, globex: Tenant, by_hand: psycopg.Connection) -> None:
    rename(by_hand, acme)
    by_hand.execute("UPDATE accounts_user SET is_operator = true WHERE id = %s", [globex.owner.pk])
    assert reconcile_changes() == 2
    assert reconcile_changes() == 0
    (event,) = events(acme, FOUND)
    assert (event.actor_kind, event.target_label, event.organization_id) == (
        "system",
        "tenants_project",
        acme.organization.pk,
    )
    assert sentence(event).startswith(
        "Gatehouse found UPDATE on tenants_project by postgres, which no event tells of"
    ), sentence(event)
    told = {name: event.after[name] for name in ("operation", "rows", "keys", "database_user", "application_name")}
    assert told == {
        "operation": "UPDATE",
        "rows": 1,
        "keys": [str(acme.project.pk)],
        "database_user": "postgres",
        "application_name": "psql",
    }
    assert by_hand.execute(
        "SELECT event_id FROM audit_unattributedchange WHERE organization_id IS NOT NULL"
    ).fetchall() == [(event.pk,)]
    assert events(globex, FOUND) == []
    installation = Event._base_manager.using("operator").filter(organization_id=None, action=FOUND)
    with connections["operator"].cursor():
        assert [found.target_label for found in installation] == ["accounts_user"]


def test_a_loop_of_statements_is_one_event(acme: Tenant, by_hand: psycopg.Connection) -> None:
    for number in range(30):
        rename(by_hand, acme, f"Mine {number}")
    reconcile_changes()
    (event,) = events(acme, FOUND)
    assert (event.after["rows"], event.after["statements"], len(event.after["keys"])) == (30, 30, 20)


def test_owners_and_operators_are_told_once_an_hour(
    acme: Tenant, globex: Tenant, operator: User, by_hand: psycopg.Connection, mailoutbox: Any
) -> None:
    mail.outbox.clear()
    rename(by_hand, acme)
    reconcile_changes()
    rename(by_hand, acme, "Mine again")
    reconcile_changes()
    assert sorted(message.to[0] for message in mail.outbox) == sorted([acme.owner.email, operator.email])
    (own,) = [message for message in mail.outbox if message.to == [acme.owner.email]]
    assert own.subject == "Acme: the database changed without an audit event"
    assert "UPDATE on tenants_project, 1 row, by the database user postgres" in own.body
    assert "/o/acme/audit/unattributed/" in own.body
    assert len(events(acme, FOUND)) == 2, "the log tells of all of them"
    mail.outbox.clear()
    rename(by_hand, globex)
    reconcile_changes()
    assert sorted(message.to[0] for message in mail.outbox) == sorted([operator.email, globex.owner.email])
    mail.outbox.clear()
    cache.clear()  # an hour later
    rename(by_hand, acme, "Mine for ever")
    reconcile_changes()
    assert len(mail.outbox) == 2


def test_changes_of_a_deleted_organization_are_told(acme: Tenant, by_hand: psycopg.Connection) -> None:
    by_hand.execute("DELETE FROM tenants_organization WHERE id = %s", [acme.organization.pk])
    reconcile_changes()
    assert [event.target_label for event in events(acme, FOUND)] == ["tenants_organization"]


# Who reads of them ---------------------------------------------------------------------------------


def test_a_stranger_does_not_find_the_page(acme: Tenant, globex: Tenant, by_hand: psycopg.Connection) -> None:
    rename(by_hand, acme)
    assert signed_in(globex.owner).get(PAGE).status_code == 404
    own = signed_in(globex.owner).get("/o/globex/audit/unattributed/")
    assert b"Every change carries its event" in own.content
    assert b"tenants_project" not in own.content
    assert by(globex.owner).get(API).status_code == 404
    assert by(globex.owner).get("/organizations/globex/unattributed-changes").json()["data"] == []


@pytest.mark.parametrize(
    ("person", "may"), [("owner", True), ("admin", True), ("auditor", True), ("member", False), ("viewer", False)]
)
def test_the_page_and_the_api_need_the_whole_log(
    person: str, *, may: bool, acme: Tenant, by_hand: psycopg.Connection
) -> None:
    rename(by_hand, acme)
    page = signed_in(acme.people[person]).get(PAGE)
    answer = by(acme.people[person]).get(API)
    assert (page.status_code, answer.status_code) == ((200, 200) if may else (403, 403))
    if may:
        assert b"tenants_project" in page.content
        assert b"its event follows within a minute" in page.content


def test_the_page_leads_to_the_event(acme: Tenant, by_hand: psycopg.Connection) -> None:
    rename(by_hand, acme)
    reconcile_changes()
    (event,) = events(acme, FOUND)
    client = signed_in(acme.auditor)
    assert f"/o/acme/audit/{event.pk}/" in client.get(PAGE).content.decode()
    assert client.get(f"/o/acme/audit/{event.pk}/").status_code == 200


def test_operators_see_all_logs_and_what_is_watched(acme: Tenant, operator: User, by_hand: psycopg.Connection) -> None:
    rename(by_hand, acme)
    by_hand.execute("UPDATE accounts_user SET is_active = true, name = 'x' WHERE id = %s", [acme.viewer.pk])
    page = signed_in(operator).get(OPERATOR_PAGE).content.decode()
    assert "Installation" in page
    assert ">acme<" in page
    assert "tables are watched" in page
    by_hand.execute("ALTER TABLE tenants_role DISABLE TRIGGER audit_capture_update")
    try:
        assert "tenants_role is not always watched" in signed_in(operator).get(OPERATOR_PAGE).content.decode()
    finally:
        by_hand.execute("ALTER TABLE tenants_role ENABLE ALWAYS TRIGGER audit_capture_update")


def test_the_api_narrows(acme: Tenant, by_hand: psycopg.Connection) -> None:
    rename(by_hand, acme)
    by_hand.execute("UPDATE tenants_role SET name = name || '!' WHERE organization_id = %s", [acme.organization.pk])
    caller = by(acme.auditor)
    (row,) = caller.get(f"{API}?table=tenants_project").json()["data"]
    assert (row["why"], row["operation"], row["rows"], row["keys"]) == ("no_event", "UPDATE", 1, [str(acme.project.pk)])
    assert len(caller.get(f"{API}?database_user=postgres").json()["data"]) == 2
    assert caller.get(f"{API}?database_user=gatehouse_app").json()["data"] == []
    with tenant_scope(acme.organization):
        assert Event.objects.filter(action=FOUND).count() == 0
