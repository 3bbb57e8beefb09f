"""The demo installation."""

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from isolation.scope import tenant_scope
from portal.demo import ACME, logins
from tenants.access import user_actor
from tenants.lookups import memberships_of, organization_id_of
from tenants.models import Group, Invitation, Project, Role
from tenants.permissions import BuiltinRole, P

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo(db: None) -> None:
    call_command("seed_demo")


def test_each_login_signs_in(demo: None) -> None:
    for email, password, _ in logins():
        response = Client().post("/accounts/login/", {"login": email, "password": password})
        assert response.status_code == 302, email


def test_the_stranger_is_no_member_of_acme(demo: None) -> None:
    stranger = User.objects.get(email="owner@globex.example")
    assert [place.slug for place in memberships_of(stranger.pk)] == ["globex"]


def test_project_roles_replace(demo: None) -> None:
    organization_id = organization_id_of("acme")
    assert organization_id
    with tenant_scope(organization_id):
        projects = {project.slug: project for project in Project.objects.all()}
        viewer, admin = (
            user_actor(User.objects.get(email=ACME.email(role)), organization_id)
            for role in (BuiltinRole.VIEWER, BuiltinRole.ADMIN)
        )
    assert viewer.can(P.PROJECTS_MANAGE, projects["chatbot-dev"])
    assert not viewer.can(P.PROJECTS_MANAGE, projects["chatbot-prod"])
    assert not admin.can(P.PROJECTS_READ, projects["search-eval"])


def test_seeding_twice_changes_nothing(demo: None) -> None:
    def counts() -> list[int]:
        organization_id = organization_id_of("acme")
        assert organization_id
        with tenant_scope(organization_id):
            return [model.objects.count() for model in (Group, Invitation, Project, Role)]

    before = [User.objects.count(), *counts()]
    call_command("seed_demo")
    assert [User.objects.count(), *counts()] == before == [len(logins()), 2, 1, 3, 7]


def test_production_gets_no_public_passwords(db: None, settings) -> None:
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="public password"):
        call_command("seed_demo")
    assert not User.objects.exists()
