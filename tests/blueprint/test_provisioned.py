"""What identity providers manage: groups get their roles from the file, and their people from nobody else."""

from textwrap import indent

import pytest
import yaml

from accounts.tasks import settle_everybody_waiting
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.models import GroupRole, Invitation, Membership
from tenants.services.domains import confirm_domain
from tenants.services.groups import create_group
from tests.blueprint.conftest import File, exported
from tests.people import Tenant
from tests.scim.stage import Scim, connection_of, operation, token_of

EMPTY = (0, "No changes: everything is as the blueprint says.\n")


@pytest.fixture
def scim(acme: Tenant) -> Scim:
    """Return acme's identity provider; acme's domain is verified."""
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        confirm_domain(organization=acme.organization, name="acme.example", reason="Known to us", actor=SYSTEM)
    return Scim(token_of(acme, connection_of(acme)).secret)


def acme_with(text: str) -> str:
    return "version: 1\norganizations:\n  acme:\n" + indent(text.strip("\n"), "    ") + "\n"


def roles(tenant: Tenant) -> dict[tuple[str, str], str]:
    with tenant_scope(tenant.organization):
        return {
            (place.group.name, place.project.slug if place.project else ""): place.role.key
            for place in GroupRole.objects.select_related("group", "project", "role")
        }


def test_a_group_that_exists_gets_its_roles_and_keeps_its_people(acme: Tenant, scim: Scim, file: File) -> None:
    group = scim.group("Engineers", scim.user("ada"))
    file.write(
        acme_with(
            """
prune: [groups]
groups:
  engineers:
    provisioned: true
    description: They build it.
    role: member
    projects: {chatbot: admin}
"""
        )
    )
    assert file.changes() == [
        ("update", "group", "engineers"),
        ("create", "group role", "engineers"),
        ("create", "group role", "engineers in chatbot"),
    ]
    file.apply()
    assert file.plan() == EMPTY
    assert roles(acme) == {("Engineers", ""): "member", ("Engineers", "chatbot"): "admin"}
    assert scim.read(group)["displayName"] == "Engineers"
    assert len(scim.read(group)["members"]) == 1
    file.write(acme_with("prune: [groups]\ngroups:\n  Engineers: {provisioned: true, role: viewer, projects: {}}\n"))
    file.apply()
    assert roles(acme) == {("Engineers", ""): "viewer"}


def test_a_group_that_is_still_to_come_is_waited_for(acme: Tenant, scim: Scim, file: File) -> None:
    file.write(acme_with("groups:\n  Engineers:\n    provisioned: true\n    role: member\n"))
    code, printed = file.plan()
    assert code == 0
    assert "The identity provider has not made Engineers yet. Once it has, apply again" in printed
    file.apply()
    assert roles(acme) == {}
    scim.group("Engineers", scim.user("ada"))
    assert file.changes() == [("create", "group role", "Engineers")]
    file.apply()
    assert file.plan() == EMPTY
    assert roles(acme) == {("Engineers", ""): "member"}


def test_a_provisioned_group_needs_no_word_about_it(acme: Tenant, scim: Scim, file: File) -> None:
    scim.group("Engineers", scim.user("ada"))
    file.write(acme_with("groups:\n  Engineers:\n    role: member\n    members: [ada@acme.example]\n"))
    assert file.changes() == [("create", "group role", "Engineers")]


def test_a_group_made_by_hand_is_not_provisioned(acme: Tenant, file: File) -> None:
    with acme.acting("owner") as actor:
        create_group(organization=acme.organization, name="Engineers", actor=actor)
    file.write(acme_with("groups:\n  Engineers:\n    provisioned: true\n"))
    (said,) = file.refused()
    assert said.startswith("6:22: organizations.acme.groups.Engineers.provisioned: Engineers is managed by hand.")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            "{provisioned: true, members: [owner@acme.example]}",
            "5:30: organizations.acme.groups.G.members: The",
        ),
        ("{provisioned: true, role: owner}", "5:36: organizations.acme.groups.G.role: Owner is given to people, not"),
        ("{role: owner, allow_owner: true}", "5:11: organizations.acme.groups.G.role: Owner is given to people, not"),
        ("{role: owner}", "5:17: organizations.acme.groups.G.role: Owner is given to people, not to groups."),
        (
            "{provisioned: true, allow_owner: true, projects: {chatbot: owner}}",
            "5:69: organizations.acme.groups.G.projects.chatbot: Owner is given to people, not to groups.",
        ),
        ("{provisioned: 1}", "5:24: organizations.acme.groups.G.provisioned: This must be true or false."),
    ],
)
def test_a_contradiction_has_its_line(entry: str, said: str, acme: Tenant, file: File) -> None:
    file.write(acme_with(f"groups:\n  G: {entry}\n"))
    (line,) = file.refused()
    assert line.startswith(said)
    assert roles(acme) == {}


def test_owner_by_a_group_takes_a_word_in_the_file_and_an_owner(acme: Tenant, scim: Scim, file: File) -> None:
    scim.group("Founders", scim.user("ada"))
    file.write(acme_with("groups:\n  Founders: {provisioned: true, role: owner, allow_owner: true}\n"))
    (said,) = file.refused("--as", "admin@acme.example")
    assert said.startswith("5:37: organizations.acme.groups.Founders.role: You cannot give the role Owner")
    file.apply("--as", "owner@acme.example")
    assert roles(acme) == {("Founders", ""): "owner"}
    assert file.plan() == EMPTY


def test_a_member_put_into_a_provisioned_group_by_hand_is_an_error(acme: Tenant, scim: Scim, file: File) -> None:
    scim.group("Engineers", scim.user("ada"))
    file.write(acme_with("groups:\n  Engineers:\n    members: [owner@acme.example]\n"))
    (said,) = file.refused()
    assert said.startswith("6:19: organizations.acme.groups.Engineers.members[0]: Nobody can be added to Engineers")


def test_provisioned_people_are_neither_pruned_nor_switched(acme: Tenant, scim: Scim, file: File) -> None:
    scim.user("ada")
    gone = scim.user("alan")
    scim.change(gone, operation("replace", "active", False))
    waiting = scim.user("grace", domain="elsewhere.example")
    settle_everybody_waiting()
    owner = "members:\n  owner@acme.example: {role: owner}\n"
    file.write(acme_with(f"prune: [members]\n{owner}"))
    named = {name for _, _, name in file.changes()}
    assert named == {f"{role}@acme.example" for role in ("admin", "member", "viewer", "auditor", "none")}
    file.apply()
    with tenant_scope(acme.organization):
        states = dict(Membership.objects.values_list("user__email", "is_active"))
        assert states == {"owner@acme.example": True, "ada@acme.example": True, "alan@acme.example": False}
        assert Invitation.objects.filter(revoked_at=None).values_list("email", flat=True).get() == waiting["userName"]
    for name, active in (("ada", "false"), ("alan", "true")):
        file.write(acme_with(f"{owner}  {name}@acme.example: {{role: viewer, active: {active}}}\n"))
        (said,) = file.refused()
        assert said.startswith(f'6:5: organizations.acme.members["{name}@acme.example"]') or "managed" not in said
        assert "the identity provider manages it" in said
    file.write(acme_with(f"{owner}  ada@acme.example: {{role: viewer}}\n  alan@acme.example: {{role: viewer}}\n"))
    file.apply()
    assert file.plan() == EMPTY
    assert scim.read(gone)["active"] is False


def test_the_export_has_the_roles_of_provisioned_groups_and_not_their_people(
    acme: Tenant, scim: Scim, file: File
) -> None:
    scim.group("Founders", scim.user("ada"))
    scim.group("Engineers", scim.user("alan"))
    file.write(
        acme_with(
            """
groups:
  Founders: {provisioned: true, role: owner, allow_owner: true}
  Engineers: {provisioned: true, projects: {chatbot: admin}}
  On call: {members: [ada@acme.example], role: viewer}
"""
        )
    ).apply()
    text = exported("acme")
    assert yaml.safe_load(text)["organizations"]["acme"]["groups"] == {
        "Engineers": {"provisioned": True, "projects": {"chatbot": "admin"}},
        "Founders": {"provisioned": True, "role": "owner", "allow_owner": True},
        "On call": {"role": "viewer", "members": ["ada@acme.example"]},
    }
    assert file.write(text).plan() == EMPTY
    assert file.write(text.replace("name: Acme", "name: Acme\n    prune: true")).plan() == EMPTY
