"""`actor.can`, `user.has_perm`, `explain` and `visible_to` agree with the obvious oracle, whatever the rows say."""

from dataclasses import dataclass

import pytest
from django.contrib.auth.models import Permission as DjangoPermission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.access import explain, user_actor
from tenants.models import (
    Group,
    GroupMember,
    GroupRole,
    Membership,
    Project,
    ProjectGroupGrant,
    ProjectMembership,
    ProjectUserGrant,
    Role,
)
from tenants.permissions import PERMISSIONS, BuiltinRole, Level, P
from tests.people import Tenant, make_tenant, make_user
from tests.tenants.oracle import holds

ROLES = [*(key.value for key in BuiltinRole), "custom-some", "custom-none", "custom-projects"]
CUSTOM = {
    "custom-some": ["traces:read", "members:invite", "projects:manage", "no-longer:known"],
    "custom-none": [],
    "custom-projects": ["projects:read", "api_keys:rotate", "audit_log:read"],
}
PEOPLE, GROUPS, PROJECTS = 2, 2, 2
PROJECT_PERMISSIONS = sorted(name.value for name, p in PERMISSIONS.items() if p.level is Level.PROJECT)

person, group, project = st.integers(0, PEOPLE - 1), st.integers(0, GROUPS - 1), st.integers(0, PROJECTS - 1)
role, exception = st.sampled_from(ROLES), st.sampled_from(PROJECT_PERMISSIONS)


@dataclass(frozen=True)
class Rows:
    """What an example puts into the tables."""

    memberships: dict[int, tuple[str, bool, bool]]
    group_members: set[tuple[int, int]]
    group_roles: dict[tuple[int, int | None], str]
    project_memberships: dict[tuple[int, int], str]
    user_grants: set[tuple[int, int, str]]
    group_grants: set[tuple[int, int, str]]


rows = st.builds(
    Rows,
    memberships=st.dictionaries(
        person, st.tuples(role, st.sampled_from([True, True, False]), st.sampled_from([True, True, False]))
    ),
    group_members=st.sets(st.tuples(group, person)),
    group_roles=st.dictionaries(st.tuples(group, st.none() | project), role, max_size=4),
    project_memberships=st.dictionaries(st.tuples(person, project), role, max_size=3),
    user_grants=st.sets(st.tuples(person, project, exception), max_size=3),
    group_grants=st.sets(st.tuples(group, project, exception), max_size=3),
)


@dataclass
class World:
    """An organization with nobody in it yet, and a foreign one."""

    tenant: Tenant
    foreign: Tenant
    people: list[User]
    groups: list[Group]
    projects: list[Project]
    roles: dict[str, Role]
    exceptions: dict[str, DjangoPermission]


@pytest.fixture
def world(db: None) -> World:
    tenant = make_tenant("acme", everybody=False)
    foreign = make_tenant("globex", everybody=False)
    exceptions = DjangoPermission.objects.filter(content_type=ContentType.objects.get_for_model(Project))
    world = World(
        tenant=tenant,
        foreign=foreign,
        people=[make_user(f"person{number}@acme.example") for number in range(PEOPLE)],
        groups=[],
        projects=[],
        roles={},
        exceptions={permission.codename: permission for permission in exceptions},
    )
    # Everybody in the examples owns the other organization: that must change nothing here.
    with foreign.acting("owner"):
        owner_role = foreign.role("owner")
    world.roles["foreign owner"] = owner_role
    return world


def put(world: World, example: Rows) -> None:
    """Write the example's rows as they are; the transaction is rolled back, so no event is asked for."""
    organization = world.tenant.organization
    world.groups = [Group.objects.create(organization=organization, name=f"Group {n}") for n in range(GROUPS)]
    world.projects = [
        Project.objects.create(organization=organization, slug=f"project-{n}", name=f"Project {n}")
        for n in range(PROJECTS)
    ]
    roles = {role.key: role for role in Role.objects.filter(is_builtin=True)}
    for key, permissions in CUSTOM.items():
        roles[key] = Role.objects.create(
            organization=organization, key=key, name=key.title(), custom_permissions=permissions
        )
    memberships: dict[int, Membership] = {}
    for number, (key, active, login_active) in example.memberships.items():
        user = world.people[number]
        user.is_active = login_active
        user.save(update_fields=["is_active"])
        memberships[number] = Membership.objects.create(
            organization=organization, user=user, role=roles[key], is_active=active
        )
    for g, m in example.group_members:
        if m in memberships:
            GroupMember.objects.create(organization=organization, group=world.groups[g], membership=memberships[m])
    for (g, p), key in example.group_roles.items():
        GroupRole.objects.create(
            organization=organization,
            group=world.groups[g],
            role=roles[key],
            project=None if p is None else world.projects[p],
        )
    for (m, p), key in example.project_memberships.items():
        if m in memberships:
            ProjectMembership.objects.create(
                organization=organization, membership=memberships[m], project=world.projects[p], role=roles[key]
            )
    for u, p, name in example.user_grants:
        ProjectUserGrant.objects.create(
            user=world.people[u], content_object=world.projects[p], permission=world.exceptions[name]
        )
    for g, p, name in example.group_grants:
        ProjectGroupGrant.objects.create(
            group=world.groups[g], content_object=world.projects[p], permission=world.exceptions[name]
        )


def agree(world: World, user: User) -> None:
    """Compare every way to ask, for each permission and each object."""
    organization = world.tenant.organization
    actor = user_actor(user, organization.pk)
    objects = [None, organization, *world.projects, world.foreign.organization, world.foreign.project]
    held = [holds(user, obj, organization) for obj in objects]
    truth = {(name, place): name in held[place] for place in range(len(objects)) for name in PERMISSIONS}
    for (name, place), expected in truth.items():
        obj = objects[place]
        assert actor.can(name, obj) is expected, (name, obj)
        assert explain(actor, name, obj).allowed is expected, (name, obj)
    with acting_as(actor):
        for (name, place), expected in truth.items():
            if place < len(objects) - 2:
                assert user.has_perm(name, objects[place]) is expected, (name, objects[place])
    for name in (P.PROJECTS_READ, P.AUDIT_LOG_READ, P.TRACES_DELETE):
        shown = {project.pk for project in Project.objects.visible_to(actor, name)}
        assert shown == {each.pk for each in Project.objects.all() if name in holds(user, each, organization)}, name


@pytest.mark.usefixtures("db")
@settings(
    max_examples=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(example=rows)
def test_every_way_to_ask_gives_the_oracles_answer(world: World, example: Rows) -> None:
    with tenant_scope(world.tenant.organization):
        put(world, example)
        for user in world.people:
            user.refresh_from_db()
            agree(world, user)
        transaction.set_rollback(True)
    for user in world.people:
        user.refresh_from_db()


def test_a_stranger_is_refused_everything(acme: Tenant, globex: Tenant) -> None:
    with tenant_scope(acme.organization):
        actor = user_actor(globex.owner, acme.organization.pk)
        assert not any(actor.can(name, obj) for name in P for obj in (None, acme.organization, acme.project))
        assert not Project.objects.visible_to(actor).exists()
    with globex.acting("owner") as actor:
        assert not any(actor.can(name, obj) for name in P for obj in (acme.organization, acme.project))
        assert not any(globex.owner.has_perm(name, acme.project) for name in P)
        assert explain(actor, P.PROJECTS_READ, acme.project).reasons == (
            "owner@globex.example asks about another organization.",
        )


def test_the_same_person_holds_each_role_in_its_own_organization_only(acme: Tenant, globex: Tenant) -> None:
    with acme.acting("viewer") as actor:
        assert actor.can(P.PROJECTS_READ)
        assert not acme.viewer.has_perm(P.PROJECTS_READ, globex.project)
    with tenant_scope(globex.organization):
        assert not acme.viewer.has_perm(P.PROJECTS_READ, globex.project)
        assert not acme.viewer.has_perm(P.PROJECTS_READ)
        assert acme.viewer.has_perm(P.PROJECTS_READ, acme.project)


@pytest.mark.parametrize("name", ["", "projects", "projects:fly", "PROJECTS:READ", "tenants:view_project"])
def test_an_unknown_name_raises_everywhere(name: str, acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        for ask in (
            lambda: actor.can(name),
            lambda: actor.can(name, acme.project),
            lambda: actor.require(name, acme.project),
            lambda: acme.owner.has_perm(name),
            lambda: acme.owner.has_perm(name, acme.project),
            lambda: explain(actor, name, acme.project),
        ):
            with pytest.raises(LookupError):
                ask()


@pytest.mark.parametrize("name", ["tenants.view_project", "tenants.delete_project", "accounts.add_user"])
def test_django_model_permissions_are_never_granted(name: str, acme: Tenant) -> None:
    with acme.acting("owner"):
        assert not acme.owner.has_perm(name)
        assert not acme.owner.has_perm(name, acme.project)


def test_asking_about_something_without_organization_is_a_mistake(acme: Tenant) -> None:
    with acme.acting("owner") as actor, pytest.raises(TypeError, match="belongs to no organization"):
        actor.can(P.PROJECTS_READ, acme.owner)


def test_a_global_grant_counts_nowhere(acme: Tenant) -> None:
    codename = P.PROJECTS_DELETE.value
    permission = DjangoPermission.objects.get(codename=codename)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_name = 'accounts_user_user_permissions'"
        )
        assert cursor.fetchone() is None, "there is no place for a global grant"
        cursor.execute(
            "INSERT INTO guardian_userobjectpermission (object_pk, content_type_id, permission_id, user_id)"
            " VALUES (%s, %s, %s, %s)",
            [str(acme.project.pk), permission.content_type_id, permission.pk, acme.viewer.pk],
        )
    with acme.acting("viewer") as actor:
        for obj in (None, acme.organization, acme.project):
            assert not actor.can(codename, obj)
            assert not acme.viewer.has_perm(codename, obj)
            assert not acme.viewer.has_perm(f"tenants.{codename}", obj)


class _Counted:
    """Counts the statements that reach the database, but the setting of the tenant."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def __call__(self, execute, sql, params, many, context):
        if "set_config" not in sql and not sql.startswith(("SAVEPOINT", "RELEASE")):
            self.statements.append(sql)
        return execute(sql, params, many, context)


def test_loading_and_checking_is_one_statement_and_so_is_a_list(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        counted = _Counted()
        with connection.execute_wrapper(counted):
            actor = user_actor(acme.member, acme.organization.pk)
            for name in P:
                actor.can(name)
                actor.can(name, acme.project)
                explain(actor, name, acme.project)
            assert len(counted.statements) == 1
            with acting_as(actor):
                assert acme.member.has_perm(P.PROJECTS_READ, acme.project)
            assert len(counted.statements) == 1
            assert list(Project.objects.visible_to(actor)) == [acme.project]
            assert len(counted.statements) == 2
            assert acme.member.has_perm(P.PROJECTS_READ, acme.project)
            assert len(counted.statements) == 3, "somebody who is not acting is loaded by one statement"


def test_an_explanation_names_role_place_and_way(acme: Tenant) -> None:
    with acme.acting("viewer") as actor:
        assert explain(actor, P.PROJECTS_READ, acme.project).reasons == (
            "The role Viewer in the organization allows it.",
        )
        assert explain(actor, P.PROJECTS_DELETE, acme.project).reasons == (
            "The role Viewer in the organization does not allow it.",
        )
    with tenant_scope(acme.organization):
        nobody = user_actor(make_user("nobody@example.org"), acme.organization.pk)
        assert explain(nobody, P.PROJECTS_READ).reasons == ("No active membership gives any role here.",)
