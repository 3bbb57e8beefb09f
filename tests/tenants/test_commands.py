"""`manage.py create_organization` and `explain_access`: for scripts, and for "why can they not ...?"."""

import pytest
from django.core.management import CommandError, call_command

from isolation.scope import tenant_scope
from tenants.lookups import memberships_of, organization_id_of
from tenants.models import Organization
from tests.people import Tenant, make_project, make_user
from tests.tenants.stage import events


def refusal(*arguments: str) -> str:
    with pytest.raises(CommandError) as refused:
        call_command(*arguments)
    line = str(refused.value)
    assert line
    assert "\n" not in line
    return line


def test_create_organization(db: None) -> None:
    owner = make_user("ada@example.org")
    assert call_command("create_organization", "initech", "--owner", " Ada@Example.org ") == (
        "Created initech: /o/initech/"
    )
    (place,) = memberships_of(owner.pk)
    assert (place.slug, place.name, place.role) == ("initech", "initech", "Owner")
    with tenant_scope(place.organization_id):
        created = Tenant(Organization.objects.get())
    assert [(event.actor_kind, event.via) for event in events(created)] == [("system", "cli")] * 2


def test_create_organization_with_a_name(db: None) -> None:
    make_user("ada@example.org")
    named = ["--name", "Initech Inc.", "--owner", "ada@example.org"]
    assert call_command("create_organization", "initech", *named) == "Created Initech Inc.: /o/initech/"


@pytest.mark.parametrize(
    ("slug", "owner", "said"),
    [
        ("initech", "nobody@example.org", "Nobody signs in as nobody@example.org."),
        ("acme", "owner@acme.example", "The identifier acme is taken."),
        ("In itech", "owner@acme.example", "Use lower-case letters, digits and hyphens"),
    ],
)
def test_create_organization_refuses_in_one_line(acme: Tenant, slug: str, owner: str, said: str) -> None:
    assert refusal("create_organization", slug, "--owner", owner).startswith(said)
    assert organization_id_of("initech") is None


def test_explain_access_gives_the_answer_and_its_reasons(acme: Tenant) -> None:
    assert call_command("explain_access", "Viewer@acme.example", "members:invite", "--organization", "acme") == (
        "members:invite: no\n  The role Viewer in the organization does not allow it."
    )
    assert call_command(
        "explain_access", "viewer@acme.example", "traces:read", "--organization", "acme", "--project", "chatbot"
    ) == ("traces:read: yes\n  The role Viewer in the organization allows it.")


def test_explain_access_about_a_stranger(acme: Tenant, globex: Tenant) -> None:
    assert call_command("explain_access", globex.owner.email, "projects:read", "--organization", "acme") == (
        "projects:read: no\n  No active membership gives any role here."
    )


@pytest.mark.parametrize(
    ("email", "permission", "place", "said"),
    [
        ("nobody@acme.example", "members:read", ["acme"], "There is no such login."),
        ("owner@acme.example", "members:read", ["nowhere"], "There is no such organization."),
        ("owner@acme.example", "members:fire", ["acme"], "There is no permission members:fire."),
        ("owner@acme.example", "traces:read", ["acme", "none"], "There is no such project in this organization."),
        ("owner@acme.example", "traces:read", ["acme", "theirs"], "There is no such project in this organization."),
    ],
)
def test_explain_access_refuses_in_one_line(
    acme: Tenant, globex: Tenant, email: str, permission: str, place: list[str], said: str
) -> None:
    with tenant_scope(globex.organization):
        make_project(globex, "theirs")
    organization, *project = place
    options = ["--organization", organization, *(["--project", project[0]] if project else [])]
    assert refusal("explain_access", email, permission, *options) == said
