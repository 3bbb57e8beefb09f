"""The people of the tests: one organization with everybody in it, a stranger in another, and an operator."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoDbBlocker

from accounts.models import User
from accounts.services.users import create_user
from isolation.actor import SYSTEM, Actor
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.access import user_actor
from tenants.models import Membership, Organization, Project, Role, Source
from tenants.permissions import BuiltinRole
from tenants.services.members import add_member
from tenants.services.organizations import create_organization
from tenants.services.projects import create_project
from tests.database import Cleaner

PASSWORD = "correct horse battery staple"


@dataclass
class Tenant:
    """An organization of the tests with a person for each built-in role and one project."""

    organization: Organization
    people: dict[str, User] = field(default_factory=dict)
    project: Any = None

    def __getattr__(self, name: str) -> User:
        """Return the person with the role `name`: tenant.owner, tenant.viewer."""
        people: dict[str, User] = self.__dict__.get("people", {})  # a copy that is being made has none yet
        try:
            return people[name]
        except KeyError:
            raise AttributeError(name) from None

    @contextmanager
    def acting(self, name: str) -> Iterator[Actor]:
        """Open the organization's scope as the person with the role `name`."""
        with tenant_scope(self.organization):
            actor = user_actor(self.people[name], self.organization.pk)
            with acting_as(actor):
                yield actor

    def role(self, key: str) -> Role:
        """Return the built-in role; the scope must be open."""
        role: Role = Role.objects.get(key=key, is_builtin=True)
        return role

    def membership(self, name: str) -> Membership:
        """Return the membership of the person with the role `name`; the scope must be open."""
        membership: Membership = Membership.objects.select_related("user", "role").get(user=self.people[name])
        return membership


def make_user(email: str, **fields: Any) -> User:
    """Return a user with a verified address who can log in with PASSWORD."""
    return create_user(email=email, password=PASSWORD, verified=True, actor=SYSTEM, **fields)


def make_tenant(slug: str, *, everybody: bool = True) -> Tenant:
    """Return an organization with an owner, one project and, when asked, a person for each other role."""
    owner = make_user(f"owner@{slug}.example")
    organization = create_organization(slug=slug, name=slug.capitalize(), owner=owner, actor=SYSTEM)
    tenant = Tenant(organization, {"owner": owner})
    with tenant_scope(organization):
        for key in BuiltinRole if everybody else ():
            if key is not BuiltinRole.OWNER:
                person = make_user(f"{key}@{slug}.example")
                role = Role.objects.get(key=key, is_builtin=True)
                add_member(organization=organization, user=person, role=role, source=Source.MANUAL, actor=SYSTEM)
                tenant.people[key.value] = person
        tenant.project = make_project(tenant, "chatbot")
    return tenant


def make_project(tenant: Tenant, slug: str) -> Project:
    """Return a new project of the tenant; the scope must be open."""
    return create_project(
        organization=tenant.organization, slug=slug, name=slug.capitalize(), environment="development", actor=SYSTEM
    )


class Cast:
    """Those whom most tests ask for: made once for each worker by the services, and brought back as rows.

    Args:
        cleaner: of the worker's database, which is clean.
    """

    def __init__(self, cleaner: Cleaner) -> None:
        self._cleaner = cleaner
        self._known: dict[str, Any] = {}
        self.learn("acme", lambda: make_tenant("acme"))
        self.learn("globex", lambda: make_tenant("globex", everybody=False))
        self.learn("operator", lambda: make_user("operator@gatehouse.example", is_operator=True))

    def learn(self, name: str, make: Callable[[], Any]) -> None:
        """Make somebody in a clean database, and leave it clean."""
        self._known[name] = make()
        self._cleaner.keep(name)

    def enter(self, name: str) -> Any:
        """Bring somebody back."""
        self._cleaner.bring_back(name)
        return deepcopy(self._known[name])


@pytest.fixture(scope="session")
def cast(database_cleaner: Cleaner, django_db_blocker: DjangoDbBlocker) -> Cast:
    """Return the worker's cast."""
    with django_db_blocker.unblock():
        return Cast(database_cleaner)


@pytest.fixture
def acme(cast: Cast, db: None) -> Tenant:
    """Return the organization that tests are about."""
    tenant: Tenant = cast.enter("acme")
    return tenant


@pytest.fixture
def globex(cast: Cast, db: None) -> Tenant:
    """Return another organization; its owner is the stranger."""
    tenant: Tenant = cast.enter("globex")
    return tenant


@pytest.fixture
def stranger(globex: Tenant) -> User:
    """Return somebody who may do everything, elsewhere."""
    return globex.owner


@pytest.fixture
def operator(cast: Cast, db: None) -> User:
    """Return an operator of the installation."""
    user: User = cast.enter("operator")
    return user


def signed_in(user: User) -> Client:
    """Return a browser in which `user` has signed in."""
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client
