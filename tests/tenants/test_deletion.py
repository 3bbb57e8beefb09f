"""Deleting in two steps: scheduled and restorable, then purged by the system, with the audit log left behind."""

from datetime import timedelta
from typing import Any

import pytest

from isolation.actor import SYSTEM, Actor, ActorKind
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tenants.models import GroupRole, Invitation, Organization, Project, ProjectMembership, ProjectUserGrant
from tenants.services import organizations, projects
from tenants.services.groups import create_group
from tenants.services.installation import update_installation_settings
from tenants.services.invitations import invite_member
from tenants.tasks import purge_due
from tests.audit.retention.stage import let_pass
from tests.filling import fill
from tests.isolation.tables import KEPT_TABLES, SEALED_TABLES, TENANT_TABLES
from tests.isolation.test_rows import contents
from tests.people import Tenant
from tests.tenants.stage import events

OPERATOR = Actor(ActorKind.OPERATOR, None, "operator@gatehouse.example")


def schedule(tenant: Tenant, what: str) -> Any:
    with tenant.acting("owner") as actor:
        if what == "project":
            return projects.request_project_deletion(project=tenant.project, actor=actor, reason="Old")
        return organizations.request_deletion(organization=tenant.organization, actor=actor, reason="Old")


def restore(tenant: Tenant, what: str, who: str = "owner") -> Any:
    with tenant.acting(who) as actor:
        if what == "project":
            return projects.restore_project(project=tenant.project, actor=actor)
        return organizations.restore_organization(organization=tenant.organization, actor=actor)


def purge(tenant: Tenant, what: str, actor: Actor = SYSTEM) -> None:
    with tenant_scope(tenant.organization):
        if what == "project":
            projects.purge_project(project=tenant.project, actor=actor)
        else:
            organizations.purge_organization(organization=tenant.organization, actor=actor)


def age(superuser, what: str, tenant: Tenant) -> None:
    """Let the grace period be over, behind the application's back."""
    table = {"project": "tenants_project", "organization": "tenants_organization"}[what]
    row = {"project": tenant.project, "organization": tenant.organization}[what]
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute(f"UPDATE {table} SET purge_at = now() WHERE id = %s", [row.pk])  # noqa: S608 - two tables


@pytest.mark.parametrize("what", ["project", "organization"])
def test_a_stranger_schedules_nothing(what: str, acme: Tenant, globex: Tenant) -> None:
    with pytest.raises(MissingPermission), globex.acting("owner") as actor:
        if what == "project":
            projects.request_project_deletion(project=acme.project, actor=actor)
        else:
            organizations.request_deletion(organization=acme.organization, actor=actor)


@pytest.mark.parametrize("days", [1, 7, 30])
@pytest.mark.parametrize("what", ["project", "organization"])
def test_the_grace_period_is_the_installations(what: str, days: int, acme: Tenant) -> None:
    update_installation_settings(actor=SYSTEM, deletion_grace_days=days)
    row = schedule(acme, what)
    assert row.is_being_deleted
    assert not row.is_due()
    assert row.purge_at - row.deletion_requested_at == timedelta(days=days)
    (event,) = events(acme, f"{what}.deletion_requested")
    assert event.reason == "Old"
    assert set(event.after) == {"deletion_requested_at", "purge_at"}


@pytest.mark.parametrize("what", ["project", "organization"])
def test_it_is_scheduled_once_restored_and_scheduled_again(what: str, acme: Tenant) -> None:
    with pytest.raises(DomainError) as refused:
        restore(acme, what)
    assert refused.value.code == "not_scheduled"
    schedule(acme, what)
    with pytest.raises(DomainError) as refused:
        schedule(acme, what)
    assert refused.value.code == "already_scheduled"
    with pytest.raises(MissingPermission):
        restore(acme, what, "viewer")
    assert not restore(acme, what).is_being_deleted
    assert len(events(acme, f"{what}.restored")) == 1
    assert schedule(acme, what).is_being_deleted


def test_nothing_new_is_made_while_the_organization_is_being_deleted(acme: Tenant) -> None:
    schedule(acme, "organization")
    with acme.acting("owner") as actor:
        with pytest.raises(DomainError, match="being deleted"):
            projects.create_project(
                organization=acme.organization, slug="new", name="New", environment="staging", actor=actor
            )
        with pytest.raises(DomainError, match="being deleted"):
            invite_member(organization=acme.organization, email="new@example.org", role=None, actor=actor)


@pytest.mark.parametrize("what", ["project", "organization"])
def test_before_its_time_nothing_is_purged(what: str, acme: Tenant) -> None:
    for _ in range(2):
        with pytest.raises(DomainError) as refused:
            purge(acme, what)
        assert refused.value.code == "not_due"
        if not events(acme, f"{what}.deletion_requested"):
            schedule(acme, what)
    assert purge_due() == 0


@pytest.mark.parametrize("what", ["project", "organization"])
def test_only_the_system_purges(what: str, acme: Tenant, superuser) -> None:
    schedule(acme, what)
    age(superuser, what, acme)
    with acme.acting("owner") as owner:
        people = [owner, OPERATOR]
    for person in people:
        with pytest.raises(DomainError) as refused:
            purge(acme, what, person)
        assert refused.value.code == "system_only"


def test_a_purged_project_takes_what_hangs_on_it_and_nothing_else(acme: Tenant, globex: Tenant, superuser) -> None:
    fill(acme)
    fill(globex)
    others = contents(superuser, globex.organization.pk)
    past = [event.pk for event in events(acme)]
    schedule(acme, "project")
    age(superuser, "project", acme)
    assert purge_due() == 1
    with tenant_scope(acme.organization):
        assert not Project.objects.exists()
        assert not ProjectMembership.objects.exists()
        assert not ProjectUserGrant.objects.exists()
        assert not GroupRole.objects.exists()
        invitation = Invitation.objects.get()
        assert (invitation.project, invitation.project_role) == (None, None), "the invitation itself stays"
        assert Organization.objects.get() == acme.organization
    after = events(acme)
    assert {event.pk for event in after} > set(past)
    assert (after[-1].action, after[-1].actor_kind, after[-1].target_label) == ("project.purged", "system", "Chatbot")
    assert contents(superuser, globex.organization.pk) == others


def test_a_purged_organization_leaves_its_log_and_nothing_else(acme: Tenant, globex: Tenant, superuser) -> None:
    fill(acme)
    fill(globex)
    let_pass(superuser, "audit_legalhold", "released_at = now() - interval '8 days'")
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute("DELETE FROM audit_deletedlog WHERE organization_id = %s", [acme.organization.pk])
    others = contents(superuser, globex.organization.pk)
    with acme.acting("owner") as actor:
        create_group(organization=acme.organization, name="Another", actor=actor)
    past = {event.pk for event in events(acme)}
    schedule(acme, "organization")
    age(superuser, "organization", acme)
    assert purge_due() == 1
    left = {table for table, rows in contents(superuser, acme.organization.pk).items() if rows}
    assert left == {"audit_event", "audit_unattributedchange", *SEALED_TABLES, *KEPT_TABLES}
    assert set(TENANT_TABLES) > left
    after = events(acme)
    assert {event.pk for event in after} > past
    assert (after[-1].action, after[-1].target_label) == ("organization.purged", "Acme")
    assert contents(superuser, globex.organization.pk) == others
    assert purge_due() == 0


def test_a_restored_one_is_not_purged(acme: Tenant, superuser) -> None:
    schedule(acme, "organization")
    restore(acme, "organization")
    assert purge_due() == 0
    with tenant_scope(acme.organization):
        assert Organization.objects.get().purge_at is None
