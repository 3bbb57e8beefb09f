"""What every start makes true: GATEHOUSE_INIT_* and GATEHOUSE_BLUEPRINT, by the command and by `make run`."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts.key_format import new_public_id, new_secret
from accounts.models import ApiKey, User
from accounts.services.api_keys import revoke_api_key
from accounts.services.key_authentication import authenticate_key
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from portal.embedded_postgres import PORT
from portal.environment import ConfigurationError, Environment, initial_variables
from tenants.lookups import memberships_of, organization_id_of
from tenants.models import Membership, Organization, Project, Role, Source
from tenants.services.members import add_member, change_role, remove_member
from tenants.services.organizations import update_organization
from tests import database
from tests.blueprint.conftest import File
from tests.people import make_tenant, make_user
from tests.running import ROOT, Run

EMAIL, PASSWORD = "ada@acme.example", "correct horse battery staple"
SECRET, PUBLIC_ID = new_secret("project", "production"), new_public_id("project", "production")
INIT = {
    "GATEHOUSE_INIT_ORG_ID": "acme",
    "GATEHOUSE_INIT_ORG_NAME": "Acme Inc.",
    "GATEHOUSE_INIT_USER_EMAIL": "Ada@acme.example",
    "GATEHOUSE_INIT_USER_NAME": "Ada",
    "GATEHOUSE_INIT_USER_PASSWORD": PASSWORD,
    "GATEHOUSE_INIT_PROJECT_ID": "chatbot",
    "GATEHOUSE_INIT_PROJECT_NAME": "Chatbot",
    "GATEHOUSE_INIT_PROJECT_ENVIRONMENT": "production",
    "GATEHOUSE_INIT_PROJECT_PUBLIC_KEY": PUBLIC_ID,
    "GATEHOUSE_INIT_PROJECT_SECRET_KEY": SECRET,
}


def start(settings: Any, init: dict[str, str] | None = None, blueprint: Path | None = None) -> str:
    settings.GATEHOUSE_INIT, settings.GATEHOUSE_BLUEPRINT = initial_variables(init or {}), blueprint
    out = StringIO()
    call_command("blueprint", "start", stdout=out)
    return out.getvalue()


def acme_id() -> Any:
    organization_id = organization_id_of("acme")
    assert organization_id
    return organization_id


def test_one_of_everything(db: None, settings) -> None:
    printed = start(settings, INIT)
    assert "Applied: 4 added, 0 changed, 0 removed." in printed
    assert PASSWORD not in printed
    assert "gatesk_" not in printed
    user = User.objects.get(email=EMAIL)
    assert (user.name, user.check_password(PASSWORD)) == ("Ada", True)
    assert [(place.slug, place.name, place.role) for place in memberships_of(user.pk)] == [
        ("acme", "Acme Inc.", "Owner")
    ]
    identity = authenticate_key(secret=SECRET, public_id=PUBLIC_ID, ip=None)
    assert "gatesk_" not in repr(identity)
    with tenant_scope(acme_id()):
        project = Project.objects.get()
        assert (project.slug, project.name, project.environment) == ("chatbot", "Chatbot", "production")
        assert "traces:write" in ApiKey.objects.get().scopes
    assert start(settings, INIT) == ""


def test_what_people_changed_stays_changed(db: None, settings) -> None:
    start(settings, INIT)
    user = User.objects.get(email=EMAIL)
    with tenant_scope(acme_id()):
        organization = Organization.objects.get()
        update_organization(organization=organization, name="Other", default_role=None, actor=SYSTEM)
        revoke_api_key(key=ApiKey.objects.get(), actor=SYSTEM)
        other = make_user("bob@acme.example")
        owner, viewer = Role.objects.get(key="owner"), Role.objects.get(key="viewer")
        add_member(organization=organization, user=other, role=owner, source=Source.MANUAL, actor=SYSTEM)
        change_role(membership=Membership.objects.get(user=user), role=viewer, actor=SYSTEM)
    user.set_password("another password")
    assert "Applied" not in start(settings, INIT)
    with tenant_scope(acme_id()):
        assert Organization.objects.get().name == "Other"
        assert ApiKey.objects.get().revoked_at
        assert Membership.objects.get(user=user).role.key == "viewer"
        remove_member(membership=Membership.objects.get(user=user), actor=SYSTEM)
    assert "Applied" not in start(settings, INIT)
    assert memberships_of(user.pk) == []


def test_an_organization_of_others_is_left_to_them(db: None, settings) -> None:
    """A login that is there already does not become a member of an organization that is there already."""
    tenant = make_tenant("acme")
    make_user(EMAIL)
    minimal = {"GATEHOUSE_INIT_ORG_ID": "acme", "GATEHOUSE_INIT_USER_EMAIL": EMAIL}
    assert start(settings, minimal) == ""
    with tenant_scope(tenant.organization):
        assert not Membership.objects.filter(user__email=EMAIL).exists()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GATEHOUSE_INIT_ORG_ID", "Acme Corp", "GATEHOUSE_INIT_ORG_ID: Acme Corp is no identifier"),
        ("GATEHOUSE_INIT_USER_EMAIL", "ada", "GATEHOUSE_INIT_USER_EMAIL: ada is no e-mail address."),
        ("GATEHOUSE_INIT_USER_PASSWORD", "hunter2", "GATEHOUSE_INIT_USER_PASSWORD: This password is too short."),
        ("GATEHOUSE_INIT_PROJECT_ENVIRONMENT", "prod", "GATEHOUSE_INIT_PROJECT_ENVIRONMENT: There is no choice prod."),
        (
            "GATEHOUSE_INIT_PROJECT_ENVIRONMENT",
            "staging",
            "GATEHOUSE_INIT_PROJECT_SECRET_KEY: The predefined secret says",
        ),
        ("GATEHOUSE_INIT_PROJECT_PUBLIC_KEY", "pk-lf-1", "GATEHOUSE_INIT_PROJECT_PUBLIC_KEY: "),
        (
            "GATEHOUSE_INIT_PROJECT_SECRET_KEY",
            "sk-lf-hunter2",
            "GATEHOUSE_INIT_PROJECT_SECRET_KEY: The predefined secret",
        ),
    ],
)
def test_a_wrong_value_names_its_variable_and_is_not_repeated(
    db: None, settings, name: str, value: str, said: str
) -> None:
    with pytest.raises(CommandError) as refusal:
        start(settings, INIT | {name: value})
    assert str(refusal.value).startswith(said)
    assert "hunter2" not in str(refusal.value)
    assert not User.objects.exists()
    assert organization_id_of("acme") is None


@pytest.mark.parametrize("name", sorted(INIT))
def test_variables_that_belong_together(name: str) -> None:
    optional = {"ORG_NAME", "USER_NAME", "USER_PASSWORD", "PROJECT_NAME", "PROJECT_ENVIRONMENT"}
    given = {key: value for key, value in INIT.items() if key != name}
    if name.removeprefix("GATEHOUSE_INIT_") in optional:
        assert initial_variables(given) == given
    else:
        with pytest.raises(ConfigurationError, match=rf"^{name}: is not set; GATEHOUSE_INIT_\w+ needs it$"):
            initial_variables(given)


def test_a_blueprint_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^GATEHOUSE_BLUEPRINT: cannot read /nowhere: No such file"):
        Environment({"GATEHOUSE_BLUEPRINT": "/nowhere"}).file("GATEHOUSE_BLUEPRINT")


def test_both_are_applied(db: None, settings, file: File) -> None:
    file.write("version: 1\norganizations:\n  acme:\n    projects: {search: {}}\n")
    assert "Applied: 5 added, 0 changed, 0 removed." in start(settings, INIT, file.path)
    assert start(settings, INIT, file.path) == ""
    with tenant_scope(acme_id()):
        assert sorted(Project.objects.values_list("slug", flat=True)) == ["chatbot", "search"]


def url(role: str) -> str:
    server = database.server()
    return f"postgresql://{role}@/{database.worker_database()}?host={server.socket_directory}&port={PORT}"


def test_the_command_of_a_container(db: None, tmp_path: Path, file: File) -> None:
    """A process of its own, with nothing but its environment, as in front of the web process of a container."""
    file.write("version: 1\norganizations:\n  acme:\n    projects: {search: {}}\n")
    (tmp_path / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    init = {name: value for name, value in INIT.items() if not name.endswith("PASSWORD")}
    environment = {
        "PATH": os.environ["PATH"],
        "GATEHOUSE_DOTENV": "",
        "GATEHOUSE_HOME": str(settings.GATEHOUSE_HOME),
        "DATABASE_URL": url("gatehouse_app"),
        "OPERATOR_DATABASE_URL": url("gatehouse_operator"),
        "CELERY_BROKER_URL": "redis://localhost:1/0",
        "GATEHOUSE_BLUEPRINT": str(file.path),
        "GATEHOUSE_INIT_USER_PASSWORD_FILE": str(tmp_path / "password"),
        **init,
    }

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", "blueprint", "start"]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90, check=False
        )

    first = run()
    assert first.returncode == 0, first.stderr
    assert "Applied: 5 added" in first.stdout
    assert User.objects.get(email=EMAIL).is_active
    again = run()
    assert (again.returncode, again.stdout.strip()) == (0, ""), again.stderr
    file.write("version: 1\norganizations:\n  acme:\n    projects: {search: {colour: red}}\n")
    wrong = run()
    assert wrong.returncode == 1
    line = wrong.stderr.splitlines()[-1]
    assert "Traceback" not in wrong.stderr
    assert line.startswith(
        f"CommandError: {file.path}:4:25: organizations.acme.projects.search.colour: There is no field"
    )


def test_make_run_refuses_a_wrong_blueprint_before_anything_starts(portal: Run, file: File) -> None:
    file.write("version: 1\norganizations:\n  acme: {colour: red, size: 3}\n")
    line = portal.refused(GATEHOUSE_BLUEPRINT=str(file.path))
    assert line.startswith(f"Gatehouse: GATEHOUSE_BLUEPRINT: {file.path}:3:10: organizations.acme.colour: There is no")
    assert line.endswith(f"(1 more: manage.py blueprint plan {file.path})\n")
    assert portal.refused(GATEHOUSE_INIT_ORG_ID="acme").startswith("Gatehouse: GATEHOUSE_INIT_USER_EMAIL: is not set")
    assert not portal.server().data.exists()
