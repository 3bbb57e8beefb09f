"""People: who becomes a member at once, who is invited, and who is left alone."""

import re

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.services.users import create_user
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.lookups import memberships_of
from tenants.models import Group, GroupMember, Invitation, Membership, ProjectMembership
from tenants.services.invitations import accept_invitation
from tenants.services.members import set_member_active
from tests.blueprint.conftest import File
from tests.people import Tenant, make_user

pytestmark = pytest.mark.django_db

NEW = "grace@acme.example"
TEAM = f"""
version: 1
organizations:
  acme:
    members:
      {NEW}:
        role: viewer
        projects: {{chatbot: admin}}
    groups:
      On call: {{members: [{NEW}]}}
"""


def invitations(tenant: Tenant) -> list[Invitation]:
    with tenant_scope(tenant.organization):
        return list(Invitation.objects.select_related("role", "project", "project_role").order_by("created_at"))


def members(tenant: Tenant) -> dict[str, str]:
    with tenant_scope(tenant.organization):
        return {member.user.email: member.role.key for member in Membership.objects.select_related("user", "role")}


def test_who_has_a_login_is_a_member_at_once(acme: Tenant, file: File) -> None:
    make_user(NEW)
    file.write(TEAM)
    assert file.changes() == [
        ("create", "member", NEW),
        ("create", "project role", f"{NEW} in chatbot"),
        ("create", "group", "On call"),
        ("create", "group member", f"{NEW} in On call"),
    ]
    file.apply()
    assert members(acme)[NEW] == "viewer"
    assert not mail.outbox
    assert file.plan()[0] == 0


def test_who_has_none_is_invited_and_joins_the_rest_later(acme: Tenant, file: File) -> None:
    file.write(TEAM)
    printed = file.plan()[1]
    assert f"  + invitation {NEW}  (once they have joined, apply again for the group On call)" in printed
    assert "role in chatbot: admin" in printed
    assert not mail.outbox
    file.apply()
    (invitation,) = invitations(acme)
    assert (invitation.role.key, invitation.project_role.key) == ("viewer", "admin")
    (message,) = mail.outbox
    (address,) = re.findall(rf"{settings.PUBLIC_URL}(/invitations/\S+)", str(message.body))
    assert Client().get(address).status_code == 200
    assert file.plan() == (0, "No changes: everything is as the blueprint says.\n")
    user = make_user(NEW)
    accept_invitation(organization_id=acme.organization.pk, invitation_id=invitation.pk, user=user, actor=SYSTEM)
    assert file.changes() == [("create", "group member", f"{NEW} in On call")]
    file.apply()
    with tenant_scope(acme.organization):
        assert GroupMember.objects.get().membership.user == user
        assert ProjectMembership.objects.get().role.key == "admin"
    assert file.plan()[0] == 0


def test_an_address_that_nobody_proved_is_invited(acme: Tenant, file: File) -> None:
    """Anybody can sign up with somebody else's address."""
    create_user(email=NEW, password="a password of the thief", actor=SYSTEM)
    file.write(TEAM).apply()
    assert NEW not in members(acme)
    assert len(invitations(acme)) == 1


def test_another_offer_replaces_the_invitation(acme: Tenant, file: File) -> None:
    file.write(TEAM).apply()
    file.write(TEAM.replace("role: viewer", "role: member"))
    code, printed = file.plan()
    assert code == 2
    assert f"  ~ invitation {NEW}" in printed
    assert "role: viewer -> member" in printed
    file.apply()
    assert [(each.state, each.role.key) for each in invitations(acme)] == [("revoked", "viewer"), ("pending", "member")]
    assert len(mail.outbox) == 2
    assert file.plan()[0] == 0


def test_an_invitation_that_ran_out_is_sent_again(acme: Tenant, file: File, superuser) -> None:
    file.write(TEAM).apply()
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("UPDATE tenants_invitation SET expires_at = %s", [timezone.now()])
    assert "state: expired -> pending" in file.plan()[1]
    file.apply()
    assert len(mail.outbox) == 2
    assert file.plan()[0] == 0


def test_who_signs_up_before_accepting_is_made_a_member(acme: Tenant, file: File) -> None:
    file.write(TEAM).apply()
    make_user(NEW)
    file.apply()
    assert members(acme)[NEW] == "viewer"
    assert [each.state for each in invitations(acme)] == ["revoked"]


def test_roles_change_and_the_new_owner_comes_first(acme: Tenant, file: File) -> None:
    file.write(
        """
        version: 1
        organizations:
          acme:
            members:
              owner@acme.example: {role: viewer}
              admin@acme.example: {role: owner}
        """
    )
    assert file.changes() == [("update", "member", "admin@acme.example"), ("update", "member", "owner@acme.example")]
    file.apply()
    assert members(acme)["owner@acme.example"] == "viewer"


def test_who_is_deactivated_stays_so_until_the_file_says_otherwise(acme: Tenant, file: File) -> None:
    with tenant_scope(acme.organization):
        set_member_active(membership=acme.membership("viewer"), active=False, actor=SYSTEM)
    one = "version: 1\norganizations:\n  acme:\n    members:\n      viewer@acme.example: {role: viewer%s}\n"
    assert file.write(one % "").plan()[0] == 0
    file.write(one % ", active: true").apply()
    with tenant_scope(acme.organization):
        assert acme.membership("viewer").is_active
    file.write(one % ", active: false").apply()
    with tenant_scope(acme.organization):
        assert not acme.membership("viewer").is_active


def test_users_get_a_login_once(acme: Tenant, file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    text = TEAM.replace(
        "organizations:", f"users:\n  {NEW}: {{name: Grace, password: {{env: GRACE}}}}\norganizations:", 1
    )
    monkeypatch.setenv("GRACE", "correct horse battery staple")
    file.write(text)
    assert file.changes()[:2] == [("create", "login", NEW), ("create", "member", NEW)]
    assert "correct horse" not in file.plan()[1]
    file.apply()
    assert Client().login(email=NEW, password="correct horse battery staple")
    monkeypatch.setenv("GRACE", "another horse battery staple")
    assert file.plan()[0] == 0
    assert User.objects.get(email=NEW).check_password("correct horse battery staple")


@pytest.mark.parametrize(
    ("password", "said"), [("short", "This password is too short."), ("", "The variable GRACE is")]
)
def test_a_weak_password_is_refused_unseen(
    acme: Tenant, file: File, monkeypatch: pytest.MonkeyPatch, password: str, said: str
) -> None:
    monkeypatch.setenv("GRACE", password)
    file.write(f"version: 1\nusers:\n  {NEW}: {{password: {{env: GRACE}}}}\n")
    (line,) = file.refused()
    assert line.startswith("3:")
    assert said in line
    assert not User.objects.filter(email=NEW).exists()


def test_pruning_takes_away_what_is_not_mentioned(acme: Tenant, file: File) -> None:
    file.write(TEAM).apply()
    make_user("ada@acme.example")
    file.write(
        """
        version: 1
        organizations:
          acme:
            prune: [members, groups]
            members:
              owner@acme.example: {role: owner}
              admin@acme.example: {role: admin}
            groups: {}
        """
    )
    assert file.changes() == [
        ("remove", "group", "On call"),
        ("remove", "member", "auditor@acme.example"),
        ("remove", "member", "member@acme.example"),
        ("remove", "member", "none@acme.example"),
        ("remove", "member", "viewer@acme.example"),
        ("remove", "invitation", NEW),
    ]
    file.apply()
    assert members(acme) == {"owner@acme.example": "owner", "admin@acme.example": "admin"}
    assert [each.state for each in invitations(acme)] == ["revoked"]
    assert file.plan()[0] == 0


def test_pruning_inside_an_entry_needs_the_list_to_be_written(acme: Tenant, file: File) -> None:
    text = """
        version: 1
        organizations:
          acme:
            prune: [groups]
            groups:
              On call: {%s}
    """
    file.write(text % "members: [viewer@acme.example, member@acme.example], role: viewer").apply()
    assert file.write(text % "").plan()[0] == 0
    file.write(text % "members: [viewer@acme.example]")
    assert file.changes() == [("remove", "group member", "member@acme.example in On call")]
    file.apply()
    with tenant_scope(acme.organization):
        assert GroupMember.objects.count() == 1
        assert Group.objects.get().roles.count() == 1


def test_the_last_owner_is_not_pruned(acme: Tenant, file: File) -> None:
    file.write("version: 1\norganizations:\n  acme:\n    prune: [members]\n    members: {}\n")
    (line,) = file.refused()
    assert line.startswith("4:5: organizations.acme.prune: owner@acme.example cannot be removed: an organization keeps")
    assert len(members(acme)) == 6


def test_pruned_projects_can_be_called_back(acme: Tenant, file: File) -> None:
    file.write("version: 1\norganizations:\n  acme:\n    prune: true\n    projects: {}\n    roles: {}\n")
    assert "  - project chatbot  (deletion is scheduled)" in file.plan()[1]
    file.apply()
    assert file.plan()[0] == 0
    file.write("version: 1\norganizations:\n  acme:\n    projects: {chatbot: {}}\n")
    assert "deletion: scheduled -> none" in file.plan()[1]
    file.apply()
    assert file.plan()[0] == 0


def test_another_organization_is_never_touched(acme: Tenant, globex: Tenant, file: File) -> None:
    """The stranger: named in acme's file, pruned there, and unharmed at home."""
    stranger = globex.owner
    file.write(
        f"""
        version: 1
        organizations:
          acme:
            prune: true
            projects: {{}}
            groups: {{}}
            members:
              owner@acme.example: {{role: owner}}
              {stranger.email}: {{role: viewer}}
        """
    ).apply()
    assert {place.slug: place.role for place in memberships_of(stranger.pk)} == {"acme": "Viewer", "globex": "Owner"}
    with tenant_scope(globex.organization):
        globex.project.refresh_from_db()
        assert not globex.project.is_being_deleted
