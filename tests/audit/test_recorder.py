"""What each verb leaves in the log: who, what, on what, which fields changed, from where."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from audit.catalogue import Action, Catalogue, UnknownAction, catalogue
from audit.models import Event
from isolation.actor import SYSTEM, Actor, ActorKind
from isolation.context import Origin, Via, originating
from isolation.exceptions import MissingPermission
from isolation.scope import tenant_scope
from tenants.models import (
    Group,
    GroupMember,
    GroupRole,
    Invitation,
    ProjectGroupGrant,
    ProjectMembership,
    Role,
)
from tenants.permissions import P
from tenants.services import (
    exceptions,
    groups,
    installation,
    invitations,
    management,
    members,
    organizations,
    projects,
    roles,
)
from tests.people import Tenant
from tests.tenants.stage import events

ORIGIN = Origin(
    via=Via.API, request_id="request-0001", ip="203.0.113.9", user_agent="curl/8", session="0123456789abcdef"
)
OPERATOR = Actor(ActorKind.OPERATOR, uuid4(), "operator@gatehouse.example")


@dataclass(frozen=True)
class Story:
    """One verb and the event that it must leave.

    Attributes:
        action: the event's action.
        verb: what is done, with (tenant, actor).
        target: the frozen text of the target.
        before: the changed fields before.
        after: the changed fields after; None: only that there are some.
        project: whether it happened in the tenant's project.
        reason: what was given.
    """

    action: str
    verb: Callable[[Tenant, Actor], Any]
    target: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    project: bool = False
    reason: str = ""
    actor: Actor | None = None


def group() -> Group:
    found: Group = Group.objects.get()
    return found


# In this order: each begins where the one before ended.
STORIES = [
    Story(
        "organization.updated",
        lambda t, a: organizations.update_organization(
            organization=t.organization, name="Acme Ltd", default_role=t.role("viewer"), actor=a
        ),
        "Acme Ltd",
        {"name": "Acme", "default_role": "Member"},
        {"name": "Acme Ltd", "default_role": "Viewer"},
    ),
    Story(
        "organization.suspended",
        lambda t, a: organizations.suspend_organization(organization=t.organization, actor=a, reason="Unpaid"),
        "Acme Ltd",
        reason="Unpaid",
        actor=OPERATOR,
    ),
    Story(
        "organization.resumed",
        lambda t, a: organizations.resume_organization(organization=t.organization, actor=a),
        "Acme Ltd",
        actor=OPERATOR,
    ),
    Story(
        "project.updated",
        lambda t, a: projects.update_project(project=t.project, name="Bot", environment="development", actor=a),
        "Bot",
        {"name": "Chatbot"},
        {"name": "Bot"},
        project=True,
    ),
    Story(
        "role.created",
        lambda t, a: roles.create_role(
            organization=t.organization, name="Tester", permissions=["traces:read"], actor=a
        ),
        "Tester",
        {},
        {
            "organization": "Acme",
            "key": "tester",
            "name": "Tester",
            "description": "",
            "is_builtin": False,
            "custom_permissions": ["traces:read"],
        },
    ),
    Story(
        "role.updated",
        lambda t, a: roles.update_role(
            role=Role.objects.get(name="Tester"), name="Tester", permissions=["traces:write"], actor=a
        ),
        "Tester",
        {"custom_permissions": ["traces:read"]},
        {"custom_permissions": ["traces:write"]},
    ),
    Story("role.deleted", lambda t, a: roles.delete_role(role=Role.objects.get(name="Tester"), actor=a), "Tester"),
    Story(
        "member.role_changed",
        lambda t, a: members.change_role(membership=t.membership("viewer"), role=t.role("member"), actor=a),
        "viewer@acme.example",
        {"role": "Viewer"},
        {"role": "Member"},
    ),
    Story(
        "member.deactivated",
        lambda t, a: members.set_member_active(membership=t.membership("viewer"), active=False, actor=a),
        "viewer@acme.example",
        {"is_active": True},
        {"is_active": False},
    ),
    Story(
        "member.reactivated",
        lambda t, a: members.set_member_active(membership=t.membership("viewer"), active=True, actor=a),
        "viewer@acme.example",
        {"is_active": False},
        {"is_active": True},
    ),
    Story(
        "member.handed_over",
        lambda t, a: management.hand_over_member(membership=t.membership("viewer"), actor=a),
        "viewer@acme.example",
        {"source": "manual"},
        {"source": "scim"},
    ),
    Story(
        "member.released",
        lambda t, a: management.release_member(membership=t.membership("viewer"), actor=a),
        "viewer@acme.example",
        {"source": "scim"},
        {"source": "manual"},
    ),
    Story(
        "project_role.set",
        lambda t, a: members.set_project_role(
            membership=t.membership("viewer"), project=t.project, role=t.role("none"), actor=a
        ),
        "viewer@acme.example in Bot",
        project=True,
    ),
    Story(
        "project_role.removed",
        lambda t, a: members.remove_project_role(project_membership=ProjectMembership.objects.get(), actor=a),
        "viewer@acme.example in Bot",
        project=True,
    ),
    Story(
        "group.created",
        lambda t, a: groups.create_group(organization=t.organization, name="Crew", actor=a),
        "Crew",
    ),
    Story(
        "group.updated",
        lambda t, a: groups.update_group(group=group(), name="Team", actor=a),
        "Team",
        {"name": "Crew"},
        {"name": "Team"},
    ),
    Story(
        "group.handed_over",
        lambda t, a: management.hand_over_group(group=group(), actor=a),
        "Team",
        {"source": "manual"},
        {"source": "scim"},
    ),
    Story(
        "group.released",
        lambda t, a: management.release_group(group=group(), actor=a),
        "Team",
        {"source": "scim"},
        {"source": "manual"},
    ),
    Story(
        "group.member_added",
        lambda t, a: groups.add_group_member(group=group(), membership=t.membership("viewer"), actor=a),
        "viewer@acme.example in Team",
    ),
    Story(
        "group.role_set",
        lambda t, a: groups.set_group_role(group=group(), role=t.role("viewer"), project=t.project, actor=a),
        "Team: Viewer",
        project=True,
    ),
    Story(
        "group.role_set",
        lambda t, a: groups.set_group_role(group=group(), role=t.role("member"), project=t.project, actor=a),
        "Team: Member",
        {"role": "Viewer"},
        {"role": "Member"},
        project=True,
    ),
    Story(
        "exception.granted",
        lambda t, a: exceptions.grant_to_group(project=t.project, group=group(), permission="audit_log:read", actor=a),
        "",
        {},
        {"holder": "Team", "permission": "audit_log:read"},
        project=True,
    ),
    Story(
        "exception.revoked",
        lambda t, a: exceptions.revoke_exception(grant=ProjectGroupGrant.objects.get(), actor=a),
        "",
        {"holder": "Team", "permission": "audit_log:read"},
        {},
        project=True,
    ),
    Story(
        "group.role_removed",
        lambda t, a: groups.remove_group_role(group_role=GroupRole.objects.get(), actor=a),
        "Team: Member",
        project=True,
    ),
    Story(
        "group.member_removed",
        lambda t, a: groups.remove_group_member(place=GroupMember.objects.get(), actor=a),
        "viewer@acme.example in Team",
    ),
    Story("group.deleted", lambda t, a: groups.delete_group(group=group(), actor=a), "Team"),
    Story(
        "invitation.sent",
        lambda t, a: invitations.invite_member(
            organization=t.organization, email="new@example.org", role=t.role("viewer"), actor=a
        ),
        "new@example.org",
    ),
    Story(
        "invitation.resent",
        lambda t, a: invitations.resend_invitation(invitation=Invitation.objects.get(), actor=a),
        "new@example.org",
    ),
    Story(
        "invitation.revoked",
        lambda t, a: invitations.revoke_invitation(invitation=Invitation.objects.get(), actor=a, reason="Mistyped"),
        "new@example.org",
        reason="Mistyped",
    ),
    Story(
        "member.removed",
        lambda t, a: members.remove_member(membership=t.membership("viewer"), actor=a, reason="Left us"),
        "viewer@acme.example",
        reason="Left us",
    ),
    Story(
        "project.deletion_requested",
        lambda t, a: projects.request_project_deletion(project=t.project, actor=a, reason="Old"),
        "Bot",
        project=True,
        reason="Old",
    ),
    Story("project.restored", lambda t, a: projects.restore_project(project=t.project, actor=a), "Bot", project=True),
    Story(
        "organization.deletion_requested",
        lambda t, a: organizations.request_deletion(organization=t.organization, actor=a, reason="Old"),
        "Acme Ltd",
        reason="Old",
    ),
    Story(
        "organization.restored",
        lambda t, a: organizations.restore_organization(organization=t.organization, actor=a),
        "Acme Ltd",
    ),
]


def test_each_verb_leaves_one_event_that_says_it_all(acme: Tenant) -> None:
    seen = {event.pk for event in events(acme)}
    for story in STORIES:
        with originating(ORIGIN), acme.acting("owner") as owner:
            story.verb(acme, story.actor or owner)
        actor = story.actor or owner
        written = [event for event in events(acme) if event.pk not in seen]
        seen |= {event.pk for event in written}
        assert [event.action for event in written] == [story.action]
        (event,) = written
        assert (event.actor_kind, event.actor_id, event.actor_label) == (actor.kind, actor.id, actor.label)
        assert (event.outcome, event.organization_id) == ("success", acme.organization.pk)
        assert event.target_id, story.action
        assert event.target_type, story.action
        if story.target:
            assert event.target_label == story.target
        assert event.project_id == (acme.project.pk if story.project else None), story.action
        assert event.reason == story.reason
        assert (event.via, event.request_id, event.ip) == ("api", ORIGIN.request_id, ORIGIN.ip)
        assert (event.user_agent, event.session) == (ORIGIN.user_agent, ORIGIN.session)
        if story.before is not None:
            assert (event.before, event.after) == (story.before, story.after), story.action
        changed = {**event.before, **event.after}
        assert changed, story.action
        same = {name for name in changed if event.before.get(name) == event.after.get(name)}
        assert same == ({"token_digest"} if story.action == "invitation.resent" else set()), "only what changed"


def test_the_stories_cover_every_action_of_the_organizations() -> None:
    elsewhere = {
        # Told in the tests of organizations, invitations, members, sessions, deletion and moving, of single sign-on,
        # and in the portal's.
        "organization.created",
        "organization.purged",
        "project.created",
        "project.purged",
        "project.transferred_away",
        "project.transferred_here",
        "member.added",
        "member.left",
        "member.owner_kept",
        "member.sessions_ended",
        "invitation.accepted",
        "support.entered",
        "support.left",
        "installation.updated",
    }
    resources = {"organization", "project", "role", "member", "project_role", "group", "invitation", "exception"}
    known = {action.name for action in catalogue if action.resource in resources}
    assert known - elsewhere <= {story.action for story in STORIES}


def test_what_changes_nothing_leaves_no_event(acme: Tenant) -> None:
    before = len(events(acme))
    with acme.acting("owner") as actor:
        members.change_role(membership=acme.membership("viewer"), role=acme.role("viewer"), actor=actor)
        members.set_member_active(membership=acme.membership("viewer"), active=True, actor=actor)
    assert len(events(acme)) == before


def test_a_refusal_is_recorded_although_its_transaction_is_rolled_back(acme: Tenant) -> None:
    with originating(ORIGIN), pytest.raises(MissingPermission), acme.acting("viewer") as actor:
        groups.create_group(organization=acme.organization, name="Crew", actor=actor)
    (event,) = events(acme, "access.denied")
    assert (event.outcome, event.actor_label, event.after) == (
        "denied",
        "viewer@acme.example",
        {"permission": P.GROUPS_MANAGE},
    )
    assert (event.target_label, event.request_id, event.ip) == ("Acme", ORIGIN.request_id, ORIGIN.ip)


def test_a_refusal_in_a_project_names_the_project(acme: Tenant) -> None:
    with pytest.raises(MissingPermission), acme.acting("viewer") as actor:
        projects.update_project(project=acme.project, name="Mine", environment="staging", actor=actor)
    (event,) = events(acme, "access.denied")
    assert (event.project_id, event.project_label) == (acme.project.pk, "Chatbot")
    assert (event.target_id, event.after) == (str(acme.project.pk), {"permission": P.PROJECTS_MANAGE})


def test_a_strangers_attempt_stands_in_the_log_of_whom_it_was_aimed_at(acme: Tenant, globex: Tenant) -> None:
    with pytest.raises(MissingPermission), globex.acting("owner") as actor:
        projects.update_project(project=acme.project, name="Mine", environment="staging", actor=actor)
    assert [event.actor_label for event in events(acme, "access.denied")] == ["owner@globex.example"]
    assert events(globex, "access.denied") == []


def test_the_installations_settings_are_recorded_in_its_own_log(acme: Tenant, superuser) -> None:
    installation.update_installation_settings(actor=OPERATOR, signup_enabled=False)
    (row,) = superuser.execute(
        "SELECT organization_id, actor_label, before, after FROM audit_event WHERE action = 'installation.updated'"
    ).fetchall()
    assert row == (None, OPERATOR.label, {"signup_enabled": True}, {"signup_enabled": False})
    assert events(acme, "installation.updated") == []


def test_long_labels_are_cut_and_never_refused(acme: Tenant) -> None:
    long = Actor(ActorKind.SYSTEM, None, "x" * 400, authority=SYSTEM.authority)
    with originating(Origin(user_agent="y" * 900)), tenant_scope(acme.organization):
        groups.create_group(organization=acme.organization, name="z" * 120, actor=long)
    (event,) = events(acme, "group.created")
    assert (len(event.actor_label), len(event.user_agent)) == (320, 400)


def test_an_action_has_one_name_and_one_label() -> None:
    actions = Catalogue()
    action = actions.add(Action("thing.happened", "Something happened"))
    assert (action.resource, actions.get("thing.happened"), actions.label("thing.happened")) == (
        "thing",
        action,
        "Something happened",
    )
    with pytest.raises(ValueError, match="registered twice"):
        actions.add(Action("thing.happened", "Again"))
    with pytest.raises(UnknownAction):
        actions.get("thing.else")
    assert actions.label("an.old_one") == "an.old_one", "a log outlives versions"
    names = [each.name for each in catalogue]
    assert names == sorted(names)


def test_an_event_shows_its_difference(acme: Tenant) -> None:
    event = Event(
        actor_label="Ada", action="member.role_changed", before={"role": "Viewer", "a": 1}, after={"role": "Admin"}
    )
    assert event.diff == [("role", "Viewer", "Admin"), ("a", 1, None)]
    assert str(event) == "Ada: Changed a member's role"
