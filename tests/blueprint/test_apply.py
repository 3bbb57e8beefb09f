"""Applying a blueprint: what is made, what is left alone, and that a second time changes nothing."""

import json

import pytest

from audit.models import Event
from isolation.scope import tenant_scope
from tenants.lookups import organization_id_of
from tenants.models import Group, GroupRole, Membership, Organization, Project, ProjectMembership, Role
from tests.blueprint.conftest import File
from tests.people import Tenant, make_user
from tests.tenants.stage import events

pytestmark = pytest.mark.django_db

ACME = """
version: 1
organizations:
  acme:
    name: Acme Inc.
    settings:
      default_role: reviewer
      project_naming_pattern: "[a-z]+-(prod|dev)"
      project_naming_hint: chat-prod
      api_key_max_days: 90
    roles:
      reviewer:
        name: Prompt reviewer
        description: Reads prompts.
        permissions: [projects:read, prompts:read]
    projects:
      search-prod: {name: Search, environment: production, description: Finds things.}
      search-dev: {}
    members:
      viewer@acme.example:
        role: reviewer
        projects: {search-prod: admin}
    groups:
      On call:
        description: Keeps it running.
        members: [viewer@acme.example, member@acme.example]
        role: viewer
        projects: {search-prod: reviewer}
"""


def test_everything_is_made_and_a_second_time_changes_nothing(acme: Tenant, file: File) -> None:
    file.write(ACME)
    code, printed = file.plan()
    assert code == 2
    assert printed.splitlines()[-1] == "Plan: 9 to add, 2 to change, 0 to remove."
    before = len(events(acme))
    assert "Applied: 9 added, 2 changed, 0 removed." in file.apply()
    with tenant_scope(acme.organization):
        organization = Organization.objects.select_related("default_role").get()
        assert (organization.name, str(organization.default_role)) == ("Acme Inc.", "Prompt reviewer")
        assert (organization.project_naming_hint, organization.api_key_max_days) == ("chat-prod", 90)
        role = Role.objects.get(key="reviewer")
        assert role.custom_permissions == ["projects:read", "prompts:read"]
        project = Project.objects.get(slug="search-prod")
        assert (project.name, project.environment, project.description) == ("Search", "production", "Finds things.")
        assert Project.objects.get(slug="search-dev").environment == "development"
        assert acme.membership("viewer").role == role
        assert ProjectMembership.objects.get().role.key == "admin"
        group = Group.objects.get()
        assert {place.membership.user.email for place in group.members.all()} == {
            "viewer@acme.example",
            "member@acme.example",
        }
        assert {(place.project and place.project.slug, place.role.key) for place in GroupRole.objects.all()} == {
            (None, "viewer"),
            ("search-prod", "reviewer"),
        }
    made = events(acme)[before:]
    assert len(made) == 11
    assert {(event.actor_kind, event.via) for event in made} == {("system", "cli")}
    assert file.plan() == (0, "No changes: everything is as the blueprint says.\n")
    assert file.apply() == "No changes: everything is as the blueprint says.\n"
    assert len(events(acme)) == before + 11


def test_a_plan_changes_nothing(acme: Tenant, file: File) -> None:
    before = len(events(acme))
    file.write(ACME).plan()
    with tenant_scope(acme.organization):
        assert not Group.objects.exists()
        assert Organization.objects.get().name == "Acme"
    assert len(events(acme)) == before


def test_a_plan_reads_like_a_diff(acme: Tenant, file: File) -> None:
    assert (
        file.write(ACME)
        .plan()[1]
        .startswith(
            """acme
  + role reviewer
      name: "Prompt reviewer"
      description: "Reads prompts."
      permissions: projects:read, prompts:read
  ~ organization acme
      project_naming_pattern: "" -> [a-z]+-(prod|dev)
      project_naming_hint: "" -> chat-prod
      default_role: member -> reviewer
      api_key_max_days: none -> 90
      name: Acme -> "Acme Inc."
"""
        )
    )


def test_a_new_organization_gets_its_owner(file: File) -> None:
    make_user("ada@acme.example")
    file.write(
        """
        version: 1
        organizations:
          acme:
            name: Acme
            members:
              ada@acme.example: {role: owner}
            projects:
              chatbot: {}
        """
    )
    assert file.changes() == [("create", "organization", "acme"), ("create", "project", "chatbot")]
    assert organization_id_of("acme") is None
    file.apply()
    organization_id = organization_id_of("acme")
    assert organization_id
    with tenant_scope(organization_id):
        assert Membership.objects.get().role.key == "owner"
        assert Event.objects.filter(action="organization.created").count() == 1
    assert file.plan()[0] == 0


def test_metadata_is_shown_in_the_plan_replaced_and_left_alone(acme: Tenant, file: File) -> None:
    def plan(project: str) -> tuple[int, str]:
        return file.write(f"version: 1\norganizations: {{acme: {{projects: {{{project}}}}}}}\n").plan()

    assert '      metadata: {"team": "Süd"}' in plan("search: {metadata: {team: Süd}}")[1].splitlines()
    steps = [
        ("{team: Süd, on: true}", {}, {"team": "Süd", "on": True}),
        ("{team: Süd, on: 1}", {"on": True, "team": "Süd"}, {"team": "Süd", "on": 1}),
        ('{team: "\\x1b[2J"}', {"on": 1, "team": "Süd"}, {"team": "\x1b[2J"}),
    ]
    for written, old, new in steps:
        code, said = plan(f"chatbot: {{metadata: {written}}}")
        assert code == 2
        assert f"      metadata: {json.dumps(old, ensure_ascii=False)} -> " in said
        assert "\x1b" not in said
        change = json.loads(file.plan("--json")[1])["changes"][0]
        assert change["fields"] == {"metadata": {"old": old, "new": new}}
        file.apply()
        assert file.plan()[0] == 0
        with tenant_scope(acme.organization):
            stored = Project.objects.get(slug="chatbot")
            assert json.dumps(stored.metadata, sort_keys=True) == json.dumps(new, sort_keys=True)
        assert "metadata" in events(acme, "project.updated")[-1].after
    plan("chatbot: {description: Answers.}")
    file.apply()
    with tenant_scope(acme.organization):
        assert Project.objects.get(slug="chatbot").metadata == {"team": "\x1b[2J"}, "not mentioned"
    plan("chatbot: {metadata: {}}")
    file.apply()
    with tenant_scope(acme.organization):
        assert Project.objects.get(slug="chatbot").metadata == {}
