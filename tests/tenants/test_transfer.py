"""A project moves to another organization: with rights on both sides, without its people, leaving its past behind."""

import uuid

import pytest

from isolation.actor import SYSTEM
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tenants.access import user_actor
from tenants.models import (
    GroupRole,
    Invitation,
    Membership,
    Organization,
    Project,
    ProjectGroupGrant,
    ProjectMembership,
    ProjectUserGrant,
    Source,
)
from tenants.permissions import P
from tenants.services.members import add_member, change_role, remove_member
from tenants.services.organizations import request_deletion, suspend_organization, update_organization
from tenants.services.projects import request_project_deletion, transfer_project
from tests.filling import fill
from tests.people import Tenant, make_project
from tests.tenants.stage import custom_role, events


@pytest.fixture
def billing(acme: Tenant, globex: Tenant) -> Project:
    """Return a project of acme whose owner is an owner of globex too."""
    with tenant_scope(globex.organization):
        add_member(
            organization=globex.organization,
            user=acme.owner,
            role=globex.role("owner"),
            source=Source.MANUAL,
            actor=SYSTEM,
        )
    with tenant_scope(acme.organization):
        return make_project(acme, "billing")


def move(project: Project, source: Tenant, target_id: uuid.UUID, who: str = "owner") -> Project:
    with source.acting(who) as actor:
        return transfer_project(
            project=project, target_id=target_id, user=source.people[who], actor=actor, reason="Sold"
        )


def stays(project: Project, tenant: Tenant) -> bool:
    with tenant_scope(tenant.organization):
        return bool(Project.objects.filter(pk=project.pk).exists())


@pytest.mark.parametrize("who", ["admin", "member", "viewer", "auditor", "none"])
def test_without_the_permission_here_it_stays(who: str, billing: Project, acme: Tenant, globex: Tenant) -> None:
    with pytest.raises(MissingPermission, match="projects:transfer"):
        move(billing, acme, globex.organization.pk, who)
    assert stays(billing, acme)


def test_a_stranger_takes_nothing(billing: Project, acme: Tenant, globex: Tenant) -> None:
    with pytest.raises(MissingPermission), globex.acting("owner") as actor:
        transfer_project(project=billing, target_id=globex.organization.pk, user=globex.owner, actor=actor)
    with pytest.raises(MissingPermission), tenant_scope(acme.organization):
        actor = user_actor(globex.owner, acme.organization.pk)
        transfer_project(project=billing, target_id=globex.organization.pk, user=globex.owner, actor=actor)
    assert stays(billing, acme)


@pytest.mark.parametrize("role", ["admin", "viewer", "none", "creates only", "nobody"])
def test_without_the_permission_there_it_stays(role: str, billing: Project, acme: Tenant, globex: Tenant) -> None:
    with globex.acting("owner") as actor:
        stored = Membership.objects.get(user=acme.owner)
        if role == "nobody":
            remove_member(membership=stored, actor=actor)
        else:
            new = custom_role(globex, "Creator", [P.PROJECTS_CREATE]) if " " in role else globex.role(role)
            change_role(membership=stored, role=new, actor=actor)
    with pytest.raises(DomainError) as refused:
        move(billing, acme, globex.organization.pk)
    assert refused.value.code == "target_refuses"
    assert stays(billing, acme)
    assert [event.actor_label for event in events(globex, "access.denied")] == [acme.owner.email]


def test_nobody_lends_their_rights_there(billing: Project, acme: Tenant, globex: Tenant) -> None:
    with pytest.raises(DomainError) as refused, acme.acting("owner") as actor:
        transfer_project(project=billing, target_id=globex.organization.pk, user=globex.owner, actor=actor)
    assert refused.value.code == "other_person"


def test_an_organization_that_does_not_exist(billing: Project, acme: Tenant) -> None:
    with pytest.raises(DomainError) as refused:
        move(billing, acme, uuid.uuid4())
    assert refused.value.code == "unknown_target"
    with pytest.raises(DomainError) as refused:
        move(billing, acme, acme.organization.pk)
    assert refused.value.code == "same_organization"


def test_a_taken_identifier_is_refused(billing: Project, acme: Tenant, globex: Tenant) -> None:
    with pytest.raises(DomainError) as refused:
        move(acme.project, acme, globex.organization.pk)
    assert (refused.value.code, refused.value.field) == ("duplicate", "target")
    assert stays(acme.project, acme)


def test_the_naming_pattern_there_counts(billing: Project, acme: Tenant, globex: Tenant) -> None:
    with globex.acting("owner") as actor:
        update_organization(
            organization=globex.organization,
            actor=actor,
            name="Globex",
            default_role=None,
            project_naming_pattern="globex-[a-z]+",
            project_naming_hint="globex-chatbot",
        )
    with pytest.raises(DomainError, match="globex-chatbot") as refused:
        move(billing, acme, globex.organization.pk)
    assert refused.value.code == "naming_pattern"
    assert stays(billing, acme)


@pytest.mark.parametrize("state", ["source project", "target deleted", "target suspended"])
def test_nothing_moves_out_of_or_into_what_is_closed(
    state: str, billing: Project, acme: Tenant, globex: Tenant
) -> None:
    if state == "source project":
        with acme.acting("owner") as actor:
            request_project_deletion(project=billing, actor=actor)
    else:
        with globex.acting("owner") as actor:
            if state == "target deleted":
                request_deletion(organization=globex.organization, actor=actor)
            else:
                suspend_organization(organization=globex.organization, actor=SYSTEM, reason="Unpaid")
    with pytest.raises(DomainError) as refused:
        move(billing, acme, globex.organization.pk)
    assert refused.value.code in {"being_deleted", "target_closed"}
    assert stays(billing, acme)


def test_people_stay_behind_and_both_logs_tell(acme: Tenant, globex: Tenant, billing: Project) -> None:
    fill(acme)  # every kind of row hangs on the project now
    project = acme.project
    with globex.acting("owner") as actor:
        request_project_deletion(project=globex.project, actor=actor)
        Project.objects.filter(pk=globex.project.pk).update(slug="elsewhere")  # makes room for the identifier
    past = [event.pk for event in events(acme) if event.project_id == project.pk]
    assert past
    moved = move(project, acme, globex.organization.pk)
    assert moved.organization_id == globex.organization.pk
    for tenant in (acme, globex):
        with tenant_scope(tenant.organization):
            for ties in (
                ProjectMembership.objects.filter(project_id=project.pk),
                GroupRole.objects.filter(project_id=project.pk),
                ProjectUserGrant.objects.filter(content_object_id=project.pk),
                ProjectGroupGrant.objects.filter(content_object_id=project.pk),
                Invitation.objects.filter(project_id=project.pk),
            ):
                assert not ties.exists()
    with tenant_scope(acme.organization):
        assert Invitation.objects.get().project_role is None, "the invitation into the organization stays"
    assert not stays(project, acme)
    assert stays(project, globex)
    here, there = events(acme, "project.transferred_away"), events(globex, "project.transferred_here")
    (ended,) = events(acme, "provider_credential.deleted")
    assert {event.pk for event in events(acme) if event.project_id == project.pk} == {*past, ended.pk, here[0].pk}
    assert [event.pk for event in events(globex) if event.project_id == project.pk] == [there[0].pk]
    for event in (here[0], there[0]):
        assert (event.before["organization"], event.after["organization"]) == ("Acme", "Globex")
        assert (event.actor_id, event.reason, event.target_id) == (acme.owner.pk, "Sold", str(project.pk))
    with globex.acting("owner") as actor:
        assert actor.can(P.PROJECTS_MANAGE, moved)
    with acme.acting("owner") as actor:
        assert not actor.can(P.PROJECTS_READ, moved)


def test_a_move_that_fails_at_the_end_leaves_everything_as_it_was(
    billing: Project, acme: Tenant, globex: Tenant, monkeypatch
) -> None:
    before = len(events(acme))
    monkeypatch.setattr("tenants.signals.project_transferred_here.announce", lambda *args, **kwargs: None)
    with pytest.raises(Exception, match="wrote no audit event"):
        move(billing, acme, globex.organization.pk)
    assert stays(billing, acme)
    assert not stays(billing, globex)
    assert len(events(acme)) == before
    with tenant_scope(globex.organization):
        assert Organization.objects.get() == globex.organization
