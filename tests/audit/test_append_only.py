"""Events are written once: no privilege, and where one is granted by mistake a trigger, lets them be rewritten."""

import psycopg
import pytest
from django.db import DatabaseError, connection
from psycopg import errors, sql

from audit.models import Event
from isolation.scope import tenant_scope
from tests.people import Tenant
from tests.tenants.stage import events

REWRITES = ["UPDATE audit_event SET reason = ''", "DELETE FROM audit_event", "TRUNCATE audit_event"]


@pytest.mark.parametrize("rewrite", REWRITES)
def test_the_app_has_no_privilege_to_rewrite(rewrite: str, acme: Tenant) -> None:
    before = len(events(acme))
    with (
        pytest.raises(DatabaseError, match="permission denied"),
        tenant_scope(acme.organization),
        connection.cursor() as cursor,
    ):
        cursor.execute(rewrite)
    assert len(events(acme)) == before


def test_the_orm_rewrites_nothing_either(acme: Tenant) -> None:
    event = events(acme)[0]
    for rewrite in (
        event.save,
        event.delete,
        lambda: Event.objects.update(reason="nothing"),
        lambda: Event.objects.all().delete(),
        lambda: Event.objects.bulk_update([event], ["reason"]),
    ):
        with pytest.raises(DatabaseError), tenant_scope(acme.organization):
            event.reason = "nothing"
            rewrite()
    assert events(acme)[0].reason == ""


@pytest.mark.parametrize("role", ["gatehouse_owner", "gatehouse_app", "gatehouse_audit", "postgres"])
@pytest.mark.parametrize("rewrite", REWRITES)
def test_a_privilege_granted_by_mistake_does_not_help(
    rewrite: str, role: str, acme: Tenant, superuser: psycopg.Connection
) -> None:
    before = [(event.pk, event.reason) for event in events(acme)]
    refused = ""
    try:
        with superuser.transaction():
            superuser.execute("GRANT ALL ON audit_event TO gatehouse_app, gatehouse_owner")
            superuser.execute("SELECT set_config('app.organization', %s, true)", [str(acme.organization.pk)])
            superuser.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
            # No policy is for UPDATE or DELETE, so whom policies bind finds no row; everybody else meets the trigger.
            assert superuser.execute(rewrite).rowcount == 0
            raise psycopg.Rollback
    except errors.InsufficientPrivilege as error:
        refused = str(error)
    if role in {"gatehouse_audit", "postgres"} or rewrite.startswith("TRUNCATE"):
        assert "append-only" in refused
    assert [(event.pk, event.reason) for event in events(acme)] == before


def test_a_partition_cannot_be_rewritten_either(acme: Tenant, superuser: psycopg.Connection) -> None:
    [(partition,)] = superuser.execute("SELECT tableoid::regclass::text FROM audit_event LIMIT 1").fetchall()
    for rewrite in ("UPDATE {} SET reason = ''", "DELETE FROM {}", "TRUNCATE {}"):
        with pytest.raises(errors.InsufficientPrivilege, match="append-only"), superuser.transaction():
            superuser.execute(sql.SQL(rewrite).format(sql.Identifier(partition)))


def test_a_stranger_writes_no_event_into_another_log(acme: Tenant, globex: Tenant) -> None:
    event = events(acme)[0]
    forged = Event(
        organization_id=acme.organization.pk,
        actor_kind="user",
        actor_label="owner@acme.example",
        via="console",
        action=event.action,
    )
    with pytest.raises(DatabaseError, match="row-level security"), tenant_scope(globex.organization):
        forged.save()


def test_an_event_needs_the_scope_of_its_organization(acme: Tenant) -> None:
    forged = Event(organization_id=acme.organization.pk, actor_kind="user", actor_label="x", via="console", action="x")
    with pytest.raises(DatabaseError, match=r"uuid|app\.organization"):
        forged.save()


def test_an_unknown_outcome_is_refused(acme: Tenant) -> None:
    with pytest.raises(DatabaseError, match="outcome"), tenant_scope(acme.organization):
        Event(
            organization_id=acme.organization.pk, actor_kind="user", actor_label="x", via="cli", action="x", outcome="?"
        ).save()
