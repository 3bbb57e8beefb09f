"""Nobody grants, invites to, edits or takes away what is above their own permissions; each refusal is recorded."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from isolation.actor import Actor
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tenants.access import user_actor
from tenants.models import (
    Group,
    GroupMember,
    GroupRole,
    Invitation,
    Membership,
    Organization,
    Project,
    ProjectGroupGrant,
    ProjectMembership,
    ProjectUserGrant,
    Role,
)
from tenants.permissions import P
from tenants.services import exceptions, groups, invitations, members, organizations, projects, roles
from tests.people import Tenant
from tests.tenants.stage import custom_role, events, join, lean_manager

OWN_CODE = "above_own_permissions"
Verb = Callable[[Tenant, Actor], Any]


@pytest.fixture
def high(acme: Tenant) -> Tenant:
    """Return a tenant with rows that are above a lean manager's own permissions, organization-wide and in a project."""
    with acme.acting("owner") as actor:
        high_role = custom_role(acme, "High", [P.SSO_MANAGE])
        crew = groups.create_group(organization=acme.organization, name="Crew", actor=actor)
        groups.add_group_member(group=crew, membership=acme.membership("viewer"), actor=actor)
        groups.set_group_role(group=crew, role=high_role, actor=actor)
        groups.set_group_role(group=crew, role=high_role, project=acme.project, actor=actor)
        groups.create_group(organization=acme.organization, name="Empty", actor=actor)
        members.set_project_role(
            membership=acme.membership("viewer"), project=acme.project, role=acme.role("admin"), actor=actor
        )
        members.set_project_role(
            membership=acme.membership("none"), project=acme.project, role=acme.role("none"), actor=actor
        )
        for permission in ("traces:read", "api_keys:manage"):
            exceptions.grant_to_member(
                project=acme.project, membership=acme.membership("none"), permission=permission, actor=actor
            )
        exceptions.grant_to_group(project=acme.project, group=crew, permission="api_keys:manage", actor=actor)
        for email, role, project_role in (
            ("high@example.org", acme.role("admin"), None),
            ("high-there@example.org", acme.role("none"), acme.role("admin")),
        ):
            invitations.invite_member(
                organization=acme.organization,
                email=email,
                role=role,
                project=acme.project if project_role else None,
                project_role=project_role,
                actor=actor,
            )
        join(acme, "plain", acme.role("none"))
        custom_role(acme, "Spare", [P.SSO_MANAGE])
    return acme


def group(name: str = "Crew") -> Group:
    found: Group = Group.objects.get(name=name)
    return found


def role(name: str = "High") -> Role:
    found: Role = Role.objects.get(name=name)
    return found


def invitation(email: str) -> Invitation:
    found: Invitation = Invitation.objects.get(email=email)
    return found


ABOVE: dict[str, Verb] = {
    "change the role of an owner": lambda t, a: members.change_role(
        membership=t.membership("owner"), role=t.role("none"), actor=a
    ),
    "change the role of an admin": lambda t, a: members.change_role(
        membership=t.membership("admin"), role=t.role("none"), actor=a
    ),
    "make somebody owner": lambda t, a: members.change_role(
        membership=t.membership("plain"), role=t.role("owner"), actor=a
    ),
    "make somebody admin": lambda t, a: members.change_role(
        membership=t.membership("plain"), role=t.role("admin"), actor=a
    ),
    "make oneself admin": lambda t, a: members.change_role(
        membership=t.membership("manager"), role=t.role("admin"), actor=a
    ),
    "give a custom role": lambda t, a: members.change_role(membership=t.membership("plain"), role=role(), actor=a),
    "deactivate an admin": lambda t, a: members.set_member_active(
        membership=t.membership("admin"), active=False, actor=a
    ),
    "remove an admin": lambda t, a: members.remove_member(membership=t.membership("admin"), actor=a),
    "remove an owner": lambda t, a: members.remove_member(membership=t.membership("owner"), actor=a),
    "give a project role": lambda t, a: members.set_project_role(
        membership=t.membership("plain"), project=t.project, role=t.role("member"), actor=a
    ),
    "replace a project role": lambda t, a: members.set_project_role(
        membership=t.membership("viewer"), project=t.project, role=t.role("none"), actor=a
    ),
    "hide a project from an admin": lambda t, a: members.set_project_role(
        membership=t.membership("admin"), project=t.project, role=t.role("none"), actor=a
    ),
    "take a project role away": lambda t, a: members.remove_project_role(
        project_membership=ProjectMembership.objects.get(membership=t.membership("viewer")), actor=a
    ),
    "invite an admin": lambda t, a: invitations.invite_member(
        organization=t.organization, email="new@example.org", role=t.role("admin"), actor=a
    ),
    "invite into a project as admin": lambda t, a: invitations.invite_member(
        organization=t.organization,
        email="new@example.org",
        role=t.role("none"),
        project=t.project,
        project_role=t.role("admin"),
        actor=a,
    ),
    "invite with the default role": lambda t, a: invitations.invite_member(
        organization=t.organization, email="new@example.org", role=None, actor=a
    ),
    "resend an admin's invitation": lambda t, a: invitations.resend_invitation(
        invitation=invitation("high@example.org"), actor=a
    ),
    "revoke an admin's invitation": lambda t, a: invitations.revoke_invitation(
        invitation=invitation("high@example.org"), actor=a
    ),
    "resend an invitation as admin of a project": lambda t, a: invitations.resend_invitation(
        invitation=invitation("high-there@example.org"), actor=a
    ),
    "revoke an invitation as admin of a project": lambda t, a: invitations.revoke_invitation(
        invitation=invitation("high-there@example.org"), actor=a
    ),
    "create a role": lambda t, a: roles.create_role(
        organization=t.organization, name="Mine", permissions=[P.SSO_MANAGE], actor=a
    ),
    "widen one's own role": lambda t, a: roles.update_role(
        role=role("Manager"), name="Manager", permissions=list(P), actor=a
    ),
    "narrow a role": lambda t, a: roles.update_role(role=role(), name="High", permissions=[], actor=a),
    "delete a role": lambda t, a: roles.delete_role(role=role("Spare"), actor=a),
    "give a group a role": lambda t, a: groups.set_group_role(group=group("Empty"), role=role(), actor=a),
    "give a group a role in a project": lambda t, a: groups.set_group_role(
        group=group("Empty"), role=role(), project=t.project, actor=a
    ),
    "replace a group's role": lambda t, a: groups.set_group_role(group=group(), role=t.role("none"), actor=a),
    "take a group's role away": lambda t, a: groups.remove_group_role(
        group_role=GroupRole.objects.get(group=group(), project=None), actor=a
    ),
    "join a group": lambda t, a: groups.add_group_member(group=group(), membership=t.membership("manager"), actor=a),
    "take somebody out of a group": lambda t, a: groups.remove_group_member(place=GroupMember.objects.get(), actor=a),
    "delete a group": lambda t, a: groups.delete_group(group=group(), actor=a),
    "grant oneself an exception": lambda t, a: exceptions.grant_to_member(
        project=t.project, membership=t.membership("manager"), permission="traces:read", actor=a
    ),
    "grant a group an exception": lambda t, a: exceptions.grant_to_group(
        project=t.project, group=group("Empty"), permission="traces:read", actor=a
    ),
    "revoke a member's exception": lambda t, a: exceptions.revoke_exception(
        grant=ProjectUserGrant.objects.get(permission__codename="api_keys:manage"), actor=a
    ),
    "revoke a group's exception": lambda t, a: exceptions.revoke_exception(
        grant=ProjectGroupGrant.objects.get(), actor=a
    ),
    "make admin the default role": lambda t, a: organizations.update_organization(
        organization=t.organization, name="Acme", default_role=t.role("admin"), actor=a
    ),
}


def rows(tenant: Tenant) -> list[list[dict[str, Any]]]:
    """Return every row that a verb could have changed."""
    models = (Membership, ProjectMembership, Role, Group, GroupMember, GroupRole, Invitation, Project)
    with tenant_scope(tenant.organization):
        kept = (*models, ProjectUserGrant, ProjectGroupGrant)
        return [list(model.objects.order_by("pk").values()) for model in kept]


@pytest.mark.parametrize("what", ABOVE)
def test_nobody_goes_above_their_own_permissions(what: str, high: Tenant) -> None:
    with tenant_scope(high.organization):
        manager = lean_manager(high, P.ORGANIZATION_MANAGE)
    before = rows(high)
    denied = len(events(high, "access.denied"))
    with pytest.raises(DomainError) as refused, tenant_scope(high.organization):
        ABOVE[what](high, manager)
    assert refused.value.code == OWN_CODE
    assert rows(high) == before, "the transaction was rolled back"
    recorded = events(high, "access.denied")[denied:]
    assert [(event.actor_id, event.outcome) for event in recorded] == [(high.manager.pk, "denied")]
    assert recorded[0].after["permission"] in set(P)


@pytest.mark.parametrize(
    "what",
    [
        "change the role of an owner",
        "make somebody owner",
        "remove an owner",
    ],
)
def test_an_admin_does_not_touch_an_owner(what: str, high: Tenant) -> None:
    with pytest.raises(DomainError) as refused, high.acting("admin") as admin:
        ABOVE[what](high, admin)
    assert refused.value.code == OWN_CODE


def test_an_owner_does_all_of_it(high: Tenant) -> None:
    with tenant_scope(high.organization):
        lean_manager(high)
    # The last owner stays.
    possible = {what: verb for what, verb in ABOVE.items() if "owner" not in what or what == "make somebody owner"}
    assert len(possible) > len(ABOVE) / 2
    for verb in possible.values():
        with high.acting("owner") as owner:
            verb(high, owner)
            transaction.set_rollback(True)  # each from the same start


def test_owner_is_given_to_people_and_not_to_groups(high: Tenant) -> None:
    with pytest.raises(DomainError) as refused, high.acting("owner") as owner:
        groups.set_group_role(group=group("Empty"), role=high.role("owner"), actor=owner)
    assert refused.value.code == "owner_by_group"


VERBS: dict[str, tuple[P, Verb]] = {
    "update organization": (
        P.ORGANIZATION_MANAGE,
        lambda t, a: organizations.update_organization(
            organization=t.organization, name="Mine", default_role=None, actor=a
        ),
    ),
    "request deletion": (
        P.ORGANIZATION_DELETE,
        lambda t, a: organizations.request_deletion(organization=t.organization, actor=a),
    ),
    "restore organization": (
        P.ORGANIZATION_DELETE,
        lambda t, a: organizations.restore_organization(organization=t.organization, actor=a),
    ),
    "create project": (
        P.PROJECTS_CREATE,
        lambda t, a: projects.create_project(
            organization=t.organization, slug="mine", name="Mine", environment="staging", actor=a
        ),
    ),
    "update project": (
        P.PROJECTS_MANAGE,
        lambda t, a: projects.update_project(project=t.project, name="Mine", environment="staging", actor=a),
    ),
    "delete project": (
        P.PROJECTS_DELETE,
        lambda t, a: projects.request_project_deletion(project=t.project, actor=a),
    ),
    "restore project": (P.PROJECTS_DELETE, lambda t, a: projects.restore_project(project=t.project, actor=a)),
    "change role": (P.MEMBERS_MANAGE, ABOVE["make somebody owner"]),
    "deactivate member": (P.MEMBERS_MANAGE, ABOVE["deactivate an admin"]),
    "remove member": (P.MEMBERS_MANAGE, ABOVE["remove an admin"]),
    "invite": (P.MEMBERS_INVITE, ABOVE["invite an admin"]),
    "resend": (P.MEMBERS_INVITE, ABOVE["resend an admin's invitation"]),
    "revoke": (P.MEMBERS_INVITE, ABOVE["revoke an admin's invitation"]),
    "create role": (P.ROLES_MANAGE, ABOVE["create a role"]),
    "update role": (P.ROLES_MANAGE, ABOVE["narrow a role"]),
    "delete role": (P.ROLES_MANAGE, ABOVE["delete a role"]),
    "create group": (
        P.GROUPS_MANAGE,
        lambda t, a: groups.create_group(organization=t.organization, name="Mine", actor=a),
    ),
    "update group": (P.GROUPS_MANAGE, lambda t, a: groups.update_group(group=group(), name="Mine", actor=a)),
    "delete group": (P.GROUPS_MANAGE, ABOVE["delete a group"]),
    "add group member": (
        P.GROUPS_MANAGE,
        lambda t, a: groups.add_group_member(group=group(), membership=t.membership("plain"), actor=a),
    ),
    "remove group member": (P.GROUPS_MANAGE, ABOVE["take somebody out of a group"]),
    "set group role": (P.GROUPS_MANAGE, ABOVE["give a group a role"]),
    "remove group role": (P.GROUPS_MANAGE, ABOVE["take a group's role away"]),
    "set project role": (P.PROJECTS_MANAGE, ABOVE["give a project role"]),
    "remove project role": (P.PROJECTS_MANAGE, ABOVE["take a project role away"]),
    "grant exception": (P.PROJECTS_MANAGE, ABOVE["grant a group an exception"]),
    "revoke exception": (P.PROJECTS_MANAGE, ABOVE["revoke a group's exception"]),
}


@pytest.mark.parametrize("what", VERBS)
def test_strangers_and_viewers_do_nothing_and_are_recorded(what: str, high: Tenant, globex: Tenant) -> None:
    permission, verb = VERBS[what]
    before = rows(high)
    for who in (globex.owner, high.auditor):
        denied = len(events(high, "access.denied"))
        with pytest.raises(MissingPermission) as refused, tenant_scope(high.organization):
            verb(high, user_actor(who, high.organization.pk))
        assert refused.value.permission == permission
        recorded = events(high, "access.denied")[denied:]
        assert [(event.actor_label, event.after) for event in recorded] == [(who.email, {"permission": permission})]
    assert rows(high) == before


def test_a_stranger_in_their_own_scope_reaches_no_foreign_row(high: Tenant, globex: Tenant) -> None:
    """Objects of another organization, handed over by a careless caller, are refused for what they are."""
    with tenant_scope(high.organization):
        foreign: dict[str, Any] = {
            "membership": high.membership("viewer"),
            "role": high.role("viewer"),
            "group": group(),
            "invitation": invitation("high@example.org"),
        }
    before = rows(high)
    attempts: list[Callable[[Actor], Any]] = [
        lambda a: members.change_role(membership=foreign["membership"], role=globex.role("viewer"), actor=a),
        lambda a: members.remove_member(membership=foreign["membership"], actor=a),
        lambda a: projects.update_project(project=high.project, name="Mine", environment="staging", actor=a),
        lambda a: groups.delete_group(group=foreign["group"], actor=a),
        lambda a: groups.add_group_member(group=foreign["group"], membership=globex.membership("owner"), actor=a),
        lambda a: invitations.revoke_invitation(invitation=foreign["invitation"], actor=a),
        lambda a: organizations.request_deletion(organization=high.organization, actor=a),
    ]
    for attempt in attempts:
        with pytest.raises(Exception) as refused, globex.acting("owner") as actor:  # noqa: PT011 - one of two
            attempt(actor)
        assert isinstance(refused.value, MissingPermission | Organization.DoesNotExist), refused.value
    # A foreign role or member among one's own rows is "gone".
    for attempt in (
        lambda a: members.change_role(membership=globex.membership("owner"), role=foreign["role"], actor=a),
        lambda a: members.set_project_role(
            membership=foreign["membership"], project=globex.project, role=globex.role("viewer"), actor=a
        ),
        lambda a: invitations.invite_member(
            organization=globex.organization, email="x@example.org", role=foreign["role"], actor=a
        ),
        lambda a: organizations.update_organization(
            organization=globex.organization, name="Globex", default_role=foreign["role"], actor=a
        ),
        lambda a: exceptions.grant_to_member(
            project=globex.project, membership=foreign["membership"], permission="traces:read", actor=a
        ),
    ):
        with pytest.raises(DomainError) as gone, globex.acting("owner") as actor:
            attempt(actor)
        assert gone.value.code == "gone"
    assert rows(high) == before
