"""Whatever the rows say, a key allows what the obvious oracle says, however it is asked."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.key_format import API_KEY_KINDS, KeyKind
from accounts.models import ApiKey, ServiceAccount, ServiceAccountProjectRole
from accounts.services.key_authentication import KeyRefused, authenticate_key, key_actor
from isolation.actor import SYSTEM, Actor
from isolation.exceptions import UnknownPermission
from isolation.scope import tenant_scope
from tenants.models import Membership, Project, ProjectMembership, Role
from tenants.permissions import PERMISSIONS, BuiltinRole, Level, P
from tests.accounts.keys.oracle import holds
from tests.accounts.keys.stage import make_account, make_key
from tests.people import Tenant, make_project, make_tenant
from tests.tenants.stage import custom_role, join

CUSTOM = {"some": ["traces:read", "members:invite", "projects:read"], "nothing": []}
ROLES = [*(key.value for key in BuiltinRole), *CUSTOM]
PROJECTS = 3
PROJECT_SCOPES = sorted(name.value for name, p in PERMISSIONS.items() if p.level is Level.PROJECT)

role, number = st.sampled_from(ROLES), st.integers(0, PROJECTS - 1)


@dataclass(frozen=True)
class Rows:
    """What an example puts into the tables."""

    scopes: set[str]
    role: str
    project_roles: dict[int, str]
    is_active: bool


rows = st.builds(
    Rows,
    scopes=st.sets(st.sampled_from(sorted(P)), min_size=1),
    role=role,
    project_roles=st.dictionaries(number, role),
    is_active=st.sampled_from([True, True, True, False]),
)


@dataclass
class World:
    """An organization with a key of each kind, and a foreign one."""

    tenant: Tenant
    foreign: Tenant
    projects: list[Project]
    keys: dict[str, tuple[ApiKey, str]]
    account: ServiceAccount
    membership: Membership
    foreign_key: ApiKey


@pytest.fixture
def world(db: None) -> World:
    tenant, foreign = make_tenant("acme", everybody=False), make_tenant("globex", everybody=False)
    with tenant_scope(foreign.organization):
        foreign_key = make_key(foreign, SYSTEM).key
    with tenant_scope(tenant.organization):
        projects = [tenant.project, *(make_project(tenant, f"project-{n}") for n in range(1, PROJECTS))]
        for name, permissions in CUSTOM.items():
            custom_role(tenant, name, permissions)
        membership = join(tenant, "person", tenant.role("owner"))
        account = make_account(tenant, SYSTEM)
        owners: dict[KeyKind, dict[str, Any]] = {
            KeyKind.PROJECT: {"project": projects[1]},
            KeyKind.ORGANIZATION: {},
            KeyKind.PERSONAL: {"user": tenant.person},
            KeyKind.SERVICE_ACCOUNT: {"service_account": account},
        }
        issued = {kind: make_key(tenant, SYSTEM, kind, **owner) for kind, owner in owners.items()}
    keys = {kind.value: (one.key, one.secret) for kind, one in issued.items()}
    return World(tenant, foreign, projects, keys, account, membership, foreign_key)


def put(world: World, kind: str, example: Rows) -> None:
    """Write the example's rows as they are; the transaction is rolled back, so no event is asked for."""
    organization = world.tenant.organization
    roles = {each.key: each for each in Role.objects.all()}
    scopes = example.scopes & set(PROJECT_SCOPES) or {"traces:read"} if kind == KeyKind.PROJECT else example.scopes
    ApiKey.objects.filter(pk=world.keys[kind][0].pk).update(scopes=sorted(scopes))
    ServiceAccount.objects.filter(pk=world.account.pk).update(role=roles[example.role], is_active=example.is_active)
    Membership.objects.filter(pk=world.membership.pk).update(role=roles[example.role], is_active=example.is_active)
    for place, key in example.project_roles.items():
        shared = {"organization": organization, "project": world.projects[place], "role": roles[key]}
        ServiceAccountProjectRole.objects.create(account=world.account, **shared)
        ProjectMembership.objects.create(membership=world.membership, **shared)


def agree(world: World, key: ApiKey, actor: Actor) -> None:
    """Compare every way to ask, for each permission and each object."""
    organization, authority = world.tenant.organization, actor.authority
    in_project = world.keys[KeyKind.PROJECT][0]
    objects = [None, organization, *world.projects, in_project, key]
    held = [holds(key, obj, organization) for obj in objects]
    for name in PERMISSIONS:
        assert [actor.can(name, obj) for obj in objects] == [name in scopes for scopes in held], (name, key.kind)
        for foreign in (world.foreign.organization, world.foreign.project, world.foreign_key):
            assert not actor.can(name, foreign), (name, foreign)
        places = [name in scopes for scopes in (held[0], *held[2 : 2 + PROJECTS])]
        assert authority.allows_somewhere(name) is any(places), (name, key.kind)
        assert authority.allows_everywhere(name) is all(places), (name, key.kind)
        where = set(Project.objects.filter(authority.projects_where(name)).values_list("pk", flat=True))
        assert where == {p.pk for p, allowed in zip(world.projects, places[1:], strict=True) if allowed}, name
        of_keys = ApiKey.objects.filter(project__isnull=False)
        where = set(of_keys.filter(authority.projects_where(name, column="project_id")).values_list("pk", flat=True))
        assert where == ({in_project.pk} if actor.can(name, in_project) else set()), name


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("kind", API_KEY_KINDS)
@settings(
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(example=rows)
def test_every_way_to_ask_gives_the_oracles_answer(world: World, kind: str, example: Rows) -> None:
    with tenant_scope(world.tenant.organization):
        put(world, kind, example)
        record = authenticate_key(secret=world.keys[kind][1], ip=None)
        actor = key_actor(record, world.tenant.organization.pk)
        agree(world, ApiKey.objects.select_related("user").get(pk=record.key_id), actor)
        transaction.set_rollback(True)


@pytest.mark.parametrize("kind", API_KEY_KINDS)
def test_a_key_counts_nowhere_else(world: World, kind: str) -> None:
    record = authenticate_key(secret=world.keys[kind][1], ip=None)
    with tenant_scope(world.foreign.organization), pytest.raises(KeyRefused, match="other_organization"):
        key_actor(record, world.foreign.organization.pk)


def test_a_permission_outside_the_catalogue_raises(world: World) -> None:
    for kind in world.keys:
        record = authenticate_key(secret=world.keys[kind][1], ip=None)
        with tenant_scope(world.tenant.organization):
            actor = key_actor(record, world.tenant.organization.pk)
            for ask in (actor.can, actor.authority.allows_somewhere, actor.authority.allows_everywhere):
                with pytest.raises(UnknownPermission):
                    ask("traces:fold")
