"""`--as`: the file is applied with one person's authority, and escalation is refused as everywhere."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.lookups import organization_id_of
from tenants.models import Invitation, Membership, Role
from tenants.permissions import P
from tenants.services.installation import update_installation_settings
from tenants.services.members import change_role
from tenants.services.organizations import suspend_organization
from tests.blueprint.conftest import File
from tests.people import Tenant, make_user
from tests.tenants.stage import custom_role, events, lean_manager

pytestmark = pytest.mark.django_db

HEAD = "version: 1\norganizations:\n  acme:\n"
BOSS = f"{HEAD}    roles:\n      boss: {{permissions: [organization:delete]}}\n"


@pytest.fixture
def manager(acme: Tenant) -> str:
    """Return the address of somebody who manages people, groups, roles and projects and may do nothing besides."""
    with tenant_scope(acme.organization):
        lean_manager(acme, P.ORGANIZATION_READ)
    return acme.manager.email


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("roles: {boss: {permissions: [traces:read]}}", "4:20: organizations.acme.roles.boss.permissions: You cannot"),
        (
            "members: {viewer@acme.example: {role: owner}}",
            '4:37: organizations.acme.members["viewer@acme.example"].role',
        ),
        (
            "members: {new@acme.example: {role: admin}}",
            '4:34: organizations.acme.members["new@acme.example"].role: You',
        ),
        ("members: {owner@acme.example: {role: none}}", '4:36: organizations.acme.members["owner@acme.example"].role'),
        (
            "members: {none@acme.example: {role: none, projects: {chatbot: admin}}}",
            '4:58: organizations.acme.members["none@acme.example"].projects.chatbot: You cannot give the role Admin',
        ),
        ("groups: {g: {role: admin}}", "4:18: organizations.acme.groups.g.role: You cannot give the role Admin"),
        (
            "prune: [members]\n    members: {owner@acme.example: {role: owner}}",
            "4:5: organizations.acme.prune: You cannot",
        ),
        ("settings: {api_key_max_days: 9}", "3:3: organizations.acme: manager@acme.example needs the permission organ"),
        (
            "service_accounts: {s: {role: owner}}",
            "4:24: organizations.acme.service_accounts.s: manager@acme.example needs",
        ),
    ],
)
def test_nobody_gives_more_than_they_hold(acme: Tenant, manager: str, file: File, text: str, said: str) -> None:
    before = len(events(acme))
    (line,) = file.write(f"{HEAD}    {text}\n").refused("--as", manager)
    assert line.startswith(said), line
    denied = events(acme)[before:]
    assert {(event.action, event.outcome, event.actor_label) for event in denied} == {
        ("access.denied", "denied", manager)
    }


def test_what_they_may_they_do_in_their_own_name(acme: Tenant, file: File) -> None:
    before = len(events(acme))
    file.write(f"{HEAD}    roles: {{reader: {{permissions: [traces:read]}}}}\n").apply("--as", "Owner@acme.example")
    (event,) = events(acme)[before:]
    assert (event.action, event.actor_kind, event.actor_label, event.via) == (
        "role.created",
        "user",
        "owner@acme.example",
        "cli",
    )


def test_people_are_invited_and_not_added_unasked(acme: Tenant, globex: Tenant, file: File) -> None:
    """Whether an address has a login is not told either."""
    text = f"{HEAD}    members: {{{globex.owner.email}: {{role: viewer}}, nobody@acme.example: {{role: viewer}}}}\n"
    file.write(text)
    assert file.changes("--as", "owner@acme.example") == [
        ("create", "invitation", globex.owner.email),
        ("create", "invitation", "nobody@acme.example"),
    ]
    file.apply("--as", "owner@acme.example")
    with tenant_scope(acme.organization):
        assert Invitation.objects.count() == 2
        assert not Membership.objects.filter(user=globex.owner).exists()


def test_a_stranger_sees_and_changes_nothing(acme: Tenant, globex: Tenant, file: File) -> None:
    (line,) = file.write(BOSS).refused("--as", globex.owner.email)
    assert line == "3:3: organizations.acme: owner@globex.example needs the permission organization:read for this."


def test_who_may_create_organizations_owns_them(db: None, file: File) -> None:
    make_user("ada@example.org")
    make_user("bob@example.org")
    new = "version: 1\norganizations:\n  initech:\n    members: {%s}\n"
    (line,) = file.write(new % "bob@example.org: {role: owner}").refused("--as", "ada@example.org")
    assert line.startswith("3:3: organizations.initech: initech does not exist yet. List ada@example.org")
    file.write(new % "ada@example.org: {role: owner}, bob@example.org: {role: owner}")
    assert file.changes("--as", "ada@example.org") == [
        ("create", "organization", "initech"),
        ("create", "invitation", "bob@example.org"),
    ]
    update_installation_settings(actor=SYSTEM, organization_creation="operators")
    (line,) = file.refused("--as", "ada@example.org")
    assert "Only operators create organizations here" in line
    assert organization_id_of("initech") is None


def test_only_operators_make_logins(acme: Tenant, operator, file: File) -> None:
    file.write("version: 1\nusers:\n  ada@example.org: {name: Ada}\n")
    assert file.refused("--as", "owner@acme.example") == [
        '3:3: users["ada@example.org"]: Only an operator makes logins, and owner@acme.example is none.'
    ]
    assert file.changes("--as", operator.email) == [("create", "login", "ada@example.org")]


def test_nobody_by_that_name(acme: Tenant, file: File) -> None:
    file.write(BOSS)
    acme.viewer.is_active = False
    for email in ("nobody@acme.example", "x"):
        with pytest.raises(CommandError, match=rf"Nobody signs in as {email}\."):
            call_command("blueprint", "plan", str(file.path), "--as", email, stdout=StringIO())


def test_authority_is_that_of_the_moment_of_applying(acme: Tenant, file: File) -> None:
    file.write(BOSS)
    assert file.plan("--as", "owner@acme.example")[0] == 2
    with tenant_scope(acme.organization):
        custom_role(acme, "Reader", [P.ORGANIZATION_READ])
        change_role(membership=acme.membership("admin"), role=acme.role("owner"), actor=SYSTEM)
        change_role(membership=acme.membership("owner"), role=Role.objects.get(key="reader"), actor=SYSTEM)
    (line,) = file.refused("--as", "owner@acme.example")
    assert "needs the permission roles:manage" in line


def test_a_suspended_organization_is_closed_to_its_people(acme: Tenant, file: File) -> None:
    with tenant_scope(acme.organization):
        suspend_organization(organization=acme.organization, reason="Unpaid", actor=SYSTEM)
    (line,) = file.write(BOSS).refused("--as", "owner@acme.example")
    assert line == "3:3: organizations.acme: This organization is suspended; its members change nothing meanwhile."
    assert file.plan()[0] == 2
